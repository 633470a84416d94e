package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"
)

const (
	commandRun   = "run"
	commandOnce  = "once"
	commandCheck = "check"
)

// The limits of the sampling flags. Below the floors a reading repeats the last one, or costs the workload more than it tells;
// the driver's ring of utilisation samples holds ten seconds, so what is read later has lost some.
const (
	floorInterval       = 10 * time.Millisecond
	floorSlowInterval   = 200 * time.Millisecond
	ceilingSlowInterval = 10 * time.Second
	// refresh is how often the driver of a data-centre GPU renews its utilisation.
	refresh = 100 * time.Millisecond
	// harmless is the shortest time between slow readings that was seen not to slow a model server down: at 100 ms the
	// tokens of a decoding server came 2 % later.
	harmless = time.Second
	// safe is the longest time between slow readings that leaves room to miss one before the ring wraps.
	safe = 5 * time.Second
)

// errHelped says that --help or --version was answered and nothing is left to do.
var errHelped = errors.New("help was printed")

// options are the flags, one field each.
type options struct {
	web                 *web.FlagConfig
	logLevel, logFormat string
	configFile          string
	nodeName            string
	simulate            bool
	simulateSeed        int64
	simulateLog         string
	simulateNode        string
	nvmlLibrary         string
	interval, slow      time.Duration
	window              time.Duration
	podResourcesSocket  string
	podsSocket          string
	pods                string
	endpoints           []string
	engineInterval      time.Duration
	detail, dcgm        bool
	histogram           bool
	// proc is where processes are looked up, /proc where it is empty. It is no flag: another tree is of use to who makes one alone.
	proc string
}

// parseFlags reads flags and, for each flag, the environment variable GPUSIGNAL_<FLAG>.
func parseFlags(args []string, stdout, stderr io.Writer) (options, string, error) {
	var o options
	app := kingpin.New("gpusignal", "Pod-labelled scaling signals from GPUs and the model servers on them.")
	app.UsageWriter(stdout).ErrorWriter(stderr).DefaultEnvars().Version(version.Print("gpusignal"))
	app.HelpFlag.Short('h')
	helped := false
	app.Terminate(func(int) { helped = true })

	o.web = kingpinflag.AddFlags(app, ":9478")
	app.Flag("log.level", "Log messages of this level and above: debug, info, warn, error.").
		Default("info").SetValue(oneOf("log.level", &o.logLevel, "debug", "info", "warn", "error"))
	app.Flag("log.format", "Format of log lines: logfmt, json.").
		Default("logfmt").SetValue(oneOf("log.format", &o.logFormat, "logfmt", "json"))
	app.Flag("config.file", "File of targets and endpoints (YAML), read again when it changes.").
		StringVar(&o.configFile)
	app.Flag("node-name", "Name of this node. Without it $NODE_NAME, then the host's name.").StringVar(&o.nodeName)
	app.Flag("simulate", "Watch a simulated node instead of this one.").BoolVar(&o.simulate)
	app.Flag("simulate.seed", "Seed of the simulated node's load.").Default("1").
		SetValue(&flagValue[int64]{"simulate.seed", parseSeed, &o.simulateSeed})
	app.Flag("simulate.node", "The simulated node: shared (GPUs shared in every way there is), plain (each GPU held whole).").
		Default("shared").SetValue(oneOf("simulate.node", &o.simulateNode, "shared", "plain"))
	app.Flag("simulate.log", "File to which the simulated node writes what truly happened on it.").
		StringVar(&o.simulateLog)
	app.Flag("nvml.library", "Path or name of NVML's library.").Default("libnvidia-ml.so.1").StringVar(&o.nvmlLibrary)
	app.Flag("sample.interval", "Time between readings of memory and utilisation.").
		Default("100ms").SetValue(&flagValue[time.Duration]{"sample.interval", time.ParseDuration, &o.interval})
	app.Flag("sample.slow-interval", "Time between readings of the ring of utilisation samples, activity, power, energy and bytes, and between bookings.").
		Default("1s").SetValue(&flagValue[time.Duration]{"sample.slow-interval", time.ParseDuration, &o.slow})
	app.Flag("signal.window", "Span over which signals are means; at least the scrape interval.").
		Default("15s").SetValue(&flagValue[time.Duration]{"signal.window", time.ParseDuration, &o.window})
	app.Flag("kubelet.pod-resources-socket", "The kubelet's pod-resources socket.").
		Default("/var/lib/kubelet/pod-resources/kubelet.sock").StringVar(&o.podResourcesSocket)
	app.Flag("kubelet.pods-socket", "The kubelet's pods-api socket (Kubernetes 1.37 and later).").
		Default("/var/lib/kubelet/pods-api/pods-api.sock").StringVar(&o.podsSocket)
	app.Flag("kubernetes.pods", "Where pods are learnt from: auto, kubelet, api, off.").
		Default("auto").SetValue(oneOf("kubernetes.pods", &o.pods, "auto", "kubelet", "api", "off"))
	app.Flag("engine.endpoint", "A metrics page that no pod announces: URL[,engine=vllm][,namespace=NS][,pod=POD]. Repeatable.").
		StringsVar(&o.endpoints)
	app.Flag("engine.interval", "Time between readings of a model server's page.").
		Default("2s").SetValue(&flagValue[time.Duration]{"engine.interval", time.ParseDuration, &o.engineInterval})

	app.Flag("collector.detail", "Publish more of each GPU, for who looks into a fault: every clock, throttle reason, unit, engine and driver call.").
		BoolVar(&o.detail)
	app.Flag("collector.histogram", "Publish histograms: of each GPU's utilisation, and with the buckets that a model server has of each of its latencies.").
		BoolVar(&o.histogram)
	app.Flag("collector.dcgm", "Publish the default set of dcgm-exporter too, under its names and labels (DCGM_FI_DEV_GPU_UTIL …).").
		BoolVar(&o.dcgm)

	app.Command(commandRun, "Run the daemon (the default).").Default()
	app.Command(commandOnce, "Print the page once, after a full window, and end.")
	app.Command(commandCheck, "Say what this machine gives, what is missing, and the way out.")

	command, err := app.Parse(args)
	if helped {
		return o, "", errHelped
	}
	if err != nil {
		return o, "", err
	}
	return o, command, o.complete()
}

