package sampler

import (
	"time"

	"gpusignal/node"
)

// traffic is bytes that went over a link, by one source at a time: a counter of 64 bits where the driver has one, else hardware
// counters while they tell, else a narrow counter where the link is too slow to wrap it between two readings.
type traffic struct {
	tally
	// read is when the counter was last read, measured when hardware counters last told, and counted the instant until which a
	// narrow counter was counted on.
	read, measured, counted time.Time
	rest                    float64
}

// count takes a counter of an instant. A narrow one waits while hardware counters may yet tell of the same time; what it gained
// since it was read is not known when a link of that many bytes a second may have wrapped it more than once, or is not known.
func (t *traffic) count(at time.Time, c node.Opt[node.Count], link float64, grace time.Duration) {
	if !c.Known {
		return
	}
	if c.Value.Bits == 0 || c.Value.Bits >= 64 {
		t.add(c.Value)
		return
	}
	if t.primed && within(t.measured, at, grace) {
		return
	}
	known := t.known
	if t.primed {
		if known = link > 0 && link*at.Sub(t.read).Seconds() < float64(uint64(1)<<c.Value.Bits); known {
			t.counted = at
		} else {
			t.primed = false
		}
	}
	t.add(c.Value)
	t.known, t.read = known, at
}

// measure takes what hardware counters saw in the span before an instant, less what was counted already.
func (t *traffic) measure(at time.Time, span time.Duration, bytes node.Opt[float64]) {
	if !bytes.Known || !(bytes.Value >= 0 && bytes.Value < 1<<62) || t.primed && t.last.Bits == 64 {
		return
	}
	exact := bytes.Value
	if left := at.Sub(t.counted); left < span {
		exact *= float64(left) / float64(span)
	}
	exact += t.rest
	whole := uint64(exact)
	t.rest = exact - float64(whole)
	t.total += whole
	t.primed = t.primed && t.read.Equal(at) // What a narrow counter gained since it was read earlier is in this.
	t.measured, t.known = at, true
}

// linkRate returns the bytes a second that the PCIe link of a status carries one way at most, 0 where it is not known.
func linkRate(s *node.Status) float64 {
	lane := [...]float64{0, .25e9, .5e9, .985e9, 1.969e9, 3.938e9, 7.563e9} // by generation
	g, w := s.PCIeGeneration, s.PCIeWidth
	if !g.Known || !w.Known || g.Value < 1 || g.Value >= len(lane) || w.Value < 1 {
		return 0
	}
	return lane[g.Value] * float64(w.Value)
}
