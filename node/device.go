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
	// ErrDeviceLost says that a device fell off the bus or needs a reset.
	ErrDeviceLost = errors.New("device lost")
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
	// Model is the product name, Profile the MIG profile ("1g.10gb"), PCIAddress as in /sys/bus/pci/devices.
	Model, Profile, PCIAddress string
	// Driver is the version of the kernel driver.
	Driver string
}

// Label is the value of the "gpu" label: the minor number, "3", and for a MIG instance the GPU instance behind it, "3:1".
func (d Device) Label() string {
	minor := strconv.Itoa(d.Minor)
	if d.Parent == "" {
		return minor
	}
	return minor + ":" + strconv.Itoa(d.GPUInstance)
}

// Want says which parts of a Reading to take. Parts differ in cost by a factor of a thousand.
type Want uint8

// The parts of a reading.
const (
	WantMemory      Want = 1 << iota // memory in use
	WantUtilization                  // live utilisation
	WantCounters                     // power, energy, temperature
	WantProcesses                    // processes on the device: milliseconds, for shared devices only
)

// Reading is what a driver said of one device at one instant.
type Reading struct {
	// At is when the last call of the reading returned; it carries the monotonic clock.
	At time.Time
	// Memory of the device.
	Memory Opt[Memory]
	// Utilization is the share of the driver's last sample period (1/6 s to 1 s) in which a kernel ran, 0–1.
	Utilization Opt[float64]
	// MemoryUtilization is the share of the same period in which device memory was read or written, 0–1.
	MemoryUtilization Opt[float64]
	// Power and PowerLimit in watts.
	Power, PowerLimit Opt[float64]
	// Energy in microjoules since the driver was loaded.
	Energy Opt[int64]
	// Temperature of the die and of the memory in degrees Celsius.
	Temperature, MemoryTemperature Opt[float64]
	// Processes on the device, with the PIDs as this process's namespace sees them.
	Processes Opt[[]Process]
}

// Memory of a device in bytes. Used does not include Reserved.
type Memory struct{ Total, Reserved, Used uint64 }

// Process is one process on a device.
type Process struct {
	PID       int
	Started   time.Time
	Container ContainerID
	// Share of the device's use in the interval, 0–1.
	Share float64
	// Memory in bytes; 0 when the driver does not tell.
	Memory uint64
}

// Event is what a driver pushed: so far always an XID error.
type Event struct {
	Device DeviceID
	XID    int
	At     time.Time
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
	// Last is the newest value of each part of a reading, wherever it came from.
	Last Reading
	// MemoryPeak is the most memory in use within the signal window, in bytes.
	MemoryPeak Opt[uint64]
	// XIDs counts the XID errors seen since the process started.
	XIDs map[int]uint64
	// Reads counts the readings tried, and Failures those of them that failed; Missed counts ticks that the device did
	// not hear because a call was still running.
	Reads, Failures, Missed uint64
	// Took is how long the last reading took.
	Took time.Duration
}
