package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/common/version"

	"gpusignal/collector"
	"gpusignal/engine"
	"gpusignal/kubelet"
	"gpusignal/ledger"
	"gpusignal/node"
	"gpusignal/nvml"
	"gpusignal/sampler"
	"gpusignal/sim"
	"gpusignal/web"
)

// Fixed times and sizes of the daemon.
const (
	keepClosed     = 5 * time.Minute  // closed accounts stay published
	serverGrace    = 60 * time.Second // a server's last page lives
	minDeviceGrace = 12 * time.Second // least life of a device reading: slow ones may be put off to 4 s
	claimsInterval = time.Second      // between two List calls
	engineDeadline = 5 * time.Second  // of a fetch
	engineMaxBytes = 8 << 20          // of a page
)

// daemon is the program put together: its sources, what joins them and what publishes them. Nothing runs before serve.
type daemon struct {
	opts      options
	log       *slog.Logger
	config    *configuration
	sources   node.Sources
	collector *collector.Collector
	web       *web.Web
	// actors run side by side; when the first returns all are told to end.
	actors []actor
	// closers let go, in this order, of what actors leave behind.
	closers []io.Closer
}

// newDaemon constructs everything and starts nothing. With --simulate the driver and the sockets are those of a simulated
// node; nothing else differs.
func newDaemon(opts options, log *slog.Logger) (*daemon, error) {
	for _, warning := range opts.warnings() {
		log.Warn(warning)
	}
	d := &daemon{opts: opts, log: log}
	if err := d.construct(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *daemon) construct() error {
	log := d.log
	var err error
	if d.config, err = newConfiguration(d.opts.configFile, d.opts.endpoints, log); err != nil {
		return err
	}
	d.add("configuration", d.config.run)

	driver, calls, err := d.hardware()
	if err != nil {
		return err
	}
	api, err := kubelet.InClusterConfig()
	if err != nil {
		log.Warn("no access to the API server", "err", err)
	}
	hostPIDs := d.opts.proc != "" || seesHost()
	books := ledger.New(ledger.Config{Window: d.opts.window, Keep: keepClosed, Processes: hostPIDs})
	sampling := sampler.Config{
		Driver: driver, Interval: d.opts.interval, SlowInterval: d.opts.slow, Window: d.opts.window,
		Shared: books.Shared, Book: books.Book, Calls: calls, Logger: log.With("source", "nvml"),
	}
	var pods *kubelet.Kubelet
	if hostPIDs {
		sampling.Owner = func(pid int) (node.ContainerID, time.Time, bool) { return pods.Owner(pid) }
		sampling.Sees = func() bool { return pods.SeesProcesses() }
	}
	devices := sampler.New(sampling)
	pods = kubelet.New(kubelet.Config{
		PodResourcesSocket: d.opts.podResourcesSocket, PodsSocket: d.opts.podsSocket, PodsMode: d.opts.pods,
		NodeName: d.opts.nodeName, API: api, Interval: claimsInterval,
		HostPIDs: hostPIDs, Proc: d.opts.proc, Devices: devices.List, OnClaims: books.SetClaims, Logger: log.With("source", "kubelet"),
	})
	if err := pods.Check(); err != nil {
		return err
	}
	servers := engine.New(engine.Config{
		Interval: d.opts.engineInterval, Deadline: engineDeadline, Window: d.opts.window, MaxBytes: engineMaxBytes,
		Pods: pods.Pods, Claims: pods.Claims, Static: d.config.endpoints, Access: d.config.access, Dialects: builtin(), Own: d.config.dialects,
		Logger: log.With("source", "engine"),
	})
	d.add("sampler", devices.Run)
	d.add("kubelet", pods.Run)
	d.add("engine", servers.Run)

	d.sources = node.Sources{
		Devices: devices.Devices, Calls: devices.Calls, Use: books.Use,
		Claims: pods.Claims, Pods: pods.Pods, Servers: servers.Servers,
		Health:      []func(time.Time) []node.SourceHealth{devices.Health, pods.Health, servers.Health},
		DeviceGrace: max(3*d.opts.slow, minDeviceGrace), ServerGrace: serverGrace,
	}
	if hostPIDs {
		d.sources.Guests = books.Guests
	}
	release := version.Version
	if release == "" {
		release = "dev" // built without the Makefile
	}
	d.collector = collector.New(collector.Config{
		Snapshot: d.snapshot, Targets: d.config.targets, Node: d.opts.nodeName,
		Version: release, Revision: version.GetRevision(), Detail: d.opts.detail, DCGM: d.opts.dcgm, Histogram: d.opts.histogram,
	})
	d.web = web.New(web.Config{
		Snapshot: d.snapshot, Targets: d.config.targets, Started: time.Now(), Window: d.opts.window, Version: release,
	})
	return nil
}

// seesHost says that this process sees the processes of the host, as its own PIDs of them are. In a container without hostPID the
// process that the runtime started has no parent in its namespace.
func seesHost() bool { return os.Getppid() != 0 }

// hardware returns the driver to read, and what tells of its calls beside readings. For a simulated node it also sets where the
// kubelet's sockets are.
func (d *daemon) hardware() (sampler.Driver, func() [node.FeatureCount]node.CallStats, error) {
	if !d.opts.simulate {
		driver := nvml.New(nvml.Config{Library: d.opts.nvmlLibrary, Logger: d.log.With("source", "nvml")})
		d.closers = append(d.closers, driver)
		return driver, driver.Calls, nil
	}
	dir, err := os.MkdirTemp("", "gpusignal-sim-")
	if err != nil {
		return nil, nil, fmt.Errorf("make a folder for the simulated sockets: %w", err)
	}
	d.closers = append(d.closers, closer(func() error { return os.RemoveAll(dir) }))
	var truth io.Writer
	if d.opts.simulateLog != "" {
		file, err := os.Create(d.opts.simulateLog)
		if err != nil {
			return nil, nil, fmt.Errorf("open --simulate.log: %w", err)
		}
		d.closers = append(d.closers, file)
		truth = file
	}
	simulated, err := sim.New(sim.Config{
		Seed: d.opts.simulateSeed, Plain: d.opts.simulateNode == "plain", Dir: dir, Log: truth,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("set up the simulated node: %w", err)
	}
	d.closers = append([]io.Closer{simulated}, d.closers...)
	d.add("simulation", simulated.Run)
	d.opts.podResourcesSocket, d.opts.podsSocket = simulated.PodResourcesSocket(), simulated.PodsSocket()
	d.opts.nodeName, d.opts.proc = simulated.NodeName(), simulated.Proc()
	return simulated.Driver(), nil, nil
}

func (d *daemon) snapshot() *node.Snapshot { return d.sources.Snapshot(time.Now()) }

func (d *daemon) add(name string, run func(context.Context) error) {
	d.actors = append(d.actors, actor{name, run})
}

// close lets go of everything; it comes after the last actor has ended.
func (d *daemon) close() error {
	var errs []error
	for _, c := range d.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

type closer func() error

func (c closer) Close() error { return c() }
