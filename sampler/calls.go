package sampler

import (
	"time"

	"gpusignal/node"
)

// calls sum up what the calls of a driver took, by feature.
type calls [node.FeatureCount]node.CallStats

func (c *calls) add(made []node.Call) {
	for _, call := range made {
		if int(call.Feature) >= len(c) {
			continue
		}
		c[call.Feature].Add(call.Took)
	}
}

// Calls sums up the calls of the driver by feature, over every device that was ever there, and those that no reading told of: the
// sums never go back.
func (s *Sampler) Calls() [node.FeatureCount]node.CallStats {
	sum := s.aside()
	for _, d := range s.view.Load().ever {
		d.mu.Lock()
		made := d.calls
		d.mu.Unlock()
		for f, c := range made {
			sum[f].Join(c)
		}
	}
	return sum
}

// spent is the time that a reading took in the driver: for what is read live, and for all else. Aside is that of calls which are
// made for the board however often it is read: they list it and register its events.
type spent struct{ live, slow, aside time.Duration }

func (s *spent) add(other spent) {
	s.live += other.live
	s.slow += other.slow
	s.aside += other.aside
}

func (s spent) all() time.Duration { return s.live + s.slow + s.aside }

// cost is what a reading spent. Where the driver does not tell of its calls, the reading took as long as it took, and that is
// put down to the slow part where it has one.
func cost(r *node.Reading, a ask, took time.Duration) spent {
	s := spent{aside: r.Aside}
	for _, call := range r.Calls {
		if call.Feature == node.FeatureMemory || call.Feature == node.FeatureUtilization {
			s.live += call.Took
		} else {
			s.slow += call.Took
		}
	}
	switch {
	case len(r.Calls) > 0:
	case a.slow:
		s.slow = took
	default:
		s.live = took
	}
	return s
}
