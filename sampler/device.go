package sampler

import (
	"math"
	"slices"
	"sync"
	"time"

	"gpusignal/node"
	"gpusignal/window"
)

// restAfter is how many readings in a row may fail before a device is tried once a slow interval only.
const restAfter = 3

// device keeps what the readings of one device said. What comes after the lock is held by the lock, and the lock never while
// anyone is in the driver: who asks for the state waits for no GPU.
type device struct {
	// instance says that it is a MIG instance: hardware counters alone tell what runs on it.
	instance bool
	// pending says that an interval is due to be booked, failing is how many readings in a row failed, and sharing says that several
	// containers held the device at the last slow reading. They belong to the goroutine of the board.
	pending bool
	failing int
	sharing bool

	mu sync.Mutex
	// now is what is published, without what is worked out when it is asked for.
	now node.DeviceState
	// How long numbers live without a successor: those of status and processes, and all others.
	statusGrace, processGrace, grace time.Duration
	// told is when each part was last told.
	told [node.Parts]time.Time
	// levels are utilisation, bytes memory in use, over the signal window.
	levels   *window.Gauge
	bytes    *window.Peak
	refresh  refresh
	activity activity
	totals   totals
	calls    calls
	interval interval
}

func newDevice(s *Sampler, instance bool) *device {
	return &device{
		instance: instance,
		grace:    s.deadline(),
		levels:   window.NewGauge(s.window), bytes: window.NewPeak(s.window),
		refresh:  newRefresh(s.interval),
		activity: activity{span: s.window},
	}
}

// down is why the device cannot be read, empty while it can. Only the goroutine of the board asks.
func (d *device) down() string { return d.now.Down }

// resting says that the device is only tried once a slow interval.
func (d *device) resting() bool {
	return d.down() == downLost || d.down() == downReset || d.failing >= restAfter
}

// failed takes note of a reading that failed, and of the calls that it made all the same.
func (d *device) failed(why string, made []node.Call, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing++
	d.now.Reads++
	d.now.Failures++
	d.calls.add(made)
	d.now.Down, d.now.Took = why, took
}

// took takes note of a reading that worked, and returns the interval of use that ends with it where one is due. One for which
// there was nothing to call says neither that the device answers nor that it does not.
func (d *device) took(r *node.Reading, a ask, took time.Duration) (use node.Use, booked bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now.Reads++
	d.now.Lacks, d.now.Last.Lacks = r.Lacks, r.Lacks
	d.calls.add(r.Calls)
	if empty(r) {
		return node.Use{}, false
	}
	if afresh(d.now.Down) {
		d.totals.restart()
	}
	d.failing = 0
	d.grace, d.statusGrace, d.processGrace = a.grace, a.statusGrace, a.processGrace
	d.now.Down, d.now.Took, d.now.At, d.now.Last.At = "", took, r.At, r.At
	d.interval.begin(r.At)
	d.memory(r, a)
	d.utilization(r, a)
	if a.slow {
		d.slow(r, a)
	}
	if !d.pending {
		return node.Use{}, false
	}
	d.pending = false
	p := d.portion(r, a)
	if a.shared && d.waits(r, p) {
		d.interval.hold(p)
		return node.Use{}, false
	}
	memory := d.now.Last.Memory
	memory.Known = memory.Known && within(d.told[node.PartMemory], r.At, d.grace)
	return d.interval.book(r.At, p, memory)
}

// portion is what of the time since the last booking was observed, and how much of it was busy.
func (d *device) portion(r *node.Reading, a ask) portion {
	m := &d.interval.merge
	m.pace(a.live)
	if !d.instance {
		if peak, ok := ratio(node.Opt[float64]{Value: r.Ring.Value.Peak, Known: r.Ring.Known}); ok {
			d.interval.top(peak)
		}
		return m.book(r.At, r.Ring, a.wait)
	}
	share, ok := ratio(r.Activity.Value.Units[node.UnitGraphics])
	if !r.Activity.Known || !ok || r.Activity.Value.Span <= 0 {
		return portion{}
	}
	d.interval.top(share)
	return m.bySpan(r.At, share, r.Activity.Value.Span)
}

