package proof

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Options of a run.
type Options struct {
	// Tools is the folder of the carried programs: this one, gpusignal and kubelet.
	Tools         string
	Library, CUDA string
	Index         int // NVML's, of the GPU
	Plan          string
	Durations     Durations
	Parts         []string // empty for all
	JSON, Table   string   // files; empty for none
	Rehearsal     bool
}

// partNames in the order in which they run.
func partNames() []string { return []string{"probe", "truth", "shares", "harm", "daemon"} }

// Parse reads the flags.
func Parse(args []string, stderr io.Writer) (Options, error) {
	o := Options{}
	self, err := os.Executable()
	if err != nil {
		return o, fmt.Errorf("find the folder of the programs: %w", err)
	}
	flags := flag.NewFlagSet("hardware-check prove", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.Tools, "tools", filepath.Dir(self), "folder of gpusignal, kubelet and hardware-check")
	flags.StringVar(&o.Library, "library", "libnvidia-ml.so.1", "NVML's library, a name or a path")
	flags.StringVar(&o.CUDA, "cuda", "libcuda.so.1", "CUDA's driver library")
	flags.IntVar(&o.Index, "gpu", 0, "NVML index of the GPU; nobody else should use it")
	flags.StringVar(&o.Plan, "plan", "short", "how long all takes: short (8 minutes), long (25), rehearsal (one, on the stub library)")
	flags.StringVar(&o.JSON, "json", "", "file for the report as JSON, written after each part")
	flags.StringVar(&o.Table, "table", "", "file for the report as a page of docs/hardware; it is printed always")
	flags.BoolVar(&o.Rehearsal, "rehearsal", false, "the library is a stub: nothing passes; so it is anyway where there is no /dev/nvidiactl")
	only := flags.String("parts", "", "what to run: "+strings.Join(partNames(), ",")+"; empty for all")
	var set Durations
	flags.DurationVar(&set.Probe, "probe", 0, "how long the driver's calls are measured; 0 for the plan's, as for all that follow")
	flags.DurationVar(&set.Step, "step", 0, "how long each duty lasts")
	flags.DurationVar(&set.Shares, "shares", 0, "how long two processes share the GPU")
	flags.DurationVar(&set.Segment, "segment", 0, "how long one quarter of a measurement with and without the daemon lasts")
	flags.IntVar(&set.Rounds, "rounds", 0, "how often such a measurement is made")
	flags.DurationVar(&set.Daemon, "daemon", 0, "how long the daemon runs beside a model server")
	flags.DurationVar(&set.Budget, "budget", 0, "time for all; a part that would pass it is not begun")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("parse flags: %q is no flag", flags.Arg(0))
	}
	plan, err := named(o.Plan)
	if err != nil {
		return o, err
	}
	o.Durations = set.or(plan)
	if d := o.Durations; min(d.Probe, d.Step, d.Shares, d.Segment, d.Daemon, d.Budget) <= 0 || d.Rounds <= 0 {
		return o, errors.New("parse flags: durations and -rounds must be above zero; leave parts out with -parts")
	}
	for name := range strings.SplitSeq(*only, ",") {
		if name == "" {
			continue
		}
		if !slices.Contains(partNames(), name) {
			return o, fmt.Errorf("parse -parts %q: there is no part %q", *only, name)
		}
		o.Parts = append(o.Parts, name)
	}
	if _, err := os.Stat("/dev/nvidiactl"); err != nil || os.Getenv("GPUSIGNAL_STUB_SCRIPT") != "" {
		o.Rehearsal = true
	}
	return o, nil
}

// or fills what is zero from a plan.
func (d Durations) or(plan Durations) Durations {
	return Durations{
		Probe: cmp.Or(d.Probe, plan.Probe), Step: cmp.Or(d.Step, plan.Step), Shares: cmp.Or(d.Shares, plan.Shares),
		Segment: cmp.Or(d.Segment, plan.Segment), Rounds: cmp.Or(d.Rounds, plan.Rounds), Daemon: cmp.Or(d.Daemon, plan.Daemon),
		Budget: cmp.Or(d.Budget, plan.Budget),
	}
}

// wants says whether a part is to run.
func (o Options) wants(part string) bool { return len(o.Parts) == 0 || slices.Contains(o.Parts, part) }
