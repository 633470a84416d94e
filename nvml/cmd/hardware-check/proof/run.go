package proof

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gpusignal/nvml/cmd/hardware-check/load"
)

// A run is the state of the whole.
type run struct {
	Options
	ctx    context.Context //nolint:containedctx // a run is one call
	dir    string          // for logs and sockets
	gpu    GPU
	report *Report
	stderr io.Writer
	begun  time.Duration
}

// Run proves what the flags ask for and returns the exit code: 0 when nothing failed, 1 when something did or the report could not
// be written, 2 for bad flags. That nothing failed does not say that anything passed: the counts are printed last.
func Run(ctx context.Context, args []string, revision string, stdout, stderr io.Writer) int {
	opts, err := Parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "hardware-check:", err)
		return 2
	}
	report := &Report{
		Started: time.Now().UTC(), Revision: revision, Plan: opts.Plan, Durations: opts.Durations, Rehearsal: opts.Rehearsal, Checks: []Check{},
	}
	// A part that takes longer than it should is ended, and what follows is told of as not run.
	ctx, cancel := context.WithTimeout(ctx, opts.Durations.Budget+patience)
	defer cancel()
	r := &run{Options: opts, ctx: ctx, report: report, stderr: stderr, begun: load.Now()}
	if err := r.all(); err != nil {
		fmt.Fprintln(stderr, "hardware-check:", err)
		return 1
	}
	if err := r.save(); err != nil {
		fmt.Fprintln(stderr, "hardware-check:", err)
		return 1
	}
	if err := WriteTable(stdout, *report); err != nil {
		fmt.Fprintln(stderr, "hardware-check:", err)
		return 1
	}
	c := report.Counts
	fmt.Fprintf(stdout, "\n%d passed, %d failed, %d not run\n", c.Passed, c.Failed, c.NotRun)
	if c.Failed > 0 {
		return 1
	}
	return 0
}

// all runs the parts in turn. A part that does not run is told of, and the next one goes on.
func (r *run) all() error {
	var err error
	if r.dir, err = writable(); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(r.dir) }()
	before, err := r.identify()
	if err != nil {
		r.report.add(Check{Part: "machine", Name: "NVML and a GPU", Status: Failed, Reason: err.Error()}, right)
		return nil
	}
	r.gpu, r.report.GPU = before, &before
	needed := r.Durations.needed(r.Rehearsal)
	parts := map[string]func() error{"probe": r.probe, "truth": r.truth, "shares": r.shares, "harm": r.harm, "daemon": r.daemon}
	for _, name := range partNames() {
		left := r.Durations.Budget - (load.Now() - r.begun)
		switch {
		case !r.wants(name):
			continue
		case r.ctx.Err() != nil:
			r.skip(name, errStopped.Error())
		case name != "probe" && r.noLoad() != "":
			r.skip(name, r.noLoad())
		case needed[name] > left:
			r.skip(name, fmt.Sprintf("it takes some %v, and of the time budget %v are left", needed[name].Round(time.Second), left.Round(time.Second)))
		default:
			fmt.Fprintf(r.stderr, "%s: some %v\n", name, needed[name].Round(time.Second))
			from := load.Now()
			if err := parts[name](); err != nil {
				r.broke(name, err)
			}
			fmt.Fprintf(r.stderr, "%s: took %v\n", name, (load.Now() - from).Round(time.Second/10))
		}
		if err := r.save(); err != nil {
			return err
		}
	}
	r.unchanged(before)
	return nil
}

// noLoad is why no load can be put on the GPU.
func (r *run) noLoad() string {
	switch {
	case r.CUDA == "":
		return "without CUDA there is no load"
	case r.gpu.PCI == "":
		return "the GPU's PCI address is not known"
	case r.gpu.MIG != nil && *r.gpu.MIG:
		return "MIG is on, and is left so: a program on an instance is not a load of the GPU"
	}
	return ""
}

// skip enters a part that was not run.
func (r *run) skip(part, reason string) {
	r.report.add(Check{Part: part, Name: "the part", Status: NotRun, Reason: reason}, right)
}

// broke enters a part that could not go on: what fails to start has failed.
func (r *run) broke(part string, err error) {
	if r.ctx.Err() != nil {
		r.skip(part, errStopped.Error())
		return
	}
	r.report.add(Check{Part: part, Name: "the part", Status: Failed, Reason: err.Error()}, right)
}

