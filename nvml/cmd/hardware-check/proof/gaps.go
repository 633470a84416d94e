package proof

import (
	"slices"
	"time"
)

// Gap is a time of the device that the daemon's counters do not cover.
type Gap struct {
	// Until is the page at which it showed, by load.Now.
	Until time.Duration
	// Missing is how much observed time is less than time went by.
	Missing time.Duration
}

// Gaps finds where observed time fell behind for good: from one booking to the next the counter of observed seconds has to rise by as
// much as time goes by, for the daemon covers time by the driver's own stamps. What is made up for by a later page is no gap, and
// neither is a difference up to the slack: the distance of a stamp from the booking that holds it. A page without the counters is a
// gap, and so is a counter that begins anew.
func Gaps(pages []Page, uuid string, slack time.Duration) []Gap {
	var out []Gap
	var at, missing []time.Duration // of the pages since the counters last began: elapsed less observed
	var last time.Duration
	flush := func() {
		out = append(out, lost(at, missing, slack)...)
		at, missing, last = nil, nil, 0
	}
	for i, p := range pages {
		observed, known := p.Sum("gpusignal_device_observed_seconds_total", "gpu_uuid", uuid)
		booked, aged := p.Booked(uuid)
		covered := time.Duration(observed * 1e9)
		if i > 0 && (!known || !aged || covered < last) {
			flush()
			out = append(out, Gap{p.At, p.At - pages[i-1].At})
		}
		if known && aged {
			at, missing, last = append(at, p.At), append(missing, booked-covered), covered
		}
	}
	flush()
	return out
}

// lost finds where what is missing rises by more than the slack and does not fall again.
func lost(at, missing []time.Duration, slack time.Duration) []Gap {
	for i := len(missing) - 2; i >= 0; i-- {
		missing[i] = min(missing[i], missing[i+1])
	}
	var out []Gap
	for i, level := 1, 0; i < len(missing); i++ {
		if by := missing[i] - missing[level]; by > slack {
			out = append(out, Gap{at[i], by})
			level = i
		}
	}
	return out
}

// Stamps are those of a driver's ring, ascending, as a reader beside the daemon saw them.
func Stamps(sights []Sight) []uint64 {
	var out []uint64
	for _, s := range sights {
		for _, sample := range s.Samples {
			if sample.Stamp > 0 && sample.Value <= 100 {
				out = append(out, sample.Stamp)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Spacing is the median distance between stamps, 0 for fewer than two.
func Spacing(stamps []uint64) time.Duration {
	var steps []uint64
	for i := 1; i < len(stamps); i++ {
		steps = append(steps, stamps[i]-stamps[i-1])
	}
	if len(steps) == 0 {
		return 0
	}
	slices.Sort(steps)
	return time.Duration(steps[len(steps)/2]) * time.Microsecond
}

// Holes counts the distances between stamps of more than one and a half of the usual: there the driver itself has no samples.
func Holes(stamps []uint64) (n int) {
	step := uint64(Spacing(stamps) / time.Microsecond)
	for i := 1; i < len(stamps); i++ {
		if stamps[i]-stamps[i-1] > step+step/2 {
			n++
		}
	}
	return n
}
