package load

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func process(seed uint64, rate float64, now time.Time) *arrivals {
	a := &arrivals{rng: rand.New(rand.NewPCG(seed, 1))}
	a.set(rate, now)
	return a
}

// checkCount compares a number of arrivals with the mean of a Poisson distribution, within five standard deviations.
func checkCount(t *testing.T, what string, got int, mean float64) {
	t.Helper()
	if math.Abs(float64(got)-mean) > 5*math.Sqrt(mean) {
		t.Errorf("%s: %d arrivals, want %.0f ± %.0f", what, got, mean, 5*math.Sqrt(mean))
	}
}

func TestLatenessLosesNothing(t *testing.T) {
	start := time.Now()
	often, once := process(1, 200, start), process(1, 200, start)
	n := 0
	for ms := range 60_000 {
		n += often.take(start.Add(time.Duration(ms+1) * time.Millisecond))
	}
	if all := once.take(start.Add(time.Minute)); all != n {
		t.Errorf("%d arrivals when asked once, %d when asked often", all, n)
	}
	checkCount(t, "a minute at 200/s", n, 60*200)
}

func TestRateHoldsAtOnce(t *testing.T) {
	start := time.Now()
	a := process(2, 1.0/3600, start)
	a.set(200, start.Add(10*time.Second))
	checkCount(t, "200/s after a rate of one an hour", a.take(start.Add(20*time.Second)), 10*200)
	a.set(0, start.Add(30*time.Second))
	checkCount(t, "owed when silence began", a.take(start.Add(31*time.Second)), 10*200)
	if n := a.take(start.Add(24 * time.Hour)); n != 0 {
		t.Errorf("%d arrivals in silence", n)
	}
	a.set(-1, start.Add(25*time.Hour))
	if n := a.take(start.Add(48 * time.Hour)); n != 0 {
		t.Errorf("%d arrivals at a negative rate", n)
	}
}

// TestQueueAgreesWithTheory feeds the arrivals to one server of constant service time. For those, Pollaczek and Khinchine
// give the mean wait: utilization ∙ service / (2 (1 - utilization)).
func TestQueueAgreesWithTheory(t *testing.T) {
	const service = 0.020 // seconds
	for _, utilization := range []float64{0.3, 0.5, 0.7, 0.85} {
		a := process(3, utilization/service, time.Now())
		const n = 400_000
		wait, sum := 0.0, 0.0
		for range n {
			wait = max(0, wait+service-a.gap().Seconds())
			sum += wait
		}
		want := utilization * service / (2 * (1 - utilization))
		if got := sum / n; math.Abs(got/want-1) > 0.05 {
			t.Errorf("utilization %.2f: mean wait %.2f ms, want %.2f ms", utilization, 1000*got, 1000*want)
		}
	}
}
