package node

import "time"

// Use is what one device did in one interval. It is booked once and never corrected.
type Use struct {
	Device DeviceID
	// From is the end of the interval before, or earlier, where some of what is in this one began earlier and was told late.
	From, To time.Time
	// Busy is the time in which a kernel ran, and Observed the time that readings cover. A driver's ring lags behind the clock,
	// so some of it may be of shortly before From; no time is in two intervals.
	Busy, Observed time.Duration
	// Energy in microjoules. EnergyKnown says that the driver's counter of it was ever read: without it there is no energy, not 0.
	Energy      int64
	EnergyKnown bool
	// Peak is the greatest single utilisation reading in the interval, 0–1.
	Peak Opt[float64]
	// Memory is the newest reading of bytes in use.
	Memory Opt[uint64]
	// By tells the processes that are on the device, and those that ended since the interval began. Known where they were read.
	By Opt[[]Process]
	// Shared says that By tells by its shares who ran in the interval; else it tells of memory alone.
	Shared bool
	// Divided says that the device is cut into MIG instances, which are claimed in its place. What it used is the
	// board's: it enters the device's total and is neither owned nor unowned.
	Divided bool
}

// Attribution says how a number of use came to its owner.
type Attribution string

// The ways of attribution.
const (
	Exclusive Attribution = "exclusive" // one container holds the device: all of it is its own
	ByProcess Attribution = "process"   // by the processes seen on a shared device
	Split     Attribution = "split"     // by claim weight, where nothing better is known
)

// Account is what one container used of one device, exactly, in integers.
type Account struct {
	Container   ContainerID
	Device      DeviceID
	Attribution Attribution
	// Opened is when the claim was first seen; Closed is zero while it stands.
	Opened, Closed time.Time
	// Booked is the end of the last interval in it.
	Booked time.Time
	// Watched is the end of the last interval in it of which some was observed: of one that was not, only energy and memory are
	// known. Zero where use was only split.
	Watched time.Time
	// Busy and Observed time, and Energy in microjoules, since the account was opened; these never go back.
	Busy, Observed time.Duration
	Energy         int64
	// Utilization is the mean over the signal window and UtilizationPeak the greatest reading in it, 0–1; by process a reading is
	// of some 5 s. Not Known
	// before a whole window has been booked, for closed accounts, and where use was only split.
	Utilization, UtilizationPeak Opt[float64]
	// Memory of the device in use, in bytes: of a shared device, of the container's processes, where they were read.
	Memory Opt[uint64]
}

// Total is what one device did, and how much of it no container owned. At every instant the total is the sum of its
// accounts, open and closed, and of what nobody owned; only the use of a divided board is in its total alone. Where Observed is 0
// no reading ever covered the device: Busy is not known, neither of the total nor of its accounts.
type Total struct {
	Device DeviceID
	// Booked is the end of the last interval in it.
	Booked         time.Time
	Busy, Observed time.Duration
	Energy         int64
	// EnergyKnown says that energy was ever read; without it Energy is not known, neither of the total nor of its accounts.
	EnergyKnown bool
	// UnownedBusy, UnownedObserved and UnownedEnergy are the part without an owner.
	UnownedBusy, UnownedObserved time.Duration
	UnownedEnergy                int64
}
