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
		s := &c[call.Feature]
		s.Count++
		s.Sum += call.Took
		s.Max = max(s.Max, call.Took)
	}
}

// Calls sums up the calls of the driver by feature, over every device that was ever there: the sums never go back.
func (s *Sampler) Calls() [node.FeatureCount]node.CallStats {
	var sum [node.FeatureCount]node.CallStats
	for _, d := range s.view.Load().ever {
		d.mu.Lock()
		made := d.calls
		d.mu.Unlock()
		for f, c := range made {
			sum[f].Count += c.Count
			sum[f].Sum += c.Sum
			sum[f].Max = max(sum[f].Max, c.Max)
		}
	}
	return sum
}

// spent is the time that a reading took in the driver: for what is read live, and for all else.
type spent struct{ live, slow time.Duration }

// cost is what a reading spent. Where the driver does not tell of its calls, the reading took as long as it took, and that is
// put down to the slow part where it has one.
func cost(made []node.Call, a ask, took time.Duration) spent {
	var s spent
	for _, call := range made {
		if call.Feature == node.FeatureMemory || call.Feature == node.FeatureUtilization {
			s.live += call.Took
		} else {
			s.slow += call.Took
		}
	}
	switch {
	case len(made) > 0:
	case a.slow:
		s.slow = took
	default:
		s.live = took
	}
	return s
}