// identify asks what the GPU is, and how it is set.
func (r *run) identify() (GPU, error) {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(r.Tools, "hardware-check"), "gpus", "-library", r.Library).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return GPU{}, fmt.Errorf("list GPUs: %w: %s", err, exit.Stderr)
	}
	if err != nil {
		return GPU{}, fmt.Errorf("list GPUs: %w", err)
	}
	var all []GPU
	if err := json.Unmarshal(out, &all); err != nil {
		return GPU{}, fmt.Errorf("list GPUs: %w", err)
	}
	for _, g := range all {
		if g.Index == r.Index {
			return g, nil
		}
	}
	return GPU{}, fmt.Errorf("list GPUs: there is no index %d among %d: name another with -gpu", r.Index, len(all))
}

// unchanged checks that the machine is as it was.
func (r *run) unchanged(before GPU) {
	c := Check{Part: "machine", Name: "MIG and persistence mode are as they were"}
	after, err := r.identify()
	switch {
	case err != nil:
		c.Status, c.Reason = NotRun, err.Error()
		if r.ctx.Err() == nil {
			c.Status = Failed
		}
	case before.MIG == nil && before.Persistence == nil:
		c.Status, c.Reason = NotRun, "the driver tells neither"
	default:
		c.Status, c.Reason = judge(same(before.MIG, after.MIG) && same(before.Persistence, after.Persistence),
			fmt.Sprintf("MIG was %s and is %s, persistence was %s and is %s", told(before.MIG), told(after.MIG), told(before.Persistence), told(after.Persistence)))
	}
	r.report.add(c, right)
}

func same(a, b *bool) bool { return told(a) == told(b) }

// told is a mode in words.
func told(mode *bool) string {
	switch {
	case mode == nil:
		return "not told"
	case *mode:
		return "on"
	}
	return "off"
}

// save writes the report where that is asked for.
func (r *run) save() error {
	r.report.Seconds = (load.Now() - r.begun).Seconds()
	if r.JSON != "" {
		text, err := json.MarshalIndent(r.report, "", "  ")
		if err != nil {
			return fmt.Errorf("encode report: %w", err)
		}
		if err := os.WriteFile(r.JSON, append(text, '\n'), 0o644); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if r.Table == "" {
		return nil
	}
	f, err := os.Create(r.Table)
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return errors.Join(WriteTable(f, *r.report), f.Close())
}

// probe measures the driver's calls, by the program that does that alone.
func (r *run) probe() error {
	file := filepath.Join(r.dir, "probe.json")
	asked := "" // all parts; those of a load take their time on the stub too, and say nothing there
	if r.Rehearsal {
		asked = "calls,rounds,ring,gpm"
	}
	p, err := start("probe", filepath.Join(r.Tools, "hardware-check"), "-library", r.Library, "-cuda", r.CUDA, "-gpus", strconv.Itoa(r.Index),
		"-duration", r.Durations.Probe.String(), "-json", file, "-parts", asked)
	if err != nil {
		return err
	}
	if err := p.wait(r.ctx, 3*r.Durations.Probe+time.Minute); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read report of the probe: %w", err)
	}
	var found struct {
		GPUs []struct {
			Error  string            `json:"error"`
			Hung   string            `json:"hung"`
			NotRun map[string]string `json:"not_run"`
			Rounds *struct {
				WallShare *float64 `json:"wall_share"`
			} `json:"rounds"`
		} `json:"gpus"`
	}
	if err := json.Unmarshal(text, &found); err != nil || len(found.GPUs) != 1 {
		return fmt.Errorf("read report of the probe: %d GPUs, %w", len(found.GPUs), orEnded(err))
	}
	r.report.Probe = text
	g := found.GPUs[0]
	maps.DeleteFunc(g.NotRun, func(part, _ string) bool { return asked != "" && !strings.Contains(asked, part) })
	c := Check{Part: "probe", Name: "every call of the driver comes back, and every part is measured"}
	c.Status, c.Reason = judge(g.Error == "" && g.Hung == "" && len(g.NotRun) == 0, fmt.Sprintf("error %q, hung %q, not measured %v", g.Error, g.Hung, g.NotRun))
	r.report.add(c, right)
	c = Check{Part: "probe", Name: "calls take at most 0.5 % of wall time at the defaults", Status: NotRun, Reason: "the rounds tell no share"}
	if g.Rounds != nil && g.Rounds.WallShare != nil {
		c.Values = []Value{{"wall_share_ratio", *g.Rounds.WallShare}}
		c.Status, c.Reason = judge(*g.Rounds.WallShare <= 0.005, "gpusignal reads less often by itself")
	}
	r.report.add(c, cost)
	return nil
}
