package collector

import "gpusignal/node"

// readFamilies are how reading the device goes, and what it costs.
func readFamilies(l *labelNames) []family[deviceRow] {
	return []family[deviceRow]{
		gaugeOf(l, "device_reading_age_seconds", "Time since the newest good reading of any part of the device, most often memory and utilisation. Each part is dropped when it has no successor for three of its own intervals, 5 s at least: status within 30 s. With --collector.detail gpusignal_device_part_age_seconds tells the age of each.",
			func(r *deviceRow) (float64, bool) { return age(r.at, r.state.At) }),
		counterOf(l, "device_reads_total", "Readings of the device that were tried.",
			func(r *deviceRow) (float64, bool) { return float64(r.state.Reads), true }),
		counterOf(l, "device_read_failures_total", "Readings of the device that failed.",
			func(r *deviceRow) (float64, bool) { return float64(r.state.Failures), true }),
		counterOf(l, "device_missed_ticks_total", "Readings of the device that were due while an earlier one still ran.",
			func(r *deviceRow) (float64, bool) { return float64(r.state.Missed), true }),
		gaugeOf(l, "device_driver_time_ratio", "Share of wall time that calls of the driver for the device took lately, to read it and to list it, 0-1; above 0.005 the device is read less often. Slow readings are put off to 4 s at most, for bookings depend on them, so the share of a slow driver may stay above it.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Busy) }),
		gaugeOf(l, "device_read_slowdown_ratio", "Factor by which the device is read less often than asked, because its driver's calls took too long: 1 for not at all.",
			func(r *deviceRow) (float64, bool) { return r.state.Slowed, r.state.Slowed > 0 }),
	}
}

// readDetailFamilies are more of the same, for who looks into it.
func readDetailFamilies(l *labelNames) []family[deviceRow] {
	return []family[deviceRow]{
		gaugeOf(l, "device_reading_duration_seconds", "How long the last reading of the device took.",
			func(r *deviceRow) (float64, bool) { return r.state.Took.Seconds(), r.state.Reads > 0 }),
		gaugeOf(l, "device_utilization_refresh_seconds", "How often the driver renews the device's utilisation, as observed: reading it more often tells nothing new.",
			func(r *deviceRow) (float64, bool) { return seconds(r.state.Refresh) }),
		counterOf(l, "device_ring_samples_total", "Samples of utilisation taken from the driver's ring; while it does not rise, busy time is made of live readings.",
			func(r *deviceRow) (float64, bool) { return float64(r.state.Totals.RingSamples), true }),
	}
}

// partFamilies are how old each part of what is known of the device is.
func partFamilies(l *labelNames, detail bool) []labelled[deviceRow] {
	if !detail {
		return nil
	}
	return []labelled[deviceRow]{
		each(gaugeDesc(l.with("part"), "device_part_age_seconds",
			"Time since a part of what is known of the device was last told: memory, utilization (live), ring (its samples of utilisation), counters (power, energy, temperature, throttling, bytes), activity, status (clocks, fans, ECC), processes. Absent for a part that never was; its numbers are dropped after three of its own intervals, 5 s at least."),
			all[node.Part](node.Parts), node.Part.Label,
			func(r *deviceRow, p node.Part) (float64, bool) { return age(r.at, r.state.Told[p]) }),
	}
}

// capabilityFamilies are what the device cannot tell. Only what is lacking has a series: what a device tells has one of its own.
// A MIG instance lacks what belongs to its board by nature; that is not worth a score of series each.
func capabilityFamilies(l *labelNames) []labelled[deviceRow] {
	return []labelled[deviceRow]{
		each(gaugeDesc(l.with("feature"), "device_capability",
			"0 for each feature that the device, or the library for it, was asked for and cannot tell: its series are absent for good. What it can tell has no series here, and of a MIG instance what belongs to its board."),
			all[node.Feature](node.FeatureCount), node.Feature.Label,
			func(r *deviceRow, f node.Feature) (float64, bool) {
				return 0, r.state.Lacks.Has(f) && (r.state.Device.Parent == "" || ofInstance(f))
			}),
	}
}

// ofInstance says that a MIG instance has a feature of its own.
func ofInstance(f node.Feature) bool {
	switch f {
	case node.FeatureMemory, node.FeatureUtilization, node.FeatureRing, node.FeatureActivity, node.FeatureProcesses, node.FeatureProcessUtilization:
		return true
	default:
		return false
	}
}

// eventFamilies are the events that the driver pushed. A kind appears with its first event; with detail all stand at 0 from
// the start, which costs six series a device.
func eventFamilies(l *labelNames, detail bool) []labelled[deviceRow] {
	return []labelled[deviceRow]{
		each(counterDesc(l.with("kind"), "device_events_total",
			"Events that the driver reported since the exporter started, by kind; a kind appears with its first event, with --collector.detail at 0."),
			all[node.EventKind](node.EventKinds), node.EventKind.Label,
			func(r *deviceRow, k node.EventKind) (float64, bool) {
				return float64(r.state.Events[k]), r.state.Events[k] > 0 || detail && tellsEvents(r.state)
			}),
	}
}

// tellsEvents says that a device would have told of an event: it is a GPU that has been read, and its events are listened to.
func tellsEvents(state *node.DeviceState) bool {
	return state.Device.Parent == "" && !state.At.IsZero() && !state.Lacks.Has(node.FeatureEvents)
}

// all returns the first n values of an enumeration.
func all[T ~uint8](n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = T(i)
	}
	return out
}
