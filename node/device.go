package node

import (
	"errors"
	"strconv"
	"time"
)

// Errors of a driver that its callers branch on. Everything else a driver says is a reason to show, not to act on.
var (
	// ErrDriverMismatch says that the loaded library does not fit the kernel driver. A reload in place is impossible:
	// the process has to end and be started again.
	ErrDriverMismatch = errors.New("library and driver versions do not match")
	// ErrNoDriver says that there is no driver to talk to: no library, no kernel module, no device.
	ErrNoDriver = errors.New("no driver")
	// ErrDeviceLost says that a device fell off the bus.
	ErrDeviceLost = errors.New("device lost")
	// ErrResetRequired says that a device answers nothing before it has been reset.
	ErrResetRequired = errors.New("device needs a reset")
)

// DeviceID is the UUID that NVML gives a device ("GPU-…" or "MIG-…"): the only key of a device.
type DeviceID string

// Device is what a GPU, or a MIG instance of one, is called.
type Device struct {
	ID DeviceID
	// Parent is the physical GPU of a MIG instance, and empty for a physical GPU.
	Parent DeviceID
	// Index is NVML's enumeration index. It shifts when a board is lost: never a key, never a label of a series.
	Index int
	// Minor is the number in /dev/nvidia<minor>.
	Minor int
	// GPUInstance, ComputeInstance, ProfileID and PlacementStart place a MIG instance on its parent.
	GPUInstance, ComputeInstance, ProfileID, PlacementStart int
	// ComputeInstances is how many compute instances the GPU instance of a MIG instance has.
	ComputeInstances int
	// Model is the product name, Profile the MIG profile ("1g.10gb"), PCIAddress as in /sys/bus/pci/devices.
	Model, Profile, PCIAddress string
	// Driver is the version of the kernel driver.
	Driver string
}

// Label is the value of the "gpu" label: the minor number, "3", and for a MIG instance the GPU instance behind it, "3:1", and the
// compute instance where the GPU instance has several, "3:1:0".
func (d Device) Label() string {
	label := strconv.Itoa(d.Minor)
	if d.Parent == "" {
		return label
	}
	label += ":" + strconv.Itoa(d.GPUInstance)
	if d.ComputeInstances > 1 {
		label += ":" + strconv.Itoa(d.ComputeInstance)
	}
	return label
}

// Memory of a device in bytes. Used does not include Reserved, save where that is not Known: drivers before 510 count what they
// keep for themselves as used, and do not tell how much it is.
type Memory struct {
	Total, Used uint64
	Reserved    Opt[uint64]
}

// Process is one process on a device.
type Process struct {
	PID     int
	Started time.Time
	// Known says that it could be told whose the process is: Container's, or no pod's where Container is empty.
	Known     bool
	Container ContainerID
	// Share of what ran on the device since the previous reading of processes, 0–1. A process that ended since then has a share
	// and no memory.
	Share float64
	// Memory in bytes; 0 when the driver does not tell.
	Memory uint64
}

// DeviceState is what the sampler publishes of one device. Numbers whose source fell silent are not Known.
type DeviceState struct {
	Device Device
	// At is the instant of the last good reading, zero before the first.
	At time.Time
	// Down is why the device cannot be read, empty while it can.
	Down string
	// Utilization over the signal window (mean) and the greatest single reading in it, 0–1.
	Utilization, UtilizationPeak Opt[float64]
	// Told is when each part of a reading was last told, zero before it was.
	Told [Parts]time.Time
	// Last is the newest value of each part of a reading, wherever it came from.
	Last Reading
	// MemoryPeak is the most memory in use within the signal window, in bytes.
	MemoryPeak Opt[uint64]
	// XIDs are the XID errors seen since the process started, and Events counts all events by kind.
	XIDs   map[int]XID
	Events [EventKinds]uint64
	// Totals since the process started.
	Totals DeviceTotals
	// Activity of each unit, mean over the signal window, 0–1.
	Activity [Units]Opt[float64]
	// Refresh is how often the driver renews utilisation, as observed.
	Refresh Opt[time.Duration]
	// Lacks are the features that the device has been asked for and cannot tell.
	Lacks Features
	// Busy is the share of wall time that calls of the driver took lately, and Slowed the factor by which the device is read less
	// often than asked, because they took too much: 1 for not at all.
	Busy   Opt[float64]
	Slowed float64
	// Reads counts the readings tried, and Failures those of them that failed; Missed counts ticks that the device did
	// not hear because a call was still running.
	Reads, Failures, Missed uint64
	// Took is how long the last reading took.
	Took time.Duration
}

// DeviceTotals are the driver's counters of a device, counted on from when the process first read them: they never go back.
type DeviceTotals struct {
	Throttled                          [Throttles]Opt[time.Duration]
	PCIeTx, PCIeRx, NVLinkTx, NVLinkRx Opt[uint64] // bytes
	PCIeReplays                        Opt[uint64]
	// Active is the time in which each unit worked, as the sum of share × time, and ActivityObserved the time that covers.
	Active           [Units]Opt[time.Duration]
	ActivityObserved Opt[time.Duration]
	// Levels are samples of utilisation: of the driver's ring, else live readings, and of a MIG instance the share of each span.
	Levels Distribution
	// RingSamples counts the samples of utilisation taken from the driver's ring.
	RingSamples uint64
}

// CallStats sums up calls.
type CallStats struct {
	Count    uint64
	Sum, Max time.Duration
}

// Add a call that took so long.
func (s *CallStats) Add(took time.Duration) { s.Join(CallStats{1, took, took}) }

// Join other calls to these.
func (s *CallStats) Join(other CallStats) {
	s.Count += other.Count
	s.Sum += other.Sum
	s.Max = max(s.Max, other.Max)
}

// XID is how often an XID error was seen, and when last.
type XID struct {
	Count uint64
	Last  time.Time
}
