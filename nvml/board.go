//go:build cgo && linux

package nvml

import (
	"sync/atomic"
	"time"

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
	heard   bool
	unheard bool // registering it spoils the set of events
	mute    gonvml.Return
	units   []*unit
	// lost says that the last reading, or look, found it lost.
	lost atomic.Bool
	// aside is the time of calls for it that no reading has told of yet. Guarded by turn.
	aside time.Duration
	// end is what ended the last reading that came to nothing, nil since one told something. Guarded by turn.
	end error
	// changes of its MIG geometry that events told of.
	changes atomic.Uint64
	// compared is room for the metrics of hardware counters, guarded by turn: nvml.h has a lot of them.
	compared *gonvml.GpmMetricsGetType
}

// A unit is one handle: a physical GPU or a MIG instance.
type unit struct {
	board *board
	// parent is the GPU of a MIG instance.
	parent *unit
	device node.Device
	// What follows is guarded by the board's turn.
	handle gonvml.Device
	gone   bool // the last look gave it up: whoever waited for its turn meanwhile has nothing to read
	mig    bool // MIG was on when the board was last enumerated
	wires  [node.FeatureCount]wire
	lacks  node.Features // those whose wire is off
	calls  []node.Call   // of the last reading; the next one writes over them
	old    bool          // memory only by the call of drivers before 510
	kept   kept          // of counters and status

	ring     ring
	ringRead time.Time // when it was read, zero before that
	gpm      gpm
	// sharedAt is where the ring stood when processes were last read, and ringBefore where it stood at the reading of it before this.
	sharedAt, ringBefore mark
}

// wire is what is known of one feature of one unit: off for ever, or failing since a while.
type wire struct{ off, failing bool }

// functions of which the library needs one for a feature, where that is all it needs.
func functions(f node.Feature) []string {
	switch f {
	case node.FeatureMemory:
		return []string{"nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetMemoryInfo"}
	case node.FeatureUtilization:
		return []string{"nvmlDeviceGetUtilizationRates"}
	case node.FeatureRing:
		return []string{"nvmlDeviceGetSamples"}
	case node.FeatureFields, node.FeatureMemoryTemperature, node.FeatureThrottling, node.FeaturePCIe, node.FeatureNVLink,
		node.FeatureRemappedRows, node.FeatureRetiredPages:
		return []string{"nvmlDeviceGetFieldValues"}
	case node.FeaturePower:
		return []string{"nvmlDeviceGetFieldValues", "nvmlDeviceGetPowerUsage"}
	case node.FeaturePowerLimit:
		return []string{"nvmlDeviceGetEnforcedPowerLimit"}
	case node.FeatureEnergy:
		return []string{"nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetFieldValues"}
	case node.FeatureTemperature:
		return []string{"nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV"}
	case node.FeatureClocks:
		return []string{"nvmlDeviceGetClockInfo"}
	case node.FeatureFan:
		return []string{"nvmlDeviceGetFanSpeed", "nvmlDeviceGetFanSpeed_v2"}
	case node.FeaturePerformanceState:
		return []string{"nvmlDeviceGetPerformanceState"}
	case node.FeatureEncoder:
		return []string{"nvmlDeviceGetEncoderUtilization"}
	case node.FeatureDecoder:
		return []string{"nvmlDeviceGetDecoderUtilization"}
	case node.FeatureJPEG:
		return []string{"nvmlDeviceGetJpgUtilization"}
	case node.FeatureOFA:
		return []string{"nvmlDeviceGetOfaUtilization"}
	case node.FeatureECC:
		return []string{"nvmlDeviceGetTotalEccErrors", "nvmlDeviceGetFieldValues"}
	case node.FeaturePCIeLink:
		return []string{"nvmlDeviceGetCurrPcieLinkGeneration", "nvmlDeviceGetCurrPcieLinkWidth"}
	case node.FeatureProcesses:
		return []string{
			"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2",
			"nvmlDeviceGetComputeRunningProcesses",
		}
	case node.FeatureMPSProcesses:
		return []string{
			"nvmlDeviceGetMPSComputeRunningProcesses_v3", "nvmlDeviceGetMPSComputeRunningProcesses_v2",
			"nvmlDeviceGetMPSComputeRunningProcesses",
		}
	case node.FeatureProcessUtilization:
		return []string{"nvmlDeviceGetProcessUtilization"}
	default:
		return nil
	}
}

// fit turns on the features that the library has a function for, and forgets what was kept of readings.
func (d *Driver) fit(u *unit) {
	u.lacks, u.kept, u.old = 0, kept{}, !d.has("nvmlDeviceGetMemoryInfo_v2")
	u.ring, u.ringRead, u.sharedAt, u.ringBefore = ring{}, time.Time{}, mark{}, mark{}
	d.free(u)
	for i := range u.wires {
		f := node.Feature(i)
		u.wires[i] = wire{off: !d.able(u, f)}
		if u.wires[i].off {
			u.lacks = u.lacks.With(f)
		}
	}
}

// able says whether the library has what it takes to ask a unit for a feature.
func (d *Driver) able(u *unit, f node.Feature) bool {
	switch f {
	case node.FeatureActivity:
		return d.counts(u)
	case node.FeatureMemory, node.FeatureProcesses, node.FeatureMPSProcesses, node.FeatureProcessUtilization:
		return !u.mig && d.hasAny(functions(f)...) // A GPU in MIG mode could tell, but what is on it is told of its instances.
	case node.FeatureInit, node.FeatureEnumeration:
		return true
	case node.FeatureEvents:
		return u.parent == nil && d.hears() // What happens to an instance is told of its GPU.
	default:
		return d.hasAny(functions(f)...)
	}
}

// counts says whether hardware counters can be read of a unit and are its own. Those of a GPU in MIG mode are its instances', and
// those of a GPU instance belong to all compute instances on it.
func (d *Driver) counts(u *unit) bool {
	get := "nvmlGpmSampleGet"
	if u.parent != nil {
		get = "nvmlGpmMigSampleGet"
	}
	return !u.mig && u.device.ComputeInstances < 2 &&
		d.hasAll("nvmlGpmQueryDeviceSupport", "nvmlGpmSampleAlloc", "nvmlGpmSampleFree", "nvmlGpmMetricsGet", get)
}

// lack turns a feature of a unit off. The caller holds the board's turn.
func (d *Driver) lack(u *unit, f node.Feature, why string) {
	if u.wires[f].off {
		return
	}
	u.wires[f].off = true
	u.lacks = u.lacks.With(f)
	d.log.Debug("A device cannot tell", "device", u.device.ID, "what", f.Label(), "err", why)
}