// memory enters memory in use.
func (d *device) memory(r *node.Reading, a ask) {
	if !r.Memory.Known {
		return
	}
	before := d.told[node.PartMemory]
	if follows(before, r.At, a.gap) {
		d.bytes.Add(before, r.At, float64(r.Memory.Value.Used))
	}
	d.now.Last.Memory, d.told[node.PartMemory] = r.Memory, r.At
}

// utilization enters live utilisation.
func (d *device) utilization(r *node.Reading, a ask) {
	u, ok := ratio(r.Utilization)
	if !ok || d.instance {
		return
	}
	d.refresh.live(r.At, u, r.MemoryUtilization.Value)
	if d.now.Lacks.Has(node.FeatureRing) {
		d.totals.levels.Add(u)
	}
	before := d.told[node.PartUtilization]
	if follows(before, r.At, a.gap) {
		d.levels.Add(before, r.At, u)
		d.interval.merge.observe(u, r.At.Sub(before))
	}
	d.interval.top(u)
	last := &d.now.Last
	last.Utilization, last.MemoryUtilization, d.told[node.PartUtilization] = node.Some(u), r.MemoryUtilization, r.At
}

// slow enters what is read slowly.
func (d *device) slow(r *node.Reading, a ask) {
	last := &d.now.Last
	d.totals.link = max(d.totals.link, linkRate(&r.Status)) // An idle link is slower for a while.
	// Before the counters, which leave out what was measured.
	if r.Activity.Known && r.Activity.Value.Span > 0 {
		last.Activity, d.told[node.PartActivity] = r.Activity, r.At
		d.activity.take(r.At, &r.Activity.Value)
		d.totals.measure(r.At, &r.Activity.Value)
		if u, ok := ratio(r.Activity.Value.Units[node.UnitGraphics]); ok && d.instance {
			d.levels.Add(r.At.Add(-r.Activity.Value.Span), r.At, u)
			d.totals.levels.Add(u)
			last.Utilization, d.told[node.PartUtilization] = node.Some(u), r.At
		}
	}
	if knowsCounters(r) {
		last.Power, last.PowerLimit, last.Energy = r.Power, r.PowerLimit, r.Energy
		last.Temperature, last.MemoryTemperature, last.Counters = r.Temperature, r.MemoryTemperature, r.Counters
		d.told[node.PartCounters] = r.At
		d.totals.count(r.At, &r.Counters, d.interval.meter(r.At, r.Energy), a.grace)
	}
	if r.Ring.Known {
		last.Ring, d.told[node.PartRing] = r.Ring, r.At
		d.totals.ringSamples += uint64(max(r.Ring.Value.Samples, 0))
		d.totals.levels.Join(&r.Ring.Value.Levels)
		d.refresh.ring(r.Ring.Value.Spacing)
	}
	if a.want&node.WantStatus != 0 && r.Status.Known {
		last.Status, d.told[node.PartStatus] = r.Status, r.At
	}
	if a.want&node.WantProcesses != 0 && r.Processes.Known {
		last.Processes, d.told[node.PartProcesses] = r.Processes, r.At
	}
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

// empty says that a reading made no call and tells nothing: all that was wanted is lacking.
func empty(r *node.Reading) bool {
	return len(r.Calls) == 0 && !r.Memory.Known && !r.Utilization.Known && !r.Ring.Known && !r.Activity.Known && !r.Status.Known &&
		!r.Processes.Known && !knowsCounters(r)
}

// knowsCounters says that any of a reading's counters is known.
func knowsCounters(r *node.Reading) bool {
	c := &r.Counters
	return r.Power.Known || r.PowerLimit.Known || r.Energy.Known || r.Temperature.Known || r.MemoryTemperature.Known ||
		c.PCIeTx.Known || c.PCIeRx.Known || c.NVLinkTx.Known || c.NVLinkRx.Known || c.PCIeReplays.Known ||
		slices.ContainsFunc(c.Throttled[:], func(t node.Opt[time.Duration]) bool { return t.Known })
}
