package collector

import "gpusignal/node"

// activityUnits are the parts of a GPU whose activity is told: those that say how well a kernel uses the chip, and with
// detail every one.
func activityUnits(detail bool) []node.Unit {
	if detail {
		return all[node.Unit](node.Units)
	}
	return []node.Unit{node.UnitSM, node.UnitTensor, node.UnitDRAM}
}

// activityFamilies are what hardware counters say ran, on Hopper and later, for GPUs and MIG instances.
func activityFamilies(l *labelNames, detail bool) []labelled[deviceRow] {
	units, of := l.with("unit"), activityUnits(detail)
	return []labelled[deviceRow]{
		each(gaugeDesc(units, "device_activity_ratio",
			"Share of its capacity at which a unit of the device worked, by hardware counters, mean over the signal window, 0-1: sm, tensor, dram; with --collector.detail also graphics, sm_occupancy, fp64, fp32, fp16. Hopper and later."),
			of, node.Unit.Label,
			func(r *deviceRow, u node.Unit) (float64, bool) { return known(r.state.Activity[u]) }),
		each(counterDesc(units, "device_active_seconds_total",
			"Time in which a unit of the device worked, weighted by how much of it did; its rate divided by that of gpusignal_device_activity_observed_seconds_total is its activity, exactly, at any scrape interval."),
			of, node.Unit.Label,
			func(r *deviceRow, u node.Unit) (float64, bool) { return seconds(r.state.Totals.Active[u]) }),
	}
}

// activityTime is the time that the counters of activity cover.
func activityTime(l *labelNames) []family[deviceRow] {
	return []family[deviceRow]{
		counterOf(l, "device_activity_observed_seconds_total", "Time of the device that hardware counters of activity cover.",
			func(r *deviceRow) (float64, bool) { return seconds(r.state.Totals.ActivityObserved) }),
	}
}
