package load

import (
	"cmp"
	"slices"
	"sort"
	"time"
)

// Span is a time in which a kernel ran.
type Span struct{ From, To time.Duration }

// Spans are ascending and do not touch.
type Spans []Span

// Union of times: kernels that run side by side keep the GPU busy once.
func Union(all []Span) Spans {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	var out Spans
	for _, s := range sorted {
		if n := len(out); n > 0 && s.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, s.To)
		} else if s.To > s.From {
			out = append(out, s)
		}
	}
	return out
}

// Busy is how much of a time some kernel ran.
func (s Spans) Busy(from, to time.Duration) (busy time.Duration) {
	first := sort.Search(len(s), func(i int) bool { return s[i].To > from })
	for _, one := range s[first:] {
		if one.From >= to {
			break
		}
		busy += min(one.To, to) - max(one.From, from)
	}
	return busy
}

// Within are the parts of spans that lie in a time.
func (s Spans) Within(from, to time.Duration) Spans {
	var out Spans
	for _, one := range s {
		if part := (Span{max(one.From, from), min(one.To, to)}); part.To > part.From {
			out = append(out, part)
		}
	}
	return out
}

// phases is in how many ways a driver's sample periods are laid over a load.
const phases = 50

// Peak is the greatest share of a driver's sample period in which a kernel ran, over the periods that end in a time: the least and
// the most that it can be, for how the periods lie is the driver's affair.
func (s Spans) Peak(period, from, to time.Duration) (least, most float64) {
	if period <= 0 || to-from < period {
		return 0, 1
	}
	least = 1
	for phase := range phases {
		var peak float64
		for at := from + time.Duration(phase)*period/phases; at+period <= to; at += period {
			peak = max(peak, float64(s.Busy(at, at+period))/float64(period))
		}
		least, most = min(least, peak), max(most, peak)
	}
	return least, most
}

// Shared is how much of the time in which several processes kept a GPU busy is of each: time in which several of them have a kernel
// resident is shared equally.
func Shared(all []Spans, from, to time.Duration) []time.Duration {
	edges := []time.Duration{from, to}
	for _, spans := range all {
		for _, s := range spans {
			edges = append(edges, min(max(s.From, from), to), min(max(s.To, from), to))
		}
	}
	slices.Sort(edges)
	out := make([]time.Duration, len(all))
	for i := 1; i < len(edges); i++ {
		var on []int
		for k, spans := range all {
			if spans.Busy(edges[i-1], edges[i]) > 0 {
				on = append(on, k)
			}
		}
		for _, k := range on {
			out[k] += (edges[i] - edges[i-1]) / time.Duration(len(on))
		}
	}
	return out
}
