package collector

import (
	dto "github.com/prometheus/client_model/go"

	"gpusignal/node"
	"gpusignal/scaling"
)

// callPart is the families of the driver's calls, over all devices of the node.
type callPart struct {
	took, longest desc
}

func newCallPart() *callPart {
	labels := newLabelNames("call")
	return &callPart{
		took: desc{
			prefix + "exporter_driver_call_seconds",
			"Time that calls of the driver took, over all devices that were ever there, by what they ask for: init opens and shuts the library, enumeration lists the devices, events registers them; the wait for events sleeps, and is no cost.", dto.MetricType_SUMMARY, labels,
		},
		longest: gaugeDesc(labels, "exporter_driver_call_max_seconds",
			"Longest single call of the driver since the exporter started, over all devices, by what it asks for."),
	}
}

func (c *callPart) describe() []*desc { return []*desc{&c.took, &c.longest} }

func (c *callPart) write(p *page, s *node.Snapshot, _ []scaling.Pod) {
	each := func(d *desc, put func(labels *labelSet, calls node.CallStats)) {
		p.begin(d)
		for f, calls := range s.Calls {
			if calls.Count > 0 {
				put(p.labels.of(d.labels, values{node.Feature(f).Label()}), calls)
			}
		}
		p.end()
	}
	each(&c.took, func(l *labelSet, calls node.CallStats) { p.putSummary(l, calls.Sum.Seconds(), float64(calls.Count)) })
	each(&c.longest, func(l *labelSet, calls node.CallStats) { p.put(l, calls.Max.Seconds()) })
}
