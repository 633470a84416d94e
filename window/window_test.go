package window

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// epoch is where the tests' time begins.
var epoch = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func sec(n float64) time.Time { return epoch.Add(time.Duration(n * float64(time.Second))) }

// span is an interval in seconds, with a value.
type span struct{ from, to, value float64 }

func TestGauge(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, test := range map[string]struct {
		steps []span
		want  Stats
	}{
		"nothing":                          {nil, Stats{}},
		"part of a window":                 {[]span{{0, 4, 1}}, Stats{1, 1, 1, 4 * time.Second, false}},
		"exactly a window":                 {[]span{{0, 4, 1}, {4, 10, 0.5}}, Stats{0.7, 1, 0.5, 10 * time.Second, true}},
		"the edge cuts a value":            {[]span{{0, 8, 1}, {8, 14, 0}}, Stats{0.4, 1, 0, 10 * time.Second, true}},
		"a value at the edge is out":       {[]span{{0, 4, 9}, {4, 14, 1}}, Stats{1, 1, 1, 10 * time.Second, true}},
		"one value longer than the window": {[]span{{0, 100, 3}}, Stats{3, 3, 3, 10 * time.Second, true}},
		"below zero":                       {[]span{{0, 10, -2}}, Stats{-2, -2, -2, 10 * time.Second, true}},
		"a gap is no value":                {[]span{{0, 5, 1}, {8, 10, 0.3}}, Stats{0.8, 1, 0.3, 7 * time.Second, true}},
		"a gap at the edge cuts nothing":   {[]span{{0, 5, 1}, {8, 17, 0.5}}, Stats{0.5, 0.5, 0.5, 9 * time.Second, true}},
		"a gap of a window begins anew":    {[]span{{0, 10, 1}, {20, 21, 0}}, Stats{0, 0, 0, time.Second, false}},
		"a gap of nearly a window does not": {
			[]span{{0, 10, 1}, {19, 19.5, 0}}, Stats{0.5, 1, 0, time.Second, true},
		},
		"empty and reversed ones":        {[]span{{5, 5, 1}, {0, 2, 1}, {2, 1, 7}, {2, 2, 7}}, Stats{1, 1, 1, 2 * time.Second, false}},
		"what is no number is not there": {[]span{{0, 2, 1}, {2, 4, nan}, {4, 6, inf}, {6, 8, -inf}}, Stats{1, 1, 1, 2 * time.Second, false}},
	} {
		t.Run(name, func(t *testing.T) {
			g, p := NewGauge(10*time.Second), NewPeak(10*time.Second)
			for _, s := range test.steps {
				g.Add(sec(s.from), sec(s.to), s.value)
				p.Add(sec(s.from), sec(s.to), s.value)
			}
			got := g.Stats()
			got.Mean = math.Round(got.Mean*1e9) / 1e9
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
			if peak, full := p.Peak(); peak != test.want.Peak || full != test.want.Full {
				t.Errorf("peak %v, full %v, want %v and %v", peak, full, test.want.Peak, test.want.Full)
			}
		})
	}
}

// history is what a gauge was told, all of it, and its window worked out the slow way.
type history []span

func (h history) stats(window float64) (mean, peak, covered float64) {
	edge := h[len(h)-1].to - window
	peak = math.Inf(-1)
	for _, s := range h {
		if s.to > edge {
			d := s.to - max(s.from, edge)
			covered += d
			mean += d * s.value
			peak = max(peak, s.value)
		}
	}
	return mean / covered, peak, covered
}

// full says that no gap of a window lies between the newest value and one that reaches the edge.
func (h history) full(window float64) bool {
	newest := h[len(h)-1].to
	for i, s := range slices.Backward(h) {
		if s.from <= newest-window {
			return true
		}
		if i > 0 && s.from-h[i-1].to >= window {
			return false
		}
	}
	return false
}

