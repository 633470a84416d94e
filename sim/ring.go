package sim

import (
	"math"
	"time"

	"gpusignal/node"
)

// ringSize is how many samples of utilisation a driver keeps.
const ringSize = 72

// ring is the driver's ring of utilisation samples: each is the mean of one sample period, in whole percent.
type ring struct {
	newest  time.Time // end of the newest sample
	percent []int     // the samples, oldest first
	unread  int       // how many of them the reader has not had
	begun   bool      // the reader has a place in the ring
}

// fill adds the samples whose period has ended by an instant. share tells the busy part of a time before an instant.
func (r *ring) fill(until time.Time, share func(at time.Time, d time.Duration) float64) {
	for next := r.newest.Add(samplePeriod); !next.After(until); next = next.Add(samplePeriod) {
		r.percent = append(r.percent, int(math.Round(100*share(next, samplePeriod))))
		r.newest = next
		r.unread++
	}
	if over := len(r.percent) - ringSize; over > 0 {
		r.percent = append(r.percent[:0], r.percent[over:]...)
	}
	r.unread = min(r.unread, ringSize)
}

// read returns what is new since the last read, if anything is. The first read finds the reader's place.
func (r *ring) read() node.Opt[node.Ring] {
	fresh := r.percent[len(r.percent)-r.unread:]
	first := !r.begun
	r.unread, r.begun = 0, true
	if first || len(fresh) == 0 {
		return node.Opt[node.Ring]{}
	}
	out := node.Ring{Samples: len(fresh), Covered: time.Duration(len(fresh)) * samplePeriod}
	for _, percent := range fresh {
		out.Busy += time.Duration(percent) * samplePeriod / 100
		out.Peak = max(out.Peak, float64(percent)/100)
		out.Levels.Add(float64(percent) / 100)
	}
	if len(fresh) > 1 {
		out.Spacing = samplePeriod
	}
	return node.Some(out)
}
