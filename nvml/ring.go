package nvml

import (
	"cmp"
	"math"
	"slices"
	"time"

	"gpusignal/node"
)

// sample is one entry of a driver's ring: the mean use, in percent, of the time that ended at the stamp.
type sample struct {
	stamp uint64 // µs of a clock that is the driver's own affair
	value float64
}

const (
	// longestStep is above the longest sample period that nvml.h names, 1 s, by half. A longer distance is a gap in the ring.
	longestStep = 1_500_000 // µs
	// ringReach is longer than any ring: stamps that lie so far behind the cursor are of another clock.
	ringReach = 60_000_000 // µs
	// ringSlack is how far the ring may stay behind the wall clock and catch up: a driver fills it late.
	ringSlack = 2 * time.Second
)

// ring is what is kept of a driver's ring of samples from one reading to the next. Only differences of stamps count, so the
// driver's clock may be any.
type ring struct {
	cursor uint64        // newest stamp that was counted, 0 before the first
	steps  [16]uint64    // the latest distances between stamps, µs
	taken  int           // how many there ever were
	rest   float64       // ns of use that were not yet told
	spare  time.Duration // wall time that nothing covers yet
	waited time.Duration // since there was something new
}

// since is the stamp to ask for newer samples than. After a reading without any it is 0: a driver whose clock has jumped back
// holds nothing newer for a long time, and shows that only in the whole ring.
func (r *ring) since() uint64 {
	if r.waited > 0 {
		return 0
	}
	return r.cursor
}

// add takes the samples of one reading, whatever their order, and tells what the new ones among them amount to; the array is
// sorted in place. Elapsed is the time since the previous reading: all in all no more than that is covered, whatever the stamps
// say. The first reading only tells where the ring stands, and so does one whose clock has jumped back. Nothing new is known to
// be nothing as long as no sample is due: then the next one covers this time too.
func (r *ring) add(samples []sample, elapsed time.Duration) (told node.Ring, known bool) {
	elapsed = max(elapsed, 0)
	r.spare = min(r.spare, ringSlack) + elapsed
	samples = clean(samples)
	if n := len(samples); n > 0 && (r.cursor == 0 || r.jumped(samples[n-1].stamp)) {
		r.learn(samples[0].stamp, samples[1:])
		r.cursor, r.spare, r.waited = samples[n-1].stamp, 0, 0
		return node.Ring{}, false
	}
	samples = slices.DeleteFunc(samples, func(s sample) bool { return s.stamp <= r.cursor })
	if len(samples) == 0 {
		r.waited += elapsed
		return node.Ring{Spacing: r.spacing()}, r.waited <= 2*r.spacing()
	}
	r.learn(r.cursor, samples)
	r.waited = 0
	told = r.integrate(samples)
	r.cursor, r.spare = samples[len(samples)-1].stamp, r.spare-told.Covered
	return told, told.Covered > 0
}

func (r *ring) jumped(newest uint64) bool { return newest < r.cursor && r.cursor-newest > ringReach }

// integrate is the sum of use over new samples, from the newest back for as long as there is wall time that nothing covers yet.
// Each covers the time since the one before it. Where samples are missing between the two, because the GPU was idle or the ring
// has wrapped, it covers one step, and the rest of the time stays open.
func (r *ring) integrate(samples []sample) node.Ring {
	told := node.Ring{Samples: len(samples), Spacing: r.spacing()}
	step, spare, use := r.step(), uint64(r.spare/time.Microsecond), r.rest
	for i, s := range slices.Backward(samples) {
		previous := r.cursor
		if i > 0 {
			previous = samples[i-1].stamp
		}
		covered := s.stamp - previous
		if covered > step+step/2 {
			covered = step
		}
		covered = min(covered, spare)
		spare -= covered
		use += s.value / 100 * float64(covered) * 1e3
		told.Covered += time.Duration(covered) * time.Microsecond
		told.Peak = max(told.Peak, s.value/100)
		if covered > 0 {
			told.Levels.Add(s.value / 100)
		}
	}
	whole := min(math.Floor(use), float64(told.Covered))
	told.Busy, r.rest = time.Duration(whole), min(use-whole, 1)
	return told
}

// learn takes the distances between stamps that are no gaps.
func (r *ring) learn(previous uint64, samples []sample) {
	for _, s := range samples {
		if step := s.stamp - previous; step <= longestStep {
			r.steps[r.taken%len(r.steps)] = step
			r.taken++
		}
		previous = s.stamp
	}
}

// step is the median of the latest distances in µs, the lower of two, and 0 before there is one.
func (r *ring) step() uint64 {
	steps := r.steps
	known := steps[:min(r.taken, len(steps))]
	if len(known) == 0 {
		return 0
	}
	slices.Sort(known)
	return known[(len(known)-1)/2]
}

func (r *ring) spacing() time.Duration { return time.Duration(r.step()) * time.Microsecond }

// clean leaves out what cannot be, and puts the rest in the order of time.
func clean(samples []sample) []sample {
	samples = slices.DeleteFunc(samples, func(s sample) bool { return s.stamp == 0 || !(s.value >= 0 && s.value <= 100) })
	slices.SortStableFunc(samples, func(a, b sample) int { return cmp.Compare(a.stamp, b.stamp) })
	return slices.CompactFunc(samples, func(a, b sample) bool { return a.stamp == b.stamp })
}
