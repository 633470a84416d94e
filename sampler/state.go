package sampler

import "gpusignal/node"

// state is what is known of the device, worked out for whoever asks. It lacks what is the board's.
func (d *device) state() node.DeviceState {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.now
	d.forget(&out.Last)
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
	d.activity.enter(&out, out.Last.Activity.Known)
	out.Refresh = d.refresh.period()
	return out
}

// forget drops the parts of the last reading whose source fell silent while others go on.
func (d *device) forget(last *node.Reading) {
	at := last.At
	if !within(d.memoryAt, at, d.grace) {
		last.Memory = node.Opt[node.Memory]{}
	}
	if !within(d.utilizationAt, at, d.grace) {
		last.Utilization, last.MemoryUtilization = node.Opt[float64]{}, node.Opt[float64]{}
	}
	if !within(d.slowAt, at, d.grace) {
		none := node.Opt[float64]{}
		last.Power, last.PowerLimit, last.Temperature, last.MemoryTemperature = none, none, none, none
		last.Energy, last.Counters = node.Opt[int64]{}, node.Counters{}
	}
	if !within(d.ringAt, at, d.grace) {
		last.Ring = node.Opt[node.Ring]{}
	}
	if !within(d.activityAt, at, d.grace) {
		last.Activity = node.Opt[node.Activity]{}
	}
	if !within(d.statusAt, at, graceOf(2*statusInterval)) {
		last.Status = node.Status{}
	}
	if !within(d.processesAt, at, graceOf(processInterval)) {
		last.Processes = node.Opt[[]node.Process]{}
	}
}
