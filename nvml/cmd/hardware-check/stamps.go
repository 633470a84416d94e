package main

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// A sample of the driver's ring: its stamp in microseconds of an unknown clock, and its value.
type sample struct {
	stamp uint64
	value float64
}

// ringKind looks at a ring that was read whole. Percentages above 100 are counted, and like stamps of 0 looked at no further.
func ringKind(name string, samples []sample, percent bool) RingKind {
	kind := RingKind{Kind: name, Entries: len(samples)}
	var stamps []uint64
	for i, s := range samples {
		switch {
		case s.stamp == 0:
			kind.Zero++
		case percent && s.value > 100:
			kind.Over++
		default:
			stamps = append(stamps, s.stamp)
		}
		if i > 0 && s.stamp < samples[i-1].stamp {
			kind.Unsorted++
		}
	}
	slices.Sort(stamps)
	unique := slices.Compact(slices.Clone(stamps))
	kind.Repeated = len(stamps) - len(unique)
	if len(unique) == 0 {
		return kind
	}
	kind.Span = float64(unique[len(unique)-1]-unique[0]) / 1e6
	var gaps []float64
	for i := 1; i < len(unique); i++ {
		gaps = append(gaps, float64(unique[i]-unique[i-1])/1e3)
	}
	kind.Spacing = spread(gaps)
	return kind
}

// newest stamp, 0 for none.
func newest(samples []sample) uint64 {
	var out uint64
	for _, s := range samples {
		out = max(out, s.stamp)
	}
	return out
}

// ages of a stamp by each clock in seconds. Clocks are times since their zero.
func ages(stamp uint64, clocks map[string]time.Duration) map[string]float64 {
	out := map[string]float64{}
	for name, now := range clocks {
		out[name] = now.Seconds() - float64(stamp)/1e6
	}
	return out
}

// domain names the clocks that are within a second of a stamp, or else the one that is nearest.
func domain(ages map[string]float64) string {
	names := slices.SortedFunc(maps.Keys(ages), func(a, b string) int {
		return cmp.Or(cmp.Compare(math.Abs(ages[a]), math.Abs(ages[b])), cmp.Compare(a, b))
	})
	var within []string
	for _, name := range names {
		if math.Abs(ages[name]) <= 1 {
			within = append(within, name)
		}
	}
	switch {
	case len(within) > 0:
		slices.Sort(within)
		return strings.Join(within, " or ")
	case len(names) > 0:
		return "nearest: " + names[0]
	default:
		return ""
	}
}

// nearest of the clocks that a domain names.
func nearest(domain string) (string, bool) {
	clock, _, _ := strings.Cut(strings.TrimPrefix(domain, "nearest: "), " or ")
	return clock, clock != ""
}

// integral of a ring's percentages over the time from a stamp to the newest: each sample stands for the time since the one before.
func integral(samples []sample, from uint64) (busy, covered time.Duration) {
	var fresh []sample
	for _, s := range samples {
		if s.stamp > from && s.value <= 100 {
			fresh = append(fresh, s)
		}
	}
	slices.SortFunc(fresh, func(a, b sample) int { return cmp.Compare(a.stamp, b.stamp) })
	for _, s := range fresh {
		step := time.Duration(s.stamp-from) * time.Microsecond
		busy += time.Duration(float64(step) * s.value / 100)
		covered += step
		from = s.stamp
	}
	return busy, covered
}
