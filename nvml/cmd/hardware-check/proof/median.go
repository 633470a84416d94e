package proof

import (
	"math"
	"slices"
)

// median of values, NaN for none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Slowdown is what a load lost by something that ran beside it in the middle two of four segments, A B B A: the four turns take out
// what drifts steadily, as the temperature does. Each segment holds the durations of the load's steps.
type Slowdown struct {
	// Step is by how much the median step was longer, Throughput by how much fewer steps there were per second; shares of 1.
	Step, Throughput float64
	// Noise is the greatest difference between the medians of two segments of one kind: what is less than it cannot be told.
	Noise float64
	Steps int // of all four
}

// slowdown of four segments; it is not known when one of them has no steps.
func slowdown(segments [4][]float64) (Slowdown, bool) {
	var s Slowdown
	var medians, means [4]float64
	for i, one := range segments {
		if len(one) == 0 {
			return s, false
		}
		medians[i] = median(one)
		for _, v := range one {
			means[i] += v / float64(len(one))
		}
		s.Steps += len(one)
	}
	s.Step = (medians[1]+medians[2])/(medians[0]+medians[3]) - 1
	s.Throughput = 1 - (1/means[1]+1/means[2])/(1/means[0]+1/means[3])
	off, on := (medians[0]+medians[3])/2, (medians[1]+medians[2])/2
	s.Noise = max(math.Abs(medians[0]-medians[3])/off, math.Abs(medians[1]-medians[2])/on)
	return s, true
}

// combine takes the medians over several rounds of four segments.
func combine(rounds []Slowdown) Slowdown {
	var step, throughput, noise []float64
	var out Slowdown
	for _, r := range rounds {
		step, throughput, noise = append(step, r.Step), append(throughput, r.Throughput), append(noise, r.Noise)
		out.Steps += r.Steps
	}
	out.Step, out.Throughput, out.Noise = median(step), median(throughput), median(noise)
	return out
}
