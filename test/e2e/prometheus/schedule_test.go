package prometheus

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
)

// burst is a time in which a kernel runs, in seconds.
type burst struct{ from, to float64 }

// schedule of bursts, ascending, with the busy time before each.
type schedule struct {
	bursts []burst
	before []float64
}

// newSchedule returns bursts of 20 to 500 ms, log-uniform, with exponential gaps, so that the GPU is busy for the share duty(t) of
// the time from begin to end.
func newSchedule(r *rand.Rand, begin, end float64, duty func(t float64) float64) *schedule {
	s := &schedule{}
	var busy float64
	for at := begin; at < end; {
		length := 0.02 * math.Pow(500.0/20, r.Float64())
		share := duty(at)
		// The mean length is (0.5 - 0.02) / ln 25.
		at += r.ExpFloat64() * 0.48 / math.Log(25) * (1 - share) / share
		s.bursts, s.before = append(s.bursts, burst{at, at + length}), append(s.before, busy)
		busy += length
		at += length
	}
	return s
}

// busy is the time until t in which a kernel ran, in seconds.
func (s *schedule) busy(t float64) float64 {
	i := sort.Search(len(s.bursts), func(i int) bool { return s.bursts[i].from > t }) - 1
	if i < 0 {
		return 0
	}
	return s.before[i] + min(t, s.bursts[i].to) - s.bursts[i].from
}

// mean utilisation from one time to another, 0–1.
func (s *schedule) mean(from, to float64) float64 { return (s.busy(to) - s.busy(from)) / (to - from) }

// String is the form that the stub reads: a burst a line, its beginning and its end.
func (s *schedule) String() string {
	var out strings.Builder
	for _, b := range s.bursts {
		fmt.Fprintf(&out, "%.6f %.6f\n", b.from, b.to)
	}
	return out.String()
}

func TestScheduleHasItsDuty(t *testing.T) {
	for _, duty := range []float64{0.3, 0.5, 0.7} {
		s := newSchedule(rand.New(rand.NewPCG(1, 2)), 0, 20000, func(float64) float64 { return duty })
		if got := s.mean(0, 20000); math.Abs(got-duty) > 0.01 {
			t.Errorf("duty %v, want %v", got, duty)
		}
	}
}

func TestBusy(t *testing.T) {
	s := &schedule{bursts: []burst{{1, 2}, {4, 4.5}}, before: []float64{0, 1}}
	for at, want := range map[float64]float64{0: 0, 1: 0, 1.25: 0.25, 2: 1, 3: 1, 4.25: 1.25, 9: 1.5} {
		if got := s.busy(at); math.Abs(got-want) > 1e-9 {
			t.Errorf("busy until %v: %v, want %v", at, got, want)
		}
	}
}
