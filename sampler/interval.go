package sampler

import (
	"time"

	"gpusignal/node"
)

// interval is the use of a device since the last booking.
type interval struct {
	from   time.Time
	merge  merge
	energy int64
	peak   node.Opt[float64]
	// held is what is known of the interval and waits for processes to tell whose it is.
	held portion
	// by are the processes that were read at its end, and shared says that their shares are of it.
	by     node.Opt[[]node.Process]
	shared bool
	// metered is the driver's energy counter as it was last read, at the instant meteredAt; unmetered is where the energy of
	// the interval begins, zero where it holds none.
	metered              node.Opt[int64]
	meteredAt, unmetered time.Time
}

// begin sets where the first interval starts.
func (i *interval) begin(at time.Time) {
	if i.from.IsZero() {
		i.from = at
	}
	i.merge.begin(at)
}

// top remembers the greatest reading.
func (i *interval) top(utilization float64) {
	if !i.peak.Known || utilization > i.peak.Value {
		i.peak = node.Some(utilization)
	}
}

// meter adds what the energy counter gained until an instant, and says whether it was reset. A counter that went back was, by a
// reload of the driver: what it lost is not known, and it counts on from where it is.
func (i *interval) meter(at time.Time, total node.Opt[int64]) (reset bool) {
	if !total.Known {
		return false
	}
	if i.metered.Known {
		reset = total.Value < i.metered.Value
		i.energy += max(0, total.Value-i.metered.Value)
		if i.unmetered.IsZero() {
			i.unmetered = i.meteredAt
		}
	}
	i.metered, i.meteredAt = total, at
	return reset
}

// hold puts what is known by for when the interval ends.
func (i *interval) hold(p portion) {
	i.held = portion{i.held.busy + p.busy, i.held.observed + p.observed}
}

// book ends the interval and begins the next. An interval without length is not booked. A peak waits for the time that it
// was seen in. What was told late is in an interval that begins with it, not where the last one ended: in the meantime the
// device may have changed hands.
func (i *interval) book(at time.Time, p portion, memory node.Opt[node.Memory]) (node.Use, bool) {
	if !at.After(i.from) {
		return node.Use{}, false
	}
	i.hold(p)
	p = i.held
	use := node.Use{
		From: i.began(at, p.observed), To: at,
		Busy: p.busy, Observed: p.observed,
		Energy: i.energy, EnergyKnown: i.metered.Known,
		Memory: node.Opt[uint64]{Value: memory.Value.Used, Known: memory.Known},
		By:     i.by, Shared: i.shared,
	}
	if p.observed > 0 {
		use.Peak, i.peak = i.peak, node.Opt[float64]{}
	}
	i.from, i.energy, i.unmetered, i.held = at, 0, time.Time{}, portion{}
	i.by, i.shared = node.Opt[[]node.Process]{}, false
	return use, true
}

// began returns when what is booked at an instant began: energy when it was last metered, and observed time as long ago as it is
// long.
func (i *interval) began(at time.Time, observed time.Duration) time.Time {
	from := i.from
	if t := at.Add(-observed); t.Before(from) {
		from = t
	}
	if t := i.unmetered; !t.IsZero() && t.Before(from) {
		from = t
	}
	return from
}
