package sampler

import (
	"math"
	"time"

	"gpusignal/node"
	"gpusignal/window"
)

// silentSpans is how many spans in a row a unit that was told of may be missing before the others count on without it. Its own
// integral is not known then: it would stand for less time than was observed.
const silentSpans = 10

// activity keeps what hardware counters told of each unit: its mean over the signal window, and its integral.
type activity struct {
	span     time.Duration // the signal window
	units    [node.Units]unitActivity
	observed time.Duration
	known    bool
}

type unitActivity struct {
	level  *window.Gauge // nil before the unit was first told of
	active time.Duration
	rest   float64 // of a nanosecond
	silent int     // spans in a row that did not tell of it
	told   time.Time
}

// gone says that the others no longer wait for the unit.
func (u *unitActivity) gone() bool { return u.level == nil || u.silent >= silentSpans }

// take enters what ran in the time before an instant.
func (a *activity) take(at time.Time, r *node.Activity) {
	if r.Span <= 0 {
		return
	}
	whole := a.whole(r)
	if whole {
		a.known = true
		a.observed += r.Span
	}
	for i := range r.Units {
		share, ok := ratio(r.Units[i])
		u := &a.units[i]
		if !ok {
			u.silent++
			continue
		}
		u.silent, u.told = 0, at
		if u.level == nil {
			u.level = window.NewGauge(a.span)
		}
		u.level.Add(at.Add(-r.Span), at, share)
		if whole {
			u.add(share, r.Span)
		}
	}
}

// whole says that some unit is told of, and every one that was before is. Only such a span is counted, of all units: so active
// and observed time are of the same time.
func (a *activity) whole(r *node.Activity) bool {
	some := false
	for i := range r.Units {
		_, ok := ratio(r.Units[i])
		if !ok && !a.units[i].gone() {
			return false
		}
		some = some || ok
	}
	return some
}

// add counts time at a share of it.
func (u *unitActivity) add(share float64, d time.Duration) {
	exact := share*float64(d) + u.rest
	whole := math.Floor(exact)
	u.rest = exact - whole
	u.active += time.Duration(whole)
}

// enter writes the integrals, and at an instant the means of those units that were told of within the grace, into what is published.
func (a *activity) enter(out *node.DeviceState, at time.Time, grace time.Duration) {
	if a.known {
		out.Totals.ActivityObserved = node.Some(a.observed)
	}
	for i := range a.units {
		u := &a.units[i]
		if u.gone() {
			continue
		}
		out.Totals.Active[i] = node.Some(u.active)
		if s := u.level.Stats(); s.Full && within(u.told, at, grace) {
			out.Activity[i] = node.Some(s.Mean)
		}
	}
}
