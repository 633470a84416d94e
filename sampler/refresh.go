package sampler

import (
	"slices"
	"time"

	"gpusignal/node"
)

// leastChanges is how many changes of live utilisation tell how often it is renewed.
const leastChanges = 8

// refresh finds out how often a driver renews utilisation: by the distance of the samples in its ring where it has one, else
// by how long live readings stay the same.
type refresh struct {
	// reading is the longest distance of two live readings that are near enough to tell.
	reading time.Duration
	spacing time.Duration

	value   [2]float64 // of the GPU and of its memory
	at      time.Time  // of the last live reading
	changed time.Time  // when the value last changed; zero when that is not known
	runs    [32]time.Duration
	count   int
}

func newRefresh(interval time.Duration) refresh {
	return refresh{reading: max(interval, utilizationInterval) * 3 / 2}
}

// ring takes the distance of a ring's samples, 0 for none.
func (r *refresh) ring(spacing time.Duration) {
	if spacing > 0 {
		r.spacing = spacing
	}
}

// live takes a live reading.
func (r *refresh) live(at time.Time, gpu, memory float64) {
	value := [2]float64{gpu, memory}
	if at.Sub(r.at) > r.reading {
		r.changed = time.Time{} // When it changed between the two, nobody saw.
	} else if value != r.value {
		if run := at.Sub(r.changed); !r.changed.IsZero() && run <= longestLag {
			r.runs[r.count%len(r.runs)] = run
			r.count++
		}
		r.changed = at
	}
	r.at, r.value = at, value
}

// period is how often utilisation is renewed, as observed. By live readings it is the mean of the runs that are about as long
// as most: longer ones are of renewals that brought the same value.
func (r *refresh) period() node.Opt[time.Duration] {
	if r.spacing > 0 {
		return node.Some(r.spacing)
	}
	if r.count < leastChanges {
		return node.Opt[time.Duration]{}
	}
	runs := r.runs
	seen := runs[:min(r.count, len(runs))]
	slices.Sort(seen)
	limit := seen[len(seen)/2] * 3 / 2
	var sum time.Duration
	n := 0
	for _, run := range seen {
		if run < limit {
			sum += run
			n++
		}
	}
	return node.Some(sum / time.Duration(n))
}
