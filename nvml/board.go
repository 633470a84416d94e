//go:build cgo && linux

package nvml

import (
	"slices"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// A board is one physical GPU. Whoever calls the driver for it, or for a MIG instance on it, holds its turn.
type board struct {
	turn turn
	// gone says that the library was shut since: the handles are void. Guarded by turn.
	gone bool
	// heard says that its events are registered, or never will be; mute is the answer to the last attempt; units are the
	// GPU and then its MIG instances. These are guarded by the turn to enumerate.
	heard bool
	mute  gonvml.Return
	units []*unit
}

// A unit is one handle: a physical GPU or a MIG instance.
type unit struct {
	board *board
	// What follows is guarded by the board's turn.
	device node.Device
	handle gonvml.Device
	mig    bool         // MIG was on when the board was last enumerated
	probes [probes]wire // by probe
	fields [2]gonvml.FieldValue
}

// wire is what is known of one probe of one unit: off for ever, or failing since a while.
type wire struct{ off, failing bool }

// A probe is one call that reads a device.
type probe uint8

const (
	probeMemory   probe = iota // memory, reserved told apart
	probeMemoryV1              // memory of drivers before 510
	probeUtilization
	probeFields           // a batch of fields; those below stand for its parts
	probeInstantPower     // field 186
	probeMemoryTemp       // field 82
	probePower            // mean of 1 s on Ampere and later
	probePowerLimit       // the limit in force
	probeEnergy           // since the driver was loaded
	probeTemperature      // of the die
	probeProcesses        // compute processes
	probes            int = iota
)

// name is what logs call a probe, and symbols the functions of which the library needs one.
func (p probe) about() (name string, symbols []string) {
	switch p {
	case probeMemory:
		return "memory", []string{"nvmlDeviceGetMemoryInfo_v2"}
	case probeMemoryV1:
		return "memory (old call)", []string{"nvmlDeviceGetMemoryInfo"}
	case probeUtilization:
		return "utilization", []string{"nvmlDeviceGetUtilizationRates"}
	case probeFields:
		return "fields", []string{"nvmlDeviceGetFieldValues"}
	case probeInstantPower:
		return "instant power", []string{"nvmlDeviceGetFieldValues"}
	case probeMemoryTemp:
		return "memory temperature", []string{"nvmlDeviceGetFieldValues"}
	case probePower:
		return "power", []string{"nvmlDeviceGetPowerUsage"}
	case probePowerLimit:
		return "power limit", []string{"nvmlDeviceGetEnforcedPowerLimit"}
	case probeEnergy:
		return "energy", []string{"nvmlDeviceGetTotalEnergyConsumption"}
	case probeTemperature:
		return "temperature", []string{"nvmlDeviceGetTemperature"}
	case probeProcesses:
		return "processes", []string{
			"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2",
			"nvmlDeviceGetComputeRunningProcesses",
		}
	default:
		return "unknown", nil
	}
}

// fit turns on the probes that the library has the functions for.
func (d *Driver) fit(u *unit) {
	for i := range u.probes {
		_, symbols := probe(i).about()
		u.probes[i] = wire{off: !slices.ContainsFunc(symbols, d.has)}
	}
}
