package sampler

import (
	"math"
	"time"

	"gpusignal/node"
)

// interval is the use of a device since the last booking.
type interval struct {
	from           time.Time
	busy, observed time.Duration
	// rest is the part of a nanosecond of busy time that is not yet in busy, so that rounding never adds up.
	rest   float64
	energy int64
	peak   node.Opt[float64]
	by     []node.Process
	// metered is the driver's energy counter as it was last read.
	metered node.Opt[int64]
}

// begin sets where the first interval starts.
func (i *interval) begin(at time.Time) {
	if i.from.IsZero() {
		i.from = at
	}
}

// observe adds a time at a utilisation.
func (i *interval) observe(utilization float64, d time.Duration) {
	exact := utilization*float64(d) + i.rest
	whole := min(math.Floor(exact), float64(d)) // Never busier than observed, however floats round.
	i.rest = exact - whole
	i.busy += time.Duration(whole)
	i.observed += d
}

// top remembers the greatest reading.
func (i *interval) top(utilization float64) {
	if !i.peak.Known || utilization > i.peak.Value {
		i.peak = node.Some(utilization)
	}
}

// meter adds what the energy counter gained. A counter that went back was reset, by a reload of the driver: what it lost
// is not known, and it counts on from where it is.
func (i *interval) meter(total node.Opt[int64]) {
	if !total.Known {
		return
	}
	if i.metered.Known {
		i.energy += max(0, total.Value-i.metered.Value)
	}
	i.metered = total
}

// book ends the interval and begins the next. An interval without length is not booked.
func (i *interval) book(at time.Time, memory node.Opt[node.Memory]) (node.Use, bool) {
	if !at.After(i.from) {
		return node.Use{}, false
	}
	use := node.Use{
		From: i.from, To: at,
		Busy: i.busy, Observed: i.observed,
		Energy: i.energy,
		Peak:   i.peak,
		Memory: node.Opt[uint64]{Value: memory.Value.Used, Known: memory.Known},
		By:     i.by,
	}
	*i = interval{from: at, rest: i.rest, metered: i.metered}
	return use, true
}
