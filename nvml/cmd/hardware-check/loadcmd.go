//go:build cgo && linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"gpusignal/nvml/cmd/hardware-check/cuda"
	"gpusignal/nvml/cmd/hardware-check/load"
)

// loader is the program as a load of a GPU: a plan of bursts, one kind of work without end, or a model server.
type loader struct {
	cuda, pci, log    string
	plan, work, serve string
	begin             time.Duration
	seed              uint64
	step              time.Duration
}

// runLoad loads a GPU until its plan or ctx ends, and writes what it did.
func runLoad(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	l := loader{}
	flags := flag.NewFlagSet("hardware-check load", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&l.cuda, "cuda", "libcuda.so.1", "CUDA's driver library")
	flags.StringVar(&l.pci, "pci", "", "PCI address of the GPU, such as 0000:1a:00.0")
	flags.StringVar(&l.log, "log", "", "file for what was done, JSON lines")
	flags.StringVar(&l.plan, "plan", "", "file of the steps to run")
	flags.DurationVar(&l.step, "step", 8*time.Millisecond, "how long a kernel of the server runs")
	flags.StringVar(&l.work, "work", "", "repeat a kind of work: matrix, decode")
	flags.StringVar(&l.serve, "serve", "", "be a model server on this address")
	flags.Uint64Var(&l.seed, "seed", 1, "seed of the plan's bursts")
	begin := flags.Int64("begin", 0, "when the plan begins, in nanoseconds of CLOCK_MONOTONIC; 0 for at once")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	l.begin = time.Duration(*begin)
	if err := l.run(ctx, stdout); err != nil {
		fmt.Fprintln(stderr, "hardware-check load:", err)
		return 1
	}
	return 0
}

// run opens the GPU on a thread of its own, says that it is ready, and writes the log whatever ended it.
func (l loader) run(ctx context.Context, stdout io.Writer) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	device, err := cuda.Open(l.cuda, l.pci)
	if err != nil {
		return err
	}
	defer device.Close()
	fmt.Fprintln(stdout, "ready")
	log, err := l.load(ctx, device)
	file, failed := os.Create(l.log)
	if failed != nil {
		return errors.Join(err, fmt.Errorf("write log of load: %w", failed))
	}
	return errors.Join(err, log.Write(file), file.Close())
}

// load does what is asked for.
func (l loader) load(ctx context.Context, device *cuda.Device) (load.Log, error) {
	switch {
	case l.work != "":
		return load.Repeat(ctx, device, l.work)
	case l.serve != "":
		return serveModel(ctx, device, l.serve, load.NewServer(l.step, 8))
	}
	text, err := os.ReadFile(l.plan)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	var steps []load.Step
	if err := json.Unmarshal(text, &steps); err != nil {
		return nil, fmt.Errorf("read plan %q: %w", l.plan, err)
	}
	if l.begin == 0 {
		l.begin = load.Now()
	}
	return load.Run(ctx, device, l.begin, steps, l.seed)
}

// serveModel runs a model server until ctx ends.
func serveModel(ctx context.Context, device *cuda.Device, address string, s *load.Server) (load.Log, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", address, err)
	}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	log, err := s.Run(ctx, device)
	_ = server.Close()
	<-served
	return log, err
}
