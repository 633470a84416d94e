package node

import "time"

// Want says which parts of a Reading to take. Parts differ in cost by a factor of a thousand.
type Want uint8

// The parts of a reading.
const (
	WantMemory      Want = 1 << iota // memory in use
	WantUtilization                  // live utilisation
	WantRing                         // the driver's ring of utilisation samples, since it was last read
	WantCounters                     // power, energy, temperature, throttling, bytes over PCIe and NVLink: one batch
	WantActivity                     // what ran since the last reading of it, by hardware counters: Hopper and later
	WantStatus                       // clocks, fans, performance state, ECC, remapped rows, encoder and decoder
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
	// Ring is not Known where nothing new was in the ring: then the live utilisation is all there is.
	Ring Opt[Ring]
	// Power and PowerLimit in watts.
	Power, PowerLimit Opt[float64]
	// Energy in microjoules since the driver was loaded.
	Energy Opt[int64]
	// Temperature of the die and of the memory in degrees Celsius.
	Temperature, MemoryTemperature Opt[float64]
	// Counters other than energy.
	Counters Counters
	// Activity is not Known before the second reading of it.
	Activity Opt[Activity]
	// Status of the board.
	Status Status
	// Processes on the device, with the PIDs as this process's namespace sees them.
	Processes Opt[[]Process]
	// ProcessSpan is the time that the processes' shares are of; not Known where there are no shares.
	ProcessSpan Opt[time.Duration]
	// Calls that the reading made, in their order. The next reading of the device uses the array again.
	Calls []Call
	// Aside is the time of calls that were made for the board since it was last read and are not among Calls: to list it, and to
	// register its events.
	Aside time.Duration
	// Lacks are the features that this device, or the library for it, can never tell: known once they have been asked for.
	Lacks Features
}

// Ring is what the driver's ring of utilisation samples gained since it was last read. All times are by the driver's own
// stamps, whatever their clock: only differences of them count.
type Ring struct {
	// Busy is the integral of utilisation over Covered.
	Busy, Covered time.Duration
	// Peak is the greatest sample, 0–1.
	Peak float64
	// Samples that were new: none, and nothing covered, while the next one is not due yet; it will cover this time too.
	Samples int
	// Spacing is the median distance between the latest samples, 0 before it is known.
	Spacing time.Duration
	// Levels are the new samples that cover any time.
	Levels Distribution
}

// Counters are what the driver counts by itself. A counter that went back was reset, or wrapped at 2^Bits.
type Counters struct {
	// Throttled is the time in which clocks were held down, by reason.
	Throttled [Throttles]Opt[time.Duration]
	// PCIeTx and PCIeRx, NVLinkTx and NVLinkRx in bytes, sent and received by the device.
	PCIeTx, PCIeRx, NVLinkTx, NVLinkRx Opt[Count]
	// PCIeReplays counts packets that were sent again.
	PCIeReplays Opt[Count]
}

// Count is a driver's counter, 32 or 64 bits wide.
type Count struct {
	Value uint64
	Bits  uint8
}

// Throttle is a reason for which a driver holds clocks down.
type Throttle uint8

// The reasons, by field of nvml.h: 74 to 81, 269 to 271.
const (
	ThrottlePower Throttle = iota
	ThrottleThermal
	ThrottleSyncBoost
	ThrottleBoardLimit
	ThrottleLowUtilization
	ThrottleReliability
	ThrottleApplicationClocks
	ThrottleBaseClocks
	ThrottleSoftwareThermal
	ThrottleHardwareThermal
	ThrottlePowerBrake
	Throttles int = iota
)

// Label of a reason in series.
func (t Throttle) Label() string {
	return [Throttles]string{
		"power", "thermal", "sync_boost", "board_limit", "low_utilization", "reliability", "application_clocks", "base_clocks",
		"sw_thermal", "hw_thermal", "power_brake",
	}[t]
}

// Activity is what ran on a device, or a MIG instance, in the time Span between two kept samples of hardware counters. Units are
// shares of that time and of their kind, 0–1; traffic is in bytes in that time.
type Activity struct {
	Span                               time.Duration
	Units                              [Units]Opt[float64]
	PCIeTx, PCIeRx, NVLinkTx, NVLinkRx Opt[float64]
}

// Unit is a part of a GPU that hardware counters tell the activity of.
type Unit uint8

// The units, by metric of GPM: 1, 2, 3, 5, 10, 11, 12, 13.
const (
	UnitGraphics Unit = iota // any kernel
	UnitSM
	UnitSMOccupancy
	UnitTensor
	UnitDRAM
	UnitFP64
	UnitFP32
	UnitFP16
	Units int = iota
)

// Label of a unit in series.
func (u Unit) Label() string {
	return [Units]string{"graphics", "sm", "sm_occupancy", "tensor", "dram", "fp64", "fp32", "fp16"}[u]
}

// Status is what changes seldom, or is told slowly.
type Status struct {
	// Known says that the status was asked for, and that something of it is known.
	Known bool
	// Clocks in hertz.
	SMClock, MemoryClock, GraphicsClock, VideoClock Opt[float64]
	// Fan is the mean speed of the fans, 0–1 of their maximum and above; boards without fans have none.
	Fan Opt[float64]
	// PerformanceState is 0 (fastest) to 15.
	PerformanceState Opt[int]
	// Encoder, Decoder, JPEG and OFA utilisation, 0–1, by the driver's own sampling period.
	Encoder, Decoder, JPEG, OFA Opt[float64]
	// ECCCorrected and ECCUncorrected count errors since the driver was loaded.
	ECCCorrected, ECCUncorrected Opt[uint64]
	// RemappedCorrectable and RemappedUncorrectable count rows that were remapped for errors of that kind, in the board's life;
	// RemapPending and RemapFailed are conditions.
	RemappedCorrectable, RemappedUncorrectable Opt[uint64]
	RemapPending, RemapFailed                  Opt[bool]
	// RetiredSingleBit and RetiredDoubleBit count retired pages, of boards before Ampere; RetiredPending is a condition.
	RetiredSingleBit, RetiredDoubleBit Opt[uint64]
	RetiredPending                     Opt[bool]
	// PCIeGeneration and PCIeWidth of the link as it is now.
	PCIeGeneration, PCIeWidth Opt[int]
}

// Call is one call of the driver.
type Call struct {
	Feature Feature
	Took    time.Duration
}

// Event is what a driver pushed. XID is 0 for an event of another kind.
type Event struct {
	Device DeviceID
	Kind   EventKind
	XID    int
	At     time.Time
}

// EventKind is a kind of event that a driver pushes.
type EventKind uint8

// The kinds, by bit of nvml.h: 0x8, 0x1, 0x2, 0x100, 0x4000, 0x8000.
const (
	EventXID EventKind = iota
	EventECCSingleBit
	EventECCDoubleBit
	EventMIGConfig
	EventUnavailable
	EventRecoveryAction
	EventKinds int = iota
)

// Label of a kind in series.
func (k EventKind) Label() string {
	return [EventKinds]string{"xid", "ecc_single_bit", "ecc_double_bit", "mig_config", "unavailable", "recovery_action"}[k]
}
