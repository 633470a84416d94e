package sampler

import (
	"time"

	"gpusignal/node"
)

// totals count on what a driver counts by itself, over wraps and resets.
type totals struct {
	throttled                          [node.Throttles]tally
	pcieTx, pcieRx, nvlinkTx, nvlinkRx traffic
	replays                            tally
	ringSamples                        uint64
	levels                             node.Distribution
	// link is the most that the PCIe link was seen to carry, in bytes a second; 0 before it is known.
	link float64
}

// count takes the driver's counters of an instant. Reset says that the driver began to count anew since the last time, and grace
// is how long hardware counters may be silent.
func (t *totals) count(at time.Time, c *node.Counters, reset bool, grace time.Duration) {
	if reset {
		t.restart()
	}
	for i := range c.Throttled {
		if d := c.Throttled[i]; d.Known && d.Value >= 0 {
			t.throttled[i].add(node.Count{Value: uint64(d.Value), Bits: 64})
		}
	}
	t.pcieTx.count(at, c.PCIeTx, t.link, grace)
	t.pcieRx.count(at, c.PCIeRx, t.link, grace)
	t.nvlinkTx.count(at, c.NVLinkTx, 0, grace)
	t.nvlinkRx.count(at, c.NVLinkRx, 0, grace)
	if r := c.PCIeReplays; r.Known {
		t.replays.add(node.Count{Value: r.Value.Value, Bits: 64}) // Too few to wrap: one that went back was reset.
	}
}

// measure takes the traffic that hardware counters saw until an instant.
func (t *totals) measure(at time.Time, a *node.Activity) {
	t.pcieTx.measure(at, a.Span, a.PCIeTx)
	t.pcieRx.measure(at, a.Span, a.PCIeRx)
	t.nvlinkTx.measure(at, a.Span, a.NVLinkTx)
	t.nvlinkRx.measure(at, a.Span, a.NVLinkRx)
}

// restart forgets where narrow counters stood: after a reset a value that is lower would look like a wrap.
func (t *totals) restart() {
	for _, c := range [...]*tally{&t.pcieTx.tally, &t.pcieRx.tally, &t.nvlinkTx.tally, &t.nvlinkRx.tally} {
		if c.last.Bits < 64 {
			c.primed = false
		}
	}
}

// enter writes the totals into what is published.
func (t *totals) enter(out *node.DeviceTotals) {
	for i := range t.throttled {
		if t.throttled[i].known {
			out.Throttled[i] = node.Some(time.Duration(t.throttled[i].total))
		}
	}
	out.PCIeTx, out.PCIeRx = t.pcieTx.told(), t.pcieRx.told()
	out.NVLinkTx, out.NVLinkRx = t.nvlinkTx.told(), t.nvlinkRx.told()
	out.PCIeReplays = t.replays.told()
	out.RingSamples, out.Levels = t.ringSamples, t.levels
}

// tally counts on from where a counter was first read.
type tally struct {
	last          node.Count
	primed, known bool
	total         uint64
}

// add takes a counter. One that went back was reset, and counts on from where it is; one of less than 64 bits wrapped, once
// at least: how often nobody can tell.
func (t *tally) add(c node.Count) {
	if c.Bits == 0 || c.Bits > 64 {
		c.Bits = 64
	}
	if t.primed {
		switch {
		case c.Value >= t.last.Value:
			t.total += c.Value - t.last.Value
		case c.Bits < 64 && c.Bits == t.last.Bits:
			t.total += (c.Value - t.last.Value) & (1<<c.Bits - 1)
		}
	}
	t.last, t.primed, t.known = c, true, true
}

func (t *tally) told() node.Opt[uint64] { return node.Opt[uint64]{Value: t.total, Known: t.known} }
