package sampler

import (
	"math"
	"math/rand/v2"
	"time"

	"gpusignal/node"
)

// A ringModel is a driver made of numbers: it averages a load over periods, keeps the means in a ring with the stamps of a
// clock of its own, and shows the newest of them as live utilisation.
type ringModel struct {
	rand *rand.Rand
	// busy is how long the GPU was busy from 0 to an instant.
	busy   func(time.Duration) time.Duration
	period time.Duration
	// lag is how much later than its stamp a sample is told, and jitter up to how much more.
	lag, jitter time.Duration
	// empty says that no sample is kept at an instant: an idle ring.
	empty func(time.Duration) bool
	// whole rounds samples to percents, as drivers do.
	whole bool
	// rare is every how many tenths of a second a live reading is made, 0 for each.
	rare int

	told   time.Duration // up to where samples were told
	ready  time.Duration // when the newest of them was
	ring   []modelSample
	cursor time.Duration
	read   bool
	value  float64
}

type modelSample struct {
	stamp time.Duration
	value float64
}

// advance moves the driver to an instant.
func (m *ringModel) advance(now time.Duration) {
	for {
		next := m.told + m.period
		ready := max(m.ready, next+m.lag)
		if m.jitter > 0 && ready == next+m.lag {
			ready += time.Duration(m.rand.Int64N(int64(m.jitter)))
		}
		if ready > now {
			return
		}
		m.value = float64(m.busy(next)-m.busy(m.told)) / float64(m.period)
		if m.whole {
			m.value = math.Round(100*m.value) / 100
		}
		m.told, m.ready = next, ready
		if m.empty == nil || !m.empty(next) {
			m.ring = append(m.ring, modelSample{next, m.value})
		}
		m.ring = m.ring[max(0, len(m.ring)-72):]
	}
}

// since reads the ring as nvml does: the first reading sets the cursor, a hole is covered by one period.
func (m *ringModel) since() node.Opt[node.Ring] {
	var r node.Ring
	for _, s := range m.ring {
		if s.stamp <= m.cursor {
			continue
		}
		d := s.stamp - m.cursor
		if d > m.period*3/2 {
			d = m.period
		}
		m.cursor = s.stamp
		r.Busy += time.Duration(s.value * float64(d))
		r.Covered += d
		r.Peak = max(r.Peak, s.value)
		r.Samples++
	}
	first := !m.read
	m.read = true
	if r.Samples > 1 {
		r.Spacing = m.period
	}
	return node.Opt[node.Ring]{Value: r, Known: r.Samples > 0 && !first}
}

// steady load.
func steady(u float64) func(time.Duration) time.Duration {
	return func(at time.Duration) time.Duration { return time.Duration(u * float64(at)) }
}

// bursts is an on/off load: bursts of 20 to 500 ms, by their logarithm, and gaps that make up the duty. It lasts for a span.
func bursts(r *rand.Rand, duty func(time.Duration) float64, span time.Duration) func(time.Duration) time.Duration {
	var edges, sums []time.Duration // where bursts begin and end, and the busy time up to there
	var at, sum time.Duration
	for at < span {
		on := time.Duration(math.Exp(math.Log(20)+r.Float64()*math.Log(25)) * float64(time.Millisecond))
		mean := 149.1 * float64(time.Millisecond) * (1/duty(at) - 1) // (500 − 20) / ln 25 is the mean of a burst.
		off := time.Duration(r.ExpFloat64() * mean)
		edges = append(edges, at+off, at+off+on)
		sums = append(sums, sum, sum+on)
		at, sum = at+off+on, sum+on
	}
	i := 0
	return func(at time.Duration) time.Duration {
		for i > 0 && edges[i] > at {
			i--
		}
		for i+1 < len(edges) && edges[i+1] <= at {
			i++
		}
		switch {
		case at <= edges[0]:
			return 0
		case i%2 == 0: // Within a burst.
			return sums[i] + at - edges[i]
		default:
			return sums[i]
		}
	}
}
