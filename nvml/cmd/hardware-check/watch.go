//go:build cgo && linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
	"gpusignal/nvml"
	"gpusignal/nvml/cmd/hardware-check/load"
	"gpusignal/nvml/cmd/hardware-check/proof"
)

// runGPUs lists the GPUs as JSON.
func runGPUs(args []string, stdout, stderr io.Writer) int {
	opts := options{deadline: 10 * time.Second}
	flags := flag.NewFlagSet("hardware-check gpus", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opts.library, "library", nvml.DefaultLibrary, "NVML's library, a name or a path")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	lib, err := openLibrary(opts)
	if err != nil {
		fmt.Fprintln(stderr, "hardware-check gpus:", err)
		return 1
	}
	defer lib.close()
	out := []proof.GPU{}
	for _, b := range lib.boards() {
		g := b.report
		out = append(out, proof.GPU{
			Index: g.Index, UUID: g.UUID, Name: g.Name, PCI: g.PCI, Driver: lib.report.Driver, MIG: g.MIG, Persistence: g.Persistence,
		})
		b.guard.end()
	}
	if err := json.NewEncoder(stdout).Encode(out); err != nil {
		fmt.Fprintln(stderr, "hardware-check gpus:", err)
		return 1
	}
	return 0
}

// watcher is the program as a reader beside the daemon.
type watcher struct {
	board     *board
	out       *json.Encoder
	id        node.DeviceID // asked for processes, empty for not
	cursor    uint64        // newest stamp of the ring so far
	processes time.Duration // between readings of processes
	asked     time.Duration // when they were read last
}

// runWatch writes what a reader sees of a GPU each interval until ctx ends.
func runWatch(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts := options{deadline: 10 * time.Second, gpus: []int{0}}
	w := watcher{}
	flags := flag.NewFlagSet("hardware-check watch", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opts.library, "library", nvml.DefaultLibrary, "NVML's library, a name or a path")
	flags.IntVar(&opts.gpus[0], "gpu", 0, "NVML index of the GPU")
	file := flags.String("log", "", "file for what is seen, JSON lines")
	interval := flags.Duration("interval", time.Second, "time between readings")
	flags.DurationVar(&w.processes, "processes", 0, "time between readings of processes by gpusignal's reader, 0 for none")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := w.run(ctx, opts, *file, *interval, stdout); err != nil {
		fmt.Fprintln(stderr, "hardware-check watch:", err)
		return 1
	}
	return 0
}

func (w *watcher) run(ctx context.Context, opts options, path string, interval time.Duration, stdout io.Writer) error {
	lib, err := openLibrary(opts)
	if err != nil {
		return err
	}
	defer lib.close()
	boards := lib.boards()
	if len(boards) != 1 || boards[0].report.Error != "" {
		return fmt.Errorf("open GPU %d: there is none that answers", opts.gpus[0])
	}
	w.board = boards[0]
	defer w.board.guard.end()
	if w.processes > 0 {
		if err := w.open(lib); err != nil {
			return err
		}
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write what is seen: %w", err)
	}
	w.out = json.NewEncoder(file)
	fmt.Fprintln(stdout, "ready")
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := w.look(); err != nil {
			return errors.Join(err, file.Close())
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	return file.Close()
}

// open has gpusignal's reader list the GPUs, and reads processes once: shares are of the time between two readings.
func (w *watcher) open(lib *library) error {
	if _, err := lib.driver.Devices(); err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	w.id = node.DeviceID(w.board.report.UUID)
	return nil
}

// look reads once.
func (w *watcher) look() error {
	s := proof.Sight{}
	if w.board.lib.has("nvmlDeviceGetUtilizationRates") {
		if u, err := w.board.live(); err == nil {
			s.Live = &u
		}
	}
	s.At = load.Now()
	h := w.board.handle
	if w.board.lib.has("nvmlDeviceGetTotalEnergyConsumption") {
		t, err := w.board.number("nvmlDeviceGetTotalEnergyConsumption", func() (float64, gonvml.Return) {
			mj, ret := h.GetTotalEnergyConsumption()
			return float64(mj), ret
		})
		if err == nil && t.ret == gonvml.SUCCESS {
			s.Energy = &t.value
		}
	}
	if w.board.lib.has("nvmlDeviceGetSamples") {
		samples, _, err := w.board.samples(gonvml.GPU_UTILIZATION_SAMPLES, w.cursor)
		if err != nil {
			return err
		}
		for _, one := range samples {
			if one.stamp > w.cursor && !math.IsNaN(one.value) {
				s.Samples = append(s.Samples, proof.Sample{Stamp: one.stamp, Value: one.value})
			}
		}
		w.cursor = max(w.cursor, newest(samples))
	}
	if w.id != "" && s.At-w.asked >= w.processes {
		w.asked = s.At
		s.Processes = w.share()
	}
	if err := w.out.Encode(s); err != nil {
		return fmt.Errorf("write what is seen: %w", err)
	}
	return nil
}

// share asks gpusignal's reader for processes; what it cannot tell is an empty list.
func (w *watcher) share() []proof.Process {
	out := []proof.Process{}
	reading, err := w.board.lib.driver.Read(w.id, node.WantRing|node.WantProcesses)
	if err != nil || !reading.Processes.Known {
		return out
	}
	for _, p := range reading.Processes.Value {
		out = append(out, proof.Process{PID: p.PID, Share: p.Share})
	}
	return out
}
