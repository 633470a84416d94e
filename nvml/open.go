//go:build cgo && linux

package nvml

import (
	"fmt"
	"slices"

	"github.com/NVIDIA/go-nvml/pkg/dl"
	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// open initialises the library when it is not open, or when a call has said that it no longer is.
func (d *Driver) open() error {
	if d.closed() {
		return fmt.Errorf("open %q: %w", d.library, errClosed)
	}
	if d.opened && (!d.stale.Load() || !d.due()) {
		return nil
	}
	if d.opened {
		// NVML counts its users: where a stuck call forbids to shut it down it is initialised once more.
		if !d.shut() {
			d.log.Warn("Opening NVML again beside a call that has not come back")
			d.deaf.Store(true) // There is a set yet, and it is of the life before.
		}
	}
	if err := d.load(); err != nil {
		return err
	}
	// Before Init: NVML counts its users, and nobody shuts down what was never in use.
	if !d.has("nvmlDeviceGetUUID") {
		return d.tooOld("nvmlDeviceGetUUID")
	}
	if !d.hasAny("nvmlDeviceGetCount_v2", "nvmlDeviceGetCount") {
		return d.tooOld("nvmlDeviceGetCount")
	}
	if !d.hasAny("nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex") {
		return d.tooOld("nvmlDeviceGetHandleByIndex")
	}
	if ret := d.timed(nil, node.FeatureInit, d.lib.Init); ret != gonvml.SUCCESS {
		return d.fault(fmt.Sprintf("open %q", d.library), ret)
	}
	d.version = ""
	if d.has("nvmlSystemGetDriverVersion") {
		if version, ret := told(d, nil, node.FeatureInit, d.lib.SystemGetDriverVersion); ret == gonvml.SUCCESS {
			d.version = version
		}
	}
	d.opened = true
	d.stale.Store(false)
	d.log.Info("Opened NVML", "library", d.library, "driver", d.version)
	return nil
}

// load maps the library ahead of go-nvml, whose Init hides why that failed and calls nvmlInit without looking whether it
// is there.
func (d *Driver) load() error {
	if d.file != nil {
		return nil
	}
	file := dl.New(d.library, dl.RTLD_LAZY|dl.RTLD_GLOBAL)
	if err := file.Open(); err != nil {
		return fmt.Errorf("open %q: %w: %w: install the driver, give the container its library "+
			"(NVIDIA_VISIBLE_DEVICES=all, NVIDIA_DRIVER_CAPABILITIES=utility), or name another with --nvml.library",
			d.library, node.ErrNoDriver, err)
	}
	if file.Lookup("nvmlInit_v2") != nil && file.Lookup("nvmlInit") != nil {
		_ = file.Close()
		return d.tooOld("nvmlInit_v2")
	}
	d.file = file
	return nil
}

func (d *Driver) tooOld(symbol string) error {
	return fmt.Errorf("open %q: %w: the library lacks %s: name the driver's libnvidia-ml.so.1 with --nvml.library",
		d.library, node.ErrNoDriver, symbol)
}

// has says whether the library has a function. It asks once and keeps the answer: a library stays mapped until the
// process ends.
func (d *Driver) has(symbol string) bool {
	d.symbols.mu.Lock()
	defer d.symbols.mu.Unlock()
	has, asked := d.symbols.known[symbol]
	if !asked {
		has = d.file.Lookup(symbol) == nil
		d.symbols.known[symbol] = has
		if !has {
			d.log.Debug("The driver's library lacks a function", "library", d.library, "function", symbol)
		}
	}
	return has
}

func (d *Driver) hasAny(symbols ...string) bool { return slices.ContainsFunc(symbols, d.has) }

func (d *Driver) hasAll(symbols ...string) bool {
	return !slices.ContainsFunc(symbols, func(symbol string) bool { return !d.has(symbol) })
}
