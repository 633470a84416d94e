package sampler

import (
	"time"

	"gpusignal/node"
)

// state is what is known of the device at an instant, worked out for whoever asks. It lacks what is the board's.
func (d *device) state(at time.Time) node.DeviceState {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.now
	out.Told = d.told
	d.forget(&out.Last, at)
	if out.Last.Utilization.Known {
		if s := d.levels.Stats(); s.Full {
			out.Utilization, out.UtilizationPeak = node.Some(s.Mean), node.Some(s.Peak)
		}
	}
	if out.Last.Memory.Known {
		if peak, full := d.bytes.Peak(); full {
			out.MemoryPeak = node.Some(uint64(peak))
		}
	}
	d.totals.enter(&out.Totals)
	d.activity.enter(&out, at, d.grace)
	if out.Last.Utilization.Known || out.Last.Ring.Known {
		out.Refresh = d.refresh.period() // It is of utilisation: where that is not told, nobody sees it renewed.
	}
	return out
}

// forget drops the parts of the last reading that were not told for longer than their grace, whether others go on or not.
func (d *device) forget(last *node.Reading, at time.Time) {
	silent := func(p node.Part) bool { return !within(d.told[p], at, d.life(p)) }
	none := node.Opt[float64]{}
	if silent(node.PartMemory) {
		last.Memory = node.Opt[node.Memory]{}
	}
	if silent(node.PartUtilization) {
		last.Utilization, last.MemoryUtilization = none, none
	}
	if silent(node.PartCounters) {
		last.Power, last.PowerLimit, last.Temperature, last.MemoryTemperature = none, none, none, none
		last.Energy, last.Counters = node.Opt[int64]{}, node.Counters{}
	}
	if silent(node.PartRing) {
		last.Ring = node.Opt[node.Ring]{}
	}
	if silent(node.PartActivity) {
		last.Activity = node.Opt[node.Activity]{}
	}
	if silent(node.PartStatus) {
		last.Status = node.Status{}
	}
	if silent(node.PartProcesses) {
		last.Processes = node.Opt[[]node.Process]{}
	}
}

// life is how long a part lives without a successor: by its own interval, as the last reading was asked for.
func (d *device) life(p node.Part) time.Duration {
	switch p {
	case node.PartStatus:
		return d.statusGrace
	case node.PartProcesses:
		return d.processGrace
	default:
		return d.grace
	}
}
