package scaling

import (
	"cmp"
	"math"
	"slices"

	"gpusignal/node"
)

// quantile returns the q-quantile (0–1) of a histogram, in the unit of its bounds, as Prometheus' histogram_quantile
// does: by linear interpolation within the bucket, the first one beginning at 0, and the greatest finite bound where the
// rank lies above it. It is not ok where nothing was observed or no bound is finite.
func quantile(q float64, buckets []node.Bucket) (float64, bool) {
	sorted := monotonic(buckets)
	if len(sorted) == 0 || sorted[len(sorted)-1].Increase <= 0 {
		return 0, false
	}
	finite := len(sorted)
	for finite > 0 && math.IsInf(sorted[finite-1].Upper, 1) {
		finite--
	}
	if finite == 0 {
		return 0, false
	}
	rank := q * sorted[len(sorted)-1].Increase
	at := 0
	for at < finite && sorted[at].Increase < rank {
		at++
	}
	switch {
	case at == finite:
		return sorted[finite-1].Upper, true
	case at == 0 && sorted[0].Upper <= 0:
		return sorted[0].Upper, true
	}
	var lower, below float64
	if at > 0 {
		lower, below = sorted[at-1].Upper, sorted[at-1].Increase
	}
	in := sorted[at].Increase - below
	if in <= 0 {
		return lower, true
	}
	return lower + (sorted[at].Upper-lower)*(rank-below)/in, true
}

// monotonic returns the buckets by bound, without those that are no numbers, and with counts that never go down: a page
// that was read while it changed may have such.
func monotonic(buckets []node.Bucket) []node.Bucket {
	out := make([]node.Bucket, 0, len(buckets))
	for _, b := range buckets {
		if !math.IsNaN(b.Upper) && !math.IsInf(b.Upper, -1) && !math.IsNaN(b.Increase) && !math.IsInf(b.Increase, 0) {
			out = append(out, b)
		}
	}
	slices.SortStableFunc(out, func(a, b node.Bucket) int { return cmp.Compare(a.Upper, b.Upper) })
	for i := 1; i < len(out); i++ {
		out[i].Increase = max(out[i].Increase, out[i-1].Increase)
	}
	return out
}
