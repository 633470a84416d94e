//go:build cgo && linux

package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// errHung ends a part: a call has not come back.
var errHung = errors.New("a call has not come back")

// A board is one physical GPU. All its calls go through one guard, so no two are made at once.
type board struct {
	lib    *library
	guard  *guard
	handle gonvml.Device
	mig    bool
	report GPU
	ids    []node.DeviceID // the GPU and its MIG instances, as gpusignal's driver lists them
	spin   *spinner        // nil until CUDA was opened
	// noCUDA is why there is none.
	noCUDA error
}

// A part of what is measured, with its share of the time.
type part struct {
	name  string
	share float64
	run   func(*board, time.Duration) error
}

// parts in their order: those that want the GPU left alone come first.
func parts() []part {
	return []part{
		{"calls", 0.20, (*board).latency},
		{"rounds", 0.15, (*board).rounds},
		{"ring", 0.15, (*board).ring},
		{"gpm", 0.10, (*board).gpm},
		{"memory", 0.05, (*board).memory},
		{"load", 0.20, (*board).load},
		{"readings", 0.15, (*board).readings},
	}
}

func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// boards that are to be measured.
func (lib *library) boards() []*board {
	var out []*board
	for index := range lib.report.Devices {
		if lib.opts.wants(index) {
			out = append(out, lib.board(index))
		}
	}
	return out
}

// board of an index, with what it is called. What does not work is in its report.
func (lib *library) board(index int) *board {
	b := &board{lib: lib, guard: &guard{patience: lib.opts.deadline}}
	b.report = GPU{Index: index, NotRun: map[string]string{}, Lacks: []Lack{}}
	type got struct {
		handle gonvml.Device
		ret    gonvml.Return
	}
	g, _, ok := ask(b.guard, "nvmlDeviceGetHandleByIndex", func() (g got) {
		g.handle, g.ret = lib.nvml.DeviceGetHandleByIndex(index)
		return g
	})
	switch {
	case !ok:
		b.report.Error = errHung.Error()
	case g.ret != gonvml.SUCCESS:
		b.report.Error = text(g.ret)
	default:
		b.handle = g.handle
		b.identify()
	}
	return b
}

// identify asks what the GPU is called.
func (b *board) identify() {
	word := func(symbol string, get func() (string, gonvml.Return)) string {
		if !b.lib.has(symbol) {
			return ""
		}
		v, _, _ := ask(b.guard, symbol, func() string {
			v, ret := get()
			if ret != gonvml.SUCCESS {
				return ""
			}
			return v
		})
		return v
	}
	flag := func(symbol string, get func() (bool, gonvml.Return)) *bool {
		switch word(symbol, func() (string, gonvml.Return) { on, ret := get(); return strconv.FormatBool(on), ret }) {
		case "true":
			return new(true)
		case "false":
			return new(false)
		}
		return nil
	}
	h := b.handle
	b.report.UUID = word("nvmlDeviceGetUUID", h.GetUUID)
	b.report.Name = word("nvmlDeviceGetName", h.GetName)
	b.report.PCI = word("nvmlDeviceGetPciInfo_v3", func() (string, gonvml.Return) {
		pci, ret := h.GetPciInfo()
		return fmt.Sprintf("%04x:%02x:%02x.0", pci.Domain, pci.Bus, pci.Device), ret
	})
	b.report.Capability = word("nvmlDeviceGetCudaComputeCapability", func() (string, gonvml.Return) {
		major, minor, ret := h.GetCudaComputeCapability()
		return fmt.Sprintf("%d.%d", major, minor), ret
	})
	b.report.MIG = flag("nvmlDeviceGetMigMode", func() (bool, gonvml.Return) {
		current, _, ret := h.GetMigMode()
		return current == gonvml.DEVICE_MIG_ENABLE, ret
	})
	b.report.Persistence = flag("nvmlDeviceGetPersistenceMode", func() (bool, gonvml.Return) {
		mode, ret := h.GetPersistenceMode()
		return mode == gonvml.FEATURE_ENABLED, ret
	})
	b.mig = b.report.MIG != nil && *b.report.MIG
}

// measure goes through the parts and returns what was found.
func (b *board) measure() GPU {
	if b.report.Error == "" {
		for _, p := range parts() {
			err := errHung
			switch {
			case !b.lib.opts.measures(p.name):
				err = errors.New("not asked for")
			case b.guard.stuck == "":
				err = p.run(b, time.Duration(p.share*float64(b.lib.opts.duration)))
			}
			if err != nil {
				b.report.NotRun[p.name] = err.Error()
			}
		}
	}
	if b.spin != nil {
		b.spin.close()
	}
	b.report.Hung = b.guard.stuck
	b.lib.stuck = b.lib.stuck || b.guard.stuck != ""
	b.guard.end()
	return b.report
}

// number makes a call that gives one number.
func (b *board) number(what string, get func() (float64, gonvml.Return)) (told, error) {
	t, _, ok := ask(b.guard, what, func() (t told) { t.value, t.ret = get(); return t })
	if !ok {
		return t, errHung
	}
	return t, nil
}

// lack takes note of what the GPU does not tell.
func (b *board) lack(what string, ret gonvml.Return) {
	b.report.Lacks = append(b.report.Lacks, Lack{What: what, Code: int(ret), Error: text(ret)})
}
