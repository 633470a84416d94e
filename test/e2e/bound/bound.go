// Package bound says how many replicas an autoscaler owes a load, whatever else happens.
package bound

import (
	"math"
	"time"
)

// Rule is what an autoscaler promises.
type Rule struct {
	// Target is the load that it gives one replica, in the unit of the load.
	Target float64
	// Stabilization is how long it looks back before it takes replicas away.
	Stabilization time.Duration
	// Reaction is how long it takes, while nothing is wrong, from a step of load to the new number of replicas.
	Reaction time.Duration
}

// slack is how far above its target a replica may be loaded before the autoscaler acts: 10 % by Kubernetes' default.
const slack = 1.1

// Load is the load of a workload, all its replicas together, as its clients know it.
type Load func(at time.Time) float64

// Least is how many replicas there have to be at an instant: those that there were before, or as many as the greatest load needs
// that the autoscaler has had the time to see, and has not yet had the time to forget.
func (r Rule) Least(before int, load Load, at time.Time) int {
	var greatest float64
	for t := at.Add(-r.Stabilization); !t.After(at.Add(-r.Reaction)); t = t.Add(time.Second) {
		greatest = max(greatest, load(t))
	}
	const rounding = 1e-9
	return min(before, int(math.Ceil(greatest/(slack*r.Target)-rounding)))
}

// Seen is the number of replicas at an instant.
type Seen struct {
	At       time.Time
	Replicas int
}

// Breach is an instant at which there were too few.
type Breach struct {
	Seen
	Least int
}

// Verdict is what came of judging a span of time.
type Verdict struct {
	// Breaches are the instants at which there were too few replicas.
	Breaches []Breach
	// Least is the smallest number that was owed at any instant, so what the load needed throughout.
	Least int
	// Gap is the longest time between two looks, the ends of the span included.
	Gap time.Duration
}

// Judge each instant of a span that was seen, in which there were so many replicas before.
func (r Rule) Judge(seen []Seen, from, to time.Time, before int, load Load) Verdict {
	v := Verdict{Least: before}
	last := from
	for _, s := range seen {
		if s.At.Before(from) || s.At.After(to) {
			continue
		}
		least := r.Least(before, load, s.At)
		if s.Replicas < least {
			v.Breaches = append(v.Breaches, Breach{s, least})
		}
		v.Least, v.Gap, last = min(v.Least, least), max(v.Gap, s.At.Sub(last)), s.At
	}
	v.Gap = max(v.Gap, to.Sub(last))
	return v
}
