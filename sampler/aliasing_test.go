package sampler

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Of an on/off load with bursts of 20 to 500 ms, the busy time of a minute by the counter is within 0.1 points of the truth
// (root mean square) where the driver has a ring, and within 0.65 where it has none or cannot be read at times, whatever the
// driver's period. A gauge read each 30 s is 6 points off at least: that is what the counter is for.
func TestAliasing(t *testing.T) {
	const span = 2 * time.Hour
	for _, period := range []time.Duration{time.Second / 6, time.Second} {
		for name, duty := range map[string]func(time.Duration) float64{
			"30": func(time.Duration) float64 { return 0.3 },
			"50": func(time.Duration) float64 { return 0.5 },
			"70": func(time.Duration) float64 { return 0.7 },
			"30 to 70": func(at time.Duration) float64 {
				return 0.5 + 0.2*math.Sin(2*math.Pi*at.Minutes()/10)
			},
		} {
			for _, ring := range []string{"ring", "ring at times", "no ring"} {
				t.Run(fmt.Sprint(period.Milliseconds(), " ms, duty ", name, ", ", ring), func(t *testing.T) {
					r := rand.New(rand.NewPCG(1, uint64(period)))
					load := bursts(r, duty, span+time.Minute)
					m := &ringModel{rand: r, busy: load, period: period, lag: 10 * time.Millisecond, jitter: 20 * time.Millisecond, whole: true}
					reads := map[string]func(time.Duration) bool{
						"ring": always, "no ring": never, "ring at times": sometimes(r, 20*time.Second, 4*time.Second),
					}[ring]
					counter, gauge := aliasing(m, load, span, reads)
					t.Logf("counter %.2f points, gauge %.1f", counter, gauge)
					limit := 0.65
					if ring == "ring" {
						limit = 0.1
					}
					if counter > limit {
						t.Errorf("a minute by the counter is %.2f points off, want at most %v", counter, limit)
					}
					if gauge < 6 {
						t.Errorf("a minute by the gauge is only %.2f points off: this is no test", gauge)
					}
				})
			}
		}
	}
}

// aliasing returns the root mean square error, in points, of the utilisation of each minute: by the counters, against the
// time that they cover, and by the newest live reading of each 30 s.
func aliasing(m *ringModel, load func(time.Duration) time.Duration, span time.Duration, ring func(time.Duration) bool) (counter, gauge float64) {
	var was portion
	var began time.Duration
	var squares, gauges, shown float64
	n, halves := 0, 0
	play(m, span, ring, always, func(passed time.Duration, _, sum portion) {
		if began+30*time.Second > passed && halves == 0 {
			return
		}
		if halves == 0 {
			shown, halves = m.value, 1
		}
		if passed-began < time.Minute {
			return
		}
		// The counters cover the time since the first reading, which play makes at 5 s, less what is still to be told.
		from, to := 5*time.Second+was.observed, 5*time.Second+sum.observed
		truth := float64(load(to)-load(from)) / float64(to-from)
		off := float64(sum.busy-was.busy)/float64(sum.observed-was.observed) - truth
		squares += off * off
		off = (shown+m.value)/2 - truth
		gauges += off * off
		n++
		was, began, halves = sum, passed, 0
	})
	return 100 * math.Sqrt(squares/float64(n)), 100 * math.Sqrt(gauges/float64(n))
}
