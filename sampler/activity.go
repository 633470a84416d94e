package sampler

import (
	"math"
	"time"

	"gpusignal/node"
	"gpusignal/window"
)

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
}

// take enters what ran in the time before an instant.
func (a *activity) take(at time.Time, r *node.Activity) {
	if r.Span <= 0 {
		return
	}
	a.known = true
	a.observed += r.Span
	for i := range r.Units {
		share, ok := ratio(r.Units[i])
		if !ok {
			continue
		}
		u := &a.units[i]
		if u.level == nil {
			u.level = window.NewGauge(a.span)
		}
		u.level.Add(at.Add(-r.Span), at, share)
		exact := share*float64(r.Span) + u.rest
		whole := math.Floor(exact)
		u.rest = exact - whole
		u.active += time.Duration(whole)
	}
}

// enter writes the integrals, and the means where they are of now, into what is published.
func (a *activity) enter(out *node.DeviceState, fresh bool) {
	if a.known {
		out.Totals.ActivityObserved = node.Some(a.observed)
	}
	for i := range a.units {
		u := &a.units[i]
		if u.level == nil {
			continue
		}
		out.Totals.Active[i] = node.Some(u.active)
		if s := u.level.Stats(); fresh && s.Full {
			out.Activity[i] = node.Some(s.Mean)
		}
	}
}
