//go:build cgo && linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gpusignal/nvml"
	"gpusignal/nvml/cmd/hardware-check/proof"
)

// Options of a run.
type options struct {
	library, cuda string
	json          string
	gpus          []int    // empty for all
	parts         []string // empty for all
	calls         int
	duration      time.Duration // for each GPU
	deadline      time.Duration // for each call
}

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

// command runs what the first argument names, and the probe where it names nothing.
func command(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	name, rest := "", args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, rest = args[0], args[1:]
	}
	switch name {
	case "", "probe":
		stop() // a signal ends the probe at once
		return run(rest, stdout, stderr)
	case "prove":
		return proof.Run(ctx, rest, revision(), stdout, stderr)
	case "load":
		return runLoad(ctx, rest, stdout, stderr)
	case "gpus":
		return runGPUs(rest, stdout, stderr)
	case "watch":
		return runWatch(ctx, rest, stdout, stderr)
	}
	fmt.Fprintf(stderr, "hardware-check: there is no command %q: probe, prove, load, gpus, watch\n", name)
	return 2
}

// run returns the exit code: 0 when there is a report, 1 when NVML cannot be opened, 2 for bad flags.
func run(args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "hardware-check:", err)
		return 2
	}
	report := Report{Started: time.Now().UTC(), Revision: revision(), Host: host()}
	lib, err := openLibrary(opts)
	if err != nil {
		fmt.Fprintln(stderr, "hardware-check:", err)
		return 1
	}
	report.Library = lib.report
	boards := lib.boards()
	lib.list(boards)
	for _, b := range boards {
		fmt.Fprintf(stderr, "GPU %d: measuring for %v\n", b.report.Index, opts.duration)
		report.GPUs = append(report.GPUs, b.measure())
		if opts.json != "-" {
			// A driver that ends the process at the next GPU does not take this one's report along.
			_ = save(report, opts.json, stdout)
		}
	}
	report.Hung = lib.hung()
	lib.close()
	report.Seconds = time.Since(report.Started).Seconds()
	tables := stdout
	if opts.json == "-" {
		tables = stderr
	}
	if err := errors.Join(printTables(tables, report), save(report, opts.json, stdout)); err != nil {
		fmt.Fprintln(stderr, "hardware-check:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var opts options
	var gpus, only string
	flags := flag.NewFlagSet("hardware-check", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opts.library, "library", nvml.DefaultLibrary, "NVML's library, a name or a path")
	flags.StringVar(&opts.cuda, "cuda", "libcuda.so.1", "CUDA's driver library, for a load to measure by; empty for none")
	flags.StringVar(&opts.json, "json", "", "file for the report as JSON; - for standard output, the table then goes to standard error")
	flags.StringVar(&gpus, "gpus", "", "NVML indices of the GPUs to measure, such as 0,3; empty for all")
	flags.StringVar(&only, "parts", "", "what to measure: "+strings.Join(partNames(), ",")+"; empty for all")
	flags.IntVar(&opts.calls, "calls", 2000, "how often each call is made at most")
	flags.DurationVar(&opts.duration, "duration", time.Minute, "how long to measure each GPU")
	flags.DurationVar(&opts.deadline, "deadline", 10*time.Second, "how long a call may take before it counts as hung")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	for field := range strings.SplitSeq(gpus, ",") {
		if field == "" {
			continue
		}
		index, err := strconv.Atoi(field)
		if err != nil {
			return opts, fmt.Errorf("parse -gpus %q: %w", gpus, err)
		}
		opts.gpus = append(opts.gpus, index)
	}
	for name := range strings.SplitSeq(only, ",") {
		if name == "" {
			continue
		}
		if !slices.Contains(partNames(), name) {
			return opts, fmt.Errorf("parse -parts %q: there is no part %q", only, name)
		}
		opts.parts = append(opts.parts, name)
	}
	if opts.calls < 1 || opts.duration <= 0 || opts.deadline <= 0 || flags.NArg() > 0 {
		return opts, errors.New("parse flags: -calls, -duration and -deadline must be above zero, and there are no arguments")
	}
	return opts, nil
}

// wants says whether a GPU is to be measured, and measures whether a part of it is.
func (o options) wants(index int) bool { return len(o.gpus) == 0 || slices.Contains(o.gpus, index) }

func (o options) measures(part string) bool {
	return len(o.parts) == 0 || slices.Contains(o.parts, part)
}

// save writes the report as JSON where that is asked for.
func save(report Report, path string, stdout io.Writer) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	text = append(text, '\n')
	if path == "-" {
		_, err = stdout.Write(text)
	} else {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
