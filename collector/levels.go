package collector

import (
	dto "github.com/prometheus/client_model/go"

	"gpusignal/node"
	"gpusignal/scaling"
)

// levelPart is the distribution of each device's utilisation.
type levelPart struct {
	samples desc
	room    [node.Levels]upTo
}

func newLevelPart() *levelPart {
	return &levelPart{samples: desc{
		prefix + "device_utilization_sample_ratio",
		"Samples of the device's utilisation, 0-1: those of the driver's ring, one for each of its sample periods; where the device has no ring its live readings, and of a MIG instance the share of each time between two readings in which a kernel ran. Absent before the first.",
		dto.MetricType_HISTOGRAM, newLabelNames("gpu_uuid", "gpu"),
	}}
}

func (l *levelPart) describe() []*desc { return []*desc{&l.samples} }

// write the samples of each device. Of two with one id the first counts.
func (l *levelPart) write(p *page, s *node.Snapshot, _ []scaling.Pod) {
	seen := make(map[node.DeviceID]bool, len(s.Devices))
	p.begin(&l.samples)
	for i := range s.Devices {
		device, of := s.Devices[i].Device, &s.Devices[i].Totals.Levels
		count := 0.0
		for level, n := range of.Counts {
			count += float64(n)
			l.room[level] = upTo{node.LevelBound(level), count}
		}
		if count > 0 && !seen[device.ID] {
			seen[device.ID] = true
			p.putHistogram(p.labels.of(l.samples.labels, values{string(device.ID), device.Label()}), of.Sum, count, l.room[:])
		}
	}
	p.end()
}
