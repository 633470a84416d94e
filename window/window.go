// Package window keeps numbers over a sliding window of time: the level of a gauge, the increase of a counter, a quantile
// of a histogram's increases. It is pure: it asks no clock, a window ends at the newest value it was given. Its types are
// not safe for concurrent use.
package window

import (
	"math"
	"time"
)

// Gauge keeps a level over a window. Each value stands for an interval of time, so gaps between readings are gaps, not
// guesses.
type Gauge struct {
	span  time.Duration
	steps ring[step]
}

type step struct {
	from, to time.Time
	value    float64
}

// NewGauge returns a gauge over the given span.
func NewGauge(span time.Duration) *Gauge { return &Gauge{span: span} }

// Add says that the level was value from from to to. Intervals come in order; an empty or reversed one is ignored.
func (g *Gauge) Add(from, to time.Time, value float64) {
	if !to.After(from) {
		return
	}
	edge := to.Add(-g.span)
	for g.steps.len() > 0 && !g.steps.at(0).to.After(edge) {
		g.steps.drop()
	}
	g.steps.push(step{from, to, value})
}

// Stats are the mean, weighted by time, and the greatest value of a window. Full says that it reaches back a whole span.
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
	newest := g.steps.at(n - 1)
	edge := newest.to.Add(-g.span)
	out := Stats{Peak: math.Inf(-1), Last: newest.value, Full: !g.steps.at(0).from.After(edge)}
	var area float64
	for i := range n {
		s := g.steps.at(i)
		from := s.from
		if from.Before(edge) {
			from = edge
		}
		d := s.to.Sub(from)
		out.Covered += d
		area += s.value * d.Seconds()
		out.Peak = max(out.Peak, s.value)
	}
	out.Mean = area / out.Covered.Seconds()
	return out
}

// Counter keeps a growing total over a window.
type Counter struct {
	span   time.Duration
	points ring[point]
}

type point struct {
	at    time.Time
	total float64
}

// NewCounter returns a counter over the given span.
func NewCounter(span time.Duration) *Counter { return &Counter{span: span} }

// Add says that the total stood at total at the instant at. Totals never fall: resets are dealt with by whoever reads
// the source. An instant that is not later than the newest is ignored.
func (c *Counter) Add(at time.Time, total float64) {
	if n := c.points.len(); n > 0 && !at.After(c.points.at(n-1).at) {
		return
	}
	// The last point at or before the edge stays, to interpolate from.
	edge := at.Add(-c.span)
	for c.points.len() > 1 && !c.points.at(1).at.After(edge) {
		c.points.drop()
	}
	c.points.push(point{at, total})
}

// Increase over the span that ends at the newest point, interpolated at its start, and the time it covers. full says
// that it covers a whole span; before that it covers what there is.
func (c *Counter) Increase() (increase float64, covered time.Duration, full bool) {
	n := c.points.len()
	if n == 0 {
		return 0, 0, false
	}
	newest, oldest := c.points.at(n-1), c.points.at(0)
	edge := newest.at.Add(-c.span)
	if oldest.at.After(edge) {
		return newest.total - oldest.total, newest.at.Sub(oldest.at), false
	}
	if n == 1 {
		return 0, c.span, true
	}
	next := c.points.at(1)
	share := edge.Sub(oldest.at).Seconds() / next.at.Sub(oldest.at).Seconds()
	start := oldest.total + share*(next.total-oldest.total)
	return newest.total - start, c.span, true
}

// Quantile q (0–1) of a histogram whose buckets hold, cumulatively, increases[i] observations of at most uppers[i];
// uppers ascend and the last is +Inf. Within a bucket observations are taken as evenly spread, as Prometheus does; in
// the last bucket the answer is the greatest finite bound. It is false when there is no observation or no finite bound.
func Quantile(q float64, uppers, increases []float64) (float64, bool) {
	n := len(uppers)
	if n < 2 || n != len(increases) || increases[n-1] <= 0 {
		return 0, false
	}
	rank := q * increases[n-1]
	i := 0
	for i < n-1 && increases[i] < rank {
		i++
	}
	if i == n-1 {
		return uppers[n-2], true
	}
	lower, below := 0.0, 0.0
	if i > 0 {
		lower, below = uppers[i-1], increases[i-1]
	}
	in := increases[i] - below
	if in <= 0 {
		return lower, true
	}
	return lower + (uppers[i]-lower)*(rank-below)/in, true
}
