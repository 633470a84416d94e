package scaling

import (
	"math"
	"math/rand/v2"
	"testing"

	"gpusignal/node"
)

func TestQuantile(t *testing.T) {
	inf := math.Inf(1)
	for _, test := range []struct {
		name    string
		buckets []node.Bucket
		want    float64
		ok      bool
	}{
		{"none", nil, 0, false},
		{"nothing observed", buckets(1, 0, inf, 0), 0, false},
		{"only infinity", buckets(inf, 5), 0, false},
		{"first bucket begins at 0", buckets(1, 100, inf, 100), 0.95, true},
		{"interpolated", buckets(1, 90, 2, 100, inf, 100), 1.5, true},
		{"above the last bound", buckets(1, 90, 2, 90, inf, 100), 2, true},
		{"first bound not positive", buckets(0, 100, 1, 100, inf, 100), 0, true},
		{"no infinity", buckets(1, 90, 2, 100), 1.5, true},
		{"out of order and going down", buckets(inf, 100, 2, 100, 1, 90, 1.5, 80), 1.75, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := quantile(0.95, test.buckets)
			if ok != test.ok || math.Abs(got-test.want) > 1e-9 {
				t.Errorf("got %v (%v), want %v (%v)", got, ok, test.want, test.ok)
			}
		})
	}
}

// The true quantile of a sample lies in the bucket that the estimate lies in.
func TestQuantileLiesInTheRightBucket(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	bounds := []float64{0.01, 0.05, 0.1, 0.5, 1, 5, math.Inf(1)}
	for range 500 {
		counts := make([]node.Bucket, len(bounds))
		n := 1 + r.IntN(200)
		for range n {
			v := math.Exp(r.NormFloat64()*2 - 2)
			for i, upper := range bounds {
				counts[i].Upper = upper
				if v <= upper {
					counts[i].Increase++
				}
			}
		}
		got, ok := quantile(0.95, counts)
		if !ok {
			t.Fatalf("not ok: %v", counts)
		}
		rank, i := 0.95*float64(n), 0
		for counts[i].Increase < rank {
			i++
		}
		lower, upper := 0.0, bounds[min(i, len(bounds)-2)]
		if i > 0 {
			lower = bounds[min(i, len(bounds)-1)-1]
		}
		if got < lower-1e-12 || got > upper+1e-12 {
			t.Fatalf("%v is not in (%v, %v]: %v", got, lower, upper, counts)
		}
	}
}
