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
}

// count takes the driver's counters. Reset says that the driver began to count anew since the last time.
func (t *totals) count(c *node.Counters, reset bool) {
	if reset {
		t.restart()
	}
	for i := range c.Throttled {
		if d := c.Throttled[i]; d.Known && d.Value >= 0 {
			t.throttled[i].add(node.Count{Value: uint64(d.Value), Bits: 64})
		}
	}
	t.pcieTx.count(c.PCIeTx)
	t.pcieRx.count(c.PCIeRx)
	t.nvlinkTx.count(c.NVLinkTx)
	t.nvlinkRx.count(c.NVLinkRx)
	if c.PCIeReplays.Known {
		t.replays.add(c.PCIeReplays.Value)
	}
}

// measure takes the traffic that hardware counters saw.
func (t *totals) measure(a *node.Activity) {
	t.pcieTx.measure(a.PCIeTx)
	t.pcieRx.measure(a.PCIeRx)
	t.nvlinkTx.measure(a.NVLinkTx)
	t.nvlinkRx.measure(a.NVLinkRx)
}

// restart forgets where narrow counters stood: after a reset a value that is lower would look like a wrap.
func (t *totals) restart() {
	for _, c := range [...]*tally{&t.pcieTx.tally, &t.pcieRx.tally, &t.nvlinkTx.tally, &t.nvlinkRx.tally, &t.replays} {
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
	out.RingSamples = t.ringSamples
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

// traffic is bytes that went over a link, by one of two sources and never by both: a counter of 64 bits where the driver has
// one, else hardware counters, else a narrow counter, which a fast link wraps between two readings.
type traffic struct {
	tally
	measured bool
	rest     float64
}

func (t *traffic) count(c node.Opt[node.Count]) {
	if !c.Known || t.measured {
		return
	}
	t.add(c.Value)
}

func (t *traffic) measure(bytes node.Opt[float64]) {
	if !bytes.Known || !(bytes.Value >= 0 && bytes.Value < 1<<62) || t.primed && t.last.Bits == 64 {
		return
	}
	exact := bytes.Value + t.rest
	whole := uint64(exact)
	t.rest = exact - float64(whole)
	t.total += whole
	t.measured, t.known = true, true
}