func TestGaugeAgainstBruteForce(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		// Times are whole milliseconds, so that both sides can be exact about the edge.
		window := float64(1+rnd.IntN(20_000)) / 1000
		length := time.Duration(math.Round(window*1000)) * time.Millisecond
		g, p := NewGauge(length), NewPeak(length)
		var all history
		at := 0
		for range 500 {
			if rnd.IntN(10) == 0 {
				at += rnd.IntN(5000)
			}
			if rnd.IntN(100) == 0 {
				at += rnd.IntN(40_000)
			}
			from := at
			at += 1 + rnd.IntN(1000)
			s := span{float64(from), float64(at), rnd.Float64()}
			all = append(all, s)
			f, to := epoch.Add(time.Duration(from)*time.Millisecond), epoch.Add(time.Duration(at)*time.Millisecond)
			g.Add(f, to, s.value)
			p.Add(f, to, s.value)

			ms := float64(length / time.Millisecond)
			mean, peak, covered := all.stats(ms)
			got := g.Stats()
			if math.Abs(got.Mean-mean) > 1e-9 || got.Peak != peak || got.Last != s.value ||
				math.Abs(got.Covered.Seconds()*1000-covered) > 1e-6 || got.Full != all.full(ms) {
				t.Fatalf("seed %d, %d values: %+v, want mean %v, peak %v, covered %v ms, full %v",
					seed, len(all), got, mean, peak, covered, all.full(ms))
			}
			if v, full := p.Peak(); v != peak || full != got.Full {
				t.Fatalf("seed %d, %d values: peak %v, full %v, want %v and %v", seed, len(all), v, full, peak, got.Full)
			}
		}
	}
}

func TestCounter(t *testing.T) {
	type point struct{ at, total float64 }
	for name, test := range map[string]struct {
		points   []point
		increase float64
		covered  time.Duration
		full     bool
	}{
		"nothing":                        {nil, 0, 0, false},
		"one point":                      {[]point{{0, 7}}, 0, 0, false},
		"part of a window":               {[]point{{0, 7}, {4, 9}}, 2, 4 * time.Second, false},
		"exactly a window":               {[]point{{0, 7}, {4, 9}, {10, 10}}, 3, 10 * time.Second, true},
		"interpolated at the edge":       {[]point{{0, 0}, {8, 8}, {14, 8}}, 4, 10 * time.Second, true},
		"two points far apart":           {[]point{{0, 0}, {100, 50}}, 5, 10 * time.Second, true},
		"points before the edge are out": {[]point{{0, 0}, {1, 100}, {2, 200}, {12, 210}}, 10, 10 * time.Second, true},
		"an old point and none after":    {[]point{{0, 0}, {10, 1}, {30, 1}}, 0, 10 * time.Second, true},
		"instants that are not later":    {[]point{{5, 1}, {5, 9}, {4, 9}, {6, 2}}, 1, time.Second, false},
		"what is no number":              {[]point{{0, 1}, {1, math.NaN()}, {2, math.Inf(1)}, {3, 2}}, 1, 3 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewCounter(10 * time.Second)
			for _, p := range test.points {
				c.Add(sec(p.at), p.total)
			}
			increase, covered, full := c.Increase()
			if math.Abs(increase-test.increase) > 1e-9 || covered != test.covered || full != test.full {
				t.Errorf("increase %v over %v, full %v, want %v over %v, %v",
					increase, covered, full, test.increase, test.covered, test.full)
			}
		})
	}
}

func TestCounterAgainstBruteForce(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		window := 1 + 20*rnd.Float64()
		c := NewCounter(time.Duration(window * float64(time.Second)))
		var ats, totals []float64
		at, total := 0.0, 0.0
		for range 500 {
			at += 0.001 + 3*rnd.Float64()*rnd.Float64()
			total += float64(rnd.IntN(10))
			ats, totals = append(ats, at), append(totals, total)
			c.Add(sec(at), total)

			want := total - totals[0]
			edge := at - window
			for i := 1; i < len(ats); i++ {
				if ats[i-1] <= edge && edge < ats[i] {
					want = total - totals[i-1] - (totals[i]-totals[i-1])*(edge-ats[i-1])/(ats[i]-ats[i-1])
				}
			}
			got, covered, full := c.Increase()
			if math.Abs(got-want) > 1e-4 || full != (ats[0] <= edge) || covered.Seconds() > window+1e-6 {
				t.Fatalf("seed %d, %d points: increase %v over %v, full %v, want %v", seed, len(ats), got, covered, full, want)
			}
		}
	}
}

// A ring that grew, wrapped and grew again is still a queue.
func TestRing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	var r ring[int]
	var want []int
	for n := range 10_000 {
		switch k := rnd.IntN(100); {
		case len(want) > 0 && k < 42:
			r.drop()
			want = want[1:]
		case len(want) > 0 && k < 48:
			r.pop()
			want = want[:len(want)-1]
		default:
			r.push(n)
			want = append(want, n)
		}
		if r.len() != len(want) {
			t.Fatalf("step %d: %d items, want %d", n, r.len(), len(want))
		}
		for i, v := range want {
			if got := *r.at(i); got != v {
				t.Fatalf("step %d: item %d is %d, want %d", n, i, got, v)
			}
		}
	}
}
