package main

import (
	"math"
	"slices"
	"time"
)

// spread of some values, nil for none.
func spread(values []float64) *Spread {
	if len(values) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(values))
	var sum float64
	for _, v := range sorted {
		sum += v
	}
	return &Spread{
		N:    len(sorted),
		Min:  sorted[0],
		Mean: sum / float64(len(sorted)),
		P50:  quantile(sorted, 0.50),
		P99:  quantile(sorted, 0.99),
		Max:  sorted[len(sorted)-1],
	}
}

// quantile of sorted values by nearest rank: a value that was there, at least that share of them at or below it.
func quantile(sorted []float64, q float64) float64 {
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// deviation is the standard deviation of the values themselves.
func deviation(values []float64) float64 {
	var mean, square float64
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		square += (v - mean) * (v - mean) / float64(len(values))
	}
	return math.Sqrt(square)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
