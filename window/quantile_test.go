package window

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestQuantile(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	uppers := []float64{1, 2, 4, inf}
	for name, test := range map[string]struct {
		q                 float64
		uppers, increases []float64
		want              float64
		known             bool
	}{
		"middle of a bucket":               {0.5, uppers, []float64{0, 10, 10, 10}, 1.5, true},
		"first bucket begins at zero":      {0.5, uppers, []float64{10, 10, 10, 10}, 0.5, true},
		"on a bound":                       {0.5, uppers, []float64{5, 5, 10, 10}, 1, true},
		"all of it":                        {1, uppers, []float64{2, 8, 10, 10}, 4, true},
		"none of it":                       {0, uppers, []float64{2, 8, 10, 10}, 0, true},
		"none of it, first bucket empty":   {0, uppers, []float64{0, 8, 10, 10}, 0, true},
		"beyond the finite bounds":         {0.95, uppers, []float64{1, 1, 1, 10}, 4, true},
		"all beyond the finite bounds":     {0.5, uppers, []float64{0, 0, 0, 3}, 4, true},
		"parts of observations":            {0.5, uppers, []float64{0, 0.5, 0.5, 0.5}, 1.5, true},
		"first bound below zero":           {0.5, []float64{-1, inf}, []float64{4, 4}, -1, true},
		"no observation":                   {0.5, uppers, []float64{0, 0, 0, 0}, 0, false},
		"fewer than none":                  {0.5, uppers, []float64{0, 0, 0, -1}, 0, false},
		"no finite bound":                  {0.5, []float64{inf}, []float64{3}, 0, false},
		"no bounds":                        {0.5, nil, nil, 0, false},
		"bounds that do not match":         {0.5, uppers, []float64{1, 2}, 0, false},
		"what is no number":                {0.5, uppers, []float64{1, 2, 3, nan}, 0, false},
		"endless observations":             {0.5, uppers, []float64{1, 2, 3, inf}, 0, false},
		"q that is no number":              {nan, uppers, []float64{1, 2, 3, 4}, 0, false},
		"q below zero":                     {-0.1, uppers, []float64{1, 2, 3, 4}, 0, false},
		"q above one":                      {1.1, uppers, []float64{1, 2, 3, 4}, 0, false},
		"a dip from rounding does no harm": {0.5, uppers, []float64{6, 5.9999, 10, 10}, 5.0 / 6, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, known := Quantile(test.q, test.uppers, test.increases)
			if math.Abs(got-test.want) > 1e-9 || known != test.known {
				t.Errorf("quantile %v, known %v, want %v, %v", got, known, test.want, test.known)
			}
		})
	}
}

// A quantile lies in the bucket that the true one of the observations lies in, and grows with q.
func TestQuantileOfObservations(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	uppers := []float64{0.1, 0.2, 0.5, 1, 2, 5, math.Inf(1)}
	for range 500 {
		increases := make([]float64, len(uppers))
		for range 1 + rnd.IntN(50) {
			v := rnd.ExpFloat64()
			for i, u := range uppers {
				if v <= u {
					increases[i]++
				}
			}
		}
		before := 0.0
		for q := 0.0; q <= 1; q += 0.05 {
			got, ok := Quantile(q, uppers, increases)
			if !ok || got < before || got > 5 {
				t.Fatalf("quantile %v of %v: %v, %v after %v", q, increases, got, ok, before)
			}
			before = got
			// At least the share q of the observations lies in buckets up to its own.
			var upTo float64
			for i, u := range uppers {
				if got <= u {
					upTo = increases[i]
					break
				}
			}
			if got < 5 && upTo < q*increases[len(increases)-1]-1e-9 {
				t.Fatalf("quantile %v of %v is %v: only %v observations are up to there", q, increases, got, upTo)
			}
		}
	}
}
