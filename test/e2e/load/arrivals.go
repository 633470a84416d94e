package load

import (
	"math"
	"math/rand/v2"
	"time"
)

// arrivals is a Poisson process: the times at which requests are due. Each is the one before plus a random gap, so being
// late with one delays none after it.
type arrivals struct {
	rng  *rand.Rand
	rate float64   // requests/s
	next time.Time // of the first request that take has not returned and owed does not count
	owed int       // how many requests were due at the last change of rate, and not taken
}

// set changes the rate, in requests/s, at now. The gap under way is drawn again from there: arrivals have no memory.
// What is negative counts as 0.
func (a *arrivals) set(rate float64, now time.Time) {
	if a.rate > 0 {
		a.owed = a.take(now)
	}
	a.rate = max(rate, 0)
	a.next = now.Add(a.gap())
}

// take returns how many requests have become due by now.
func (a *arrivals) take(now time.Time) int {
	n := a.owed
	a.owed = 0
	for !a.next.After(now) {
		a.next = a.next.Add(a.gap())
		n++
	}
	return n
}

// gap draws the time between two requests, which has an exponential distribution, and no end (thirty years) at rate 0.
func (a *arrivals) gap() time.Duration {
	const silence = 1e9 * float64(time.Second)
	return time.Duration(math.Min(silence, a.rng.ExpFloat64()/a.rate*float64(time.Second)))
}
