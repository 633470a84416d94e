package sampler

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"gpusignal/node"
	"gpusignal/window"
)

// restAfter is how many readings in a row may fail before a device is tried once a slow interval only.
const restAfter = 3

// device keeps what the readings of one device said. All but state belongs to the goroutine of its board.
type device struct {
	gap, grace time.Duration
	// state is what is published.
	state atomic.Pointer[node.DeviceState]

	// down is why the device cannot be read, empty while it can; failing is how many readings in a row failed.
	down    string
	failing int

	// last is the newest of each part, and the instants are those of its parts.
	last                                         node.Reading
	memoryAt, utilizationAt, slowAt, processesAt time.Time
	// levels are utilisation, bytes memory in use, over the signal window.
	levels *window.Gauge
	bytes  *window.Peak

	interval interval
	// pending says that an interval is due to be booked.
	pending         bool
	reads, failures uint64
}

func newDevice(span, gap, grace time.Duration) *device {
	d := &device{gap: gap, grace: grace, levels: window.NewGauge(span), bytes: window.NewPeak(span)}
	d.state.Store(&node.DeviceState{})
	return d
}

// resting says that the device is only tried once a slow interval.
func (d *device) resting() bool { return d.down == downLost || d.failing >= restAfter }

// failed takes note of a reading that failed.
func (d *device) failed(why string, took time.Duration) {
	d.reads++
	d.failures++
	d.failing++
	d.down = why
	state := *d.state.Load()
	state.Down, state.Reads, state.Failures, state.Took = why, d.reads, d.failures, took
	d.state.Store(&state)
}

// took takes note of a reading that worked, and returns the interval of use that ends with it where one is due.
func (d *device) took(r node.Reading, want node.Want, took time.Duration) (use node.Use, booked bool) {
	d.reads++
	d.failing, d.down = 0, ""
	d.merge(r, want)
	d.last.At = r.At
	d.forget(r.At)
	if d.pending {
		d.pending = false
		use, booked = d.interval.book(r.At, d.last.Memory)
	}
	d.publish(took)
	return use, booked
}

// merge enters the parts of a reading that are known.
func (d *device) merge(r node.Reading, want node.Want) {
	d.interval.begin(r.At)
	if r.Memory.Known {
		if follows(d.memoryAt, r.At, d.gap) {
			d.bytes.Add(d.memoryAt, r.At, float64(r.Memory.Value.Used))
		}
		d.last.Memory, d.memoryAt = r.Memory, r.At
	}
	if u, ok := ratio(r.Utilization); ok {
		if follows(d.utilizationAt, r.At, d.gap) {
			d.levels.Add(d.utilizationAt, r.At, u)
			d.interval.observe(u, r.At.Sub(d.utilizationAt))
		}
		d.interval.top(u)
		d.last.Utilization, d.last.MemoryUtilization, d.utilizationAt = node.Some(u), r.MemoryUtilization, r.At
	}
	if want&node.WantCounters != 0 && knowsCounters(r) {
		d.last.Power, d.last.PowerLimit, d.last.Energy = r.Power, r.PowerLimit, r.Energy
		d.last.Temperature, d.last.MemoryTemperature = r.Temperature, r.MemoryTemperature
		d.slowAt = r.At
		d.interval.meter(r.Energy)
	}
	if want&node.WantProcesses != 0 && r.Processes.Known {
		d.last.Processes = node.Some(slices.Clone(r.Processes.Value))
		d.processesAt = r.At
		d.interval.by = d.last.Processes.Value
	}
}

// forget drops the parts whose source fell silent while others go on.
func (d *device) forget(at time.Time) {
	if !within(d.memoryAt, at, d.grace) {
		d.last.Memory = node.Opt[node.Memory]{}
	}
	if !within(d.utilizationAt, at, d.grace) {
		d.last.Utilization, d.last.MemoryUtilization = node.Opt[float64]{}, node.Opt[float64]{}
	}
	if !within(d.slowAt, at, d.grace) {
		none := node.Opt[float64]{}
		d.last.Power, d.last.PowerLimit, d.last.Temperature, d.last.MemoryTemperature = none, none, none, none
		d.last.Energy = node.Opt[int64]{}
	}
	if !within(d.processesAt, at, 3*processInterval) {
		d.last.Processes = node.Opt[[]node.Process]{}
	}
}

// publish makes what is known now the state that others see.
func (d *device) publish(took time.Duration) {
	state := &node.DeviceState{At: d.last.At, Last: d.last, Reads: d.reads, Failures: d.failures, Took: took}
	if d.last.Utilization.Known {
		if s := d.levels.Stats(); s.Full {
			state.Utilization, state.UtilizationPeak = node.Some(s.Mean), node.Some(s.Peak)
		}
	}
	if d.last.Memory.Known {
		if peak, full := d.bytes.Peak(); full {
			state.MemoryPeak = node.Some(uint64(peak))
		}
	}
	d.state.Store(state)
}

// follows says that a reading at the instant at stands for the time since the one before: there was one, not long ago.
func follows(since, at time.Time, limit time.Duration) bool {
	return at.After(since) && within(since, at, limit)
}

// within says that since is set, and at is later by no more than the limit.
func within(since, at time.Time, limit time.Duration) bool {
	return !since.IsZero() && at.Sub(since) <= limit
}

// ratio returns a known share as a number from 0 to 1.
func ratio(v node.Opt[float64]) (float64, bool) {
	if !v.Known || math.IsNaN(v.Value) {
		return 0, false
	}
	return min(max(v.Value, 0), 1), true
}

// knowsCounters says that any of a reading's counters is known.
func knowsCounters(r node.Reading) bool {
	return r.Power.Known || r.PowerLimit.Known || r.Energy.Known || r.Temperature.Known || r.MemoryTemperature.Known
}
