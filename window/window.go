// Package window keeps numbers over a sliding window of time: the level of a gauge, its peak, the increase of a counter. It
// is pure: it asks no clock, a window ends at the newest value it was given. Its types are not safe for concurrent use.
package window

import (
	"math"
	"time"
)

// Gauge keeps a level over a window. Each value stands for an interval of time, so gaps between readings are gaps, not
// guesses.
type Gauge struct {
	span  time.Duration
	clock clock
	// began is the start of the history the window looks back on, and newest the end of the newest value.
	began, newest time.Duration
	steps         ring[step]
}

// step is a value that stood from one offset to another.
type step struct {
	from, to time.Duration
	value    float64
}

// NewGauge returns a gauge over the given span.
func NewGauge(span time.Duration) *Gauge { return &Gauge{span: span} }

// Add says that the level was value from from to to. Intervals come in order; an empty or reversed one is ignored, and
// so is a value that is no number.
func (g *Gauge) Add(from, to time.Time, value float64) {
	if value-value != 0 { // NaN or infinite.
		return
	}
	s := step{g.clock.offset(from), g.clock.offset(to), value}
	if s.to <= s.from {
		return
	}
	if g.steps.count == 0 || s.from-g.newest >= g.span {
		g.began = s.from
	}
	g.newest = s.to
	edge := s.to - g.span
	for g.steps.count > 0 && g.steps.at(0).to <= edge {
		g.steps.drop()
	}
	g.steps.push(s)
}

// Stats are the mean, weighted by time, and the greatest value of a window. Full says that its history reaches back a
// whole span; a gap as long as the span begins a new history.
type Stats struct {
	Mean, Peak, Last float64
	// Covered is how much of the window has values.
	Covered time.Duration
	Full    bool
}

// Stats over the span that ends at the newest value. With no value at all it is zero, and not Full.
func (g *Gauge) Stats() Stats {
	n := g.steps.len()
	if n == 0 {
		return Stats{}
	}
	edge := g.newest - g.span
	out := Stats{Peak: math.Inf(-1), Last: g.steps.at(n - 1).value, Full: g.began <= edge}
	var area float64
	for i := range n {
		s := g.steps.at(i)
		d := s.to - max(s.from, edge)
		out.Covered += d
		area += s.value * float64(d)
		out.Peak = max(out.Peak, s.value)
	}
	out.Mean = area / float64(out.Covered)
	return out
}

// Counter keeps a growing total over a window.
type Counter struct {
	span   time.Duration
	clock  clock
	points ring[point]
}

type point struct {
	at    time.Duration
	total float64
}

// NewCounter returns a counter over the given span.
func NewCounter(span time.Duration) *Counter { return &Counter{span: span} }

// Add says that the total stood at total at the instant at. Totals never fall: resets are dealt with by whoever reads
// the source. An instant that is not later than the newest is ignored, and so is a total that is no number.
func (c *Counter) Add(at time.Time, total float64) {
	if total-total != 0 { // NaN or infinite.
		return
	}
	p := point{c.clock.offset(at), total}
	if n := c.points.count; n > 0 && p.at <= c.points.at(n-1).at {
		return
	}
	// The last point at or before the edge stays, to interpolate from.
	edge := p.at - c.span
	for c.points.count > 1 && c.points.at(1).at <= edge {
		c.points.drop()
	}
	c.points.push(p)
}

// Increase over the span that ends at the newest point, interpolated at its start, and the time it covers. full says
// that it covers a whole span; before that it covers what there is.
func (c *Counter) Increase() (increase float64, covered time.Duration, full bool) {
	n := c.points.len()
	if n == 0 {
		return 0, 0, false
	}
	newest, oldest := c.points.at(n-1), c.points.at(0)
	edge := newest.at - c.span
	if n == 1 || oldest.at > edge {
		return newest.total - oldest.total, newest.at - oldest.at, false
	}
	next := c.points.at(1)
	share := float64(edge-oldest.at) / float64(next.at-oldest.at)
	start := oldest.total + share*(next.total-oldest.total)
	return newest.total - start, c.span, true
}