// complete fills what has a default outside the flags, and refuses values that cannot work together.
func (o *options) complete() error {
	if o.nodeName == "" {
		o.nodeName = os.Getenv("NODE_NAME")
	}
	if o.nodeName == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find the node's name: %w; give --node-name", err)
		}
		o.nodeName = name
	}
	switch {
	case o.podResourcesSocket == "":
		return errors.New("--kubelet.pod-resources-socket is empty: name the socket, or leave the flag out")
	case o.podsSocket == "":
		return errors.New("--kubelet.pods-socket is empty: name the socket, or leave the flag out")
	case o.interval < floorInterval:
		return fmt.Errorf("--sample.interval=%v is below the floor of %v", o.interval, floorInterval)
	case o.slow < floorSlowInterval:
		return fmt.Errorf("--sample.slow-interval=%v is below the floor of %v", o.slow, floorSlowInterval)
	case o.slow >= ceilingSlowInterval:
		return fmt.Errorf("--sample.slow-interval=%v: the driver keeps utilisation samples for %v, longer intervals lose busy time", o.slow, ceilingSlowInterval)
	case o.slow < o.interval:
		return fmt.Errorf("--sample.slow-interval=%v is shorter than --sample.interval=%v", o.slow, o.interval)
	case o.window < 2*o.slow:
		return fmt.Errorf("--signal.window=%v is shorter than two slow intervals of %v", o.window, o.slow)
	case o.engineInterval < floorSlowInterval:
		return fmt.Errorf("--engine.interval=%v is below the floor of %v", o.engineInterval, floorSlowInterval)
	case o.window < 2*o.engineInterval:
		return fmt.Errorf("--signal.window=%v is shorter than two intervals of --engine.interval=%v", o.window, o.engineInterval)
	}
	return nil
}

// warnings are values that work but do not do what one would think.
func (o *options) warnings() []string {
	var out []string
	warn := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if o.interval < refresh {
		warn("--sample.interval=%v: the driver renews utilisation every %v at most; only memory is read more often", o.interval, refresh)
	}
	if o.slow < harmless {
		warn("--sample.slow-interval=%v: calls of the driver hold locks that the workload waits for; below %v they can slow it down", o.slow, harmless)
	}
	if o.slow > safe {
		warn("--sample.slow-interval=%v: the driver keeps utilisation samples for %v; above %v a late reading loses busy time", o.slow, ceilingSlowInterval, safe)
	}
	return out
}
