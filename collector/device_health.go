package collector

import "gpusignal/node"

// throttles are the reasons told for clocks that are held down: too little power, too hot by the driver's limit or by the
// hardware's own, a brake pulled from outside; with detail every one.
func throttles(detail bool) []node.Throttle {
	if detail {
		return all[node.Throttle](node.Throttles)
	}
	return []node.Throttle{node.ThrottlePower, node.ThrottleThermal, node.ThrottleHardwareThermal, node.ThrottlePowerBrake}
}

func throttleFamilies(l *labelNames, detail bool) []labelled[deviceRow] {
	return []labelled[deviceRow]{
		each(counterDesc(l.with("reason"), "device_throttled_seconds_total",
			"Time since the exporter started in which the driver held clocks down, by reason: power, thermal, hw_thermal, power_brake; with --collector.detail every reason. Reasons overlap: do not add them up."),
			throttles(detail), node.Throttle.Label,
			func(r *deviceRow, t node.Throttle) (float64, bool) { return seconds(r.state.Totals.Throttled[t]) }),
	}
}

// byteFamilies are what went over the device's links.
func byteFamilies(l *labelNames) []family[deviceRow] {
	return []family[deviceRow]{
		counterOf(l, "device_pcie_transmit_bytes_total", "Bytes that the device sent over PCIe since the exporter started.",
			func(r *deviceRow) (float64, bool) { return number(r.state.Totals.PCIeTx) }),
		counterOf(l, "device_pcie_receive_bytes_total", "Bytes that the device received over PCIe since the exporter started.",
			func(r *deviceRow) (float64, bool) { return number(r.state.Totals.PCIeRx) }),
		counterOf(l, "device_nvlink_transmit_bytes_total", "Bytes of data that the device sent over all its NVLinks since the exporter started.",
			func(r *deviceRow) (float64, bool) { return number(r.state.Totals.NVLinkTx) }),
		counterOf(l, "device_nvlink_receive_bytes_total", "Bytes of data that the device received over all its NVLinks since the exporter started.",
			func(r *deviceRow) (float64, bool) { return number(r.state.Totals.NVLinkRx) }),
		counterOf(l, "device_pcie_replays_total", "Packets that the device had to send over PCIe again since the exporter started; a steady rise is a bad link.",
			func(r *deviceRow) (float64, bool) { return number(r.state.Totals.PCIeReplays) }),
	}
}

// severity is one of two kinds of error, and where a status tells of it.
type severity struct {
	label string
	value func(*node.Status) node.Opt[uint64]
}

func bySeverity(d desc, of ...severity) labelled[deviceRow] {
	return each(d, of, func(s severity) string { return s.label },
		func(r *deviceRow, s severity) (float64, bool) { return number(s.value(&r.state.Last.Status)) })
}

// errorFamilies are the errors of the device's memory, and what was done about them.
func errorFamilies(l *labelNames) []labelled[deviceRow] {
	return []labelled[deviceRow]{
		bySeverity(counterDesc(l.with("severity"), "device_ecc_errors_total",
			"ECC errors of the device since its driver was loaded, by severity: corrected, uncorrected."),
			severity{"corrected", func(s *node.Status) node.Opt[uint64] { return s.ECCCorrected }},
			severity{"uncorrected", func(s *node.Status) node.Opt[uint64] { return s.ECCUncorrected }}),
		bySeverity(gaugeDesc(l.with("severity"), "device_remapped_rows",
			"Rows of device memory that were remapped in the life of the board, by the severity of the error: correctable, uncorrectable. Ampere and later."),
			severity{"correctable", func(s *node.Status) node.Opt[uint64] { return s.RemappedCorrectable }},
			severity{"uncorrectable", func(s *node.Status) node.Opt[uint64] { return s.RemappedUncorrectable }}),
		bySeverity(gaugeDesc(l.with("cause"), "device_retired_pages",
			"Pages of device memory that were retired in the life of the board, by cause: single_bit, double_bit. Boards before Ampere."),
			severity{"single_bit", func(s *node.Status) node.Opt[uint64] { return s.RetiredSingleBit }},
			severity{"double_bit", func(s *node.Status) node.Opt[uint64] { return s.RetiredDoubleBit }}),
	}
}

// healthFamilies are conditions of the board that somebody has to act on.
func healthFamilies(l *labelNames) []family[deviceRow] {
	return []family[deviceRow]{
		gaugeOf(l, "device_row_remap_pending", "Whether a row of device memory waits for a reset of the device to be remapped.",
			func(r *deviceRow) (float64, bool) { return condition(r.state.Last.Status.RemapPending) }),
		gaugeOf(l, "device_row_remap_failure", "Whether remapping a row of device memory has failed: the board is to be replaced.",
			func(r *deviceRow) (float64, bool) { return condition(r.state.Last.Status.RemapFailed) }),
		gaugeOf(l, "device_retired_pages_pending", "Whether a page of device memory waits for a reload of the driver to be retired.",
			func(r *deviceRow) (float64, bool) { return condition(r.state.Last.Status.RetiredPending) }),
		gaugeOf(l, "device_fan_speed_ratio", "Mean speed of the board's fans as a share of their maximum; it can pass 1. Boards with fans only.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.Status.Fan) }),
	}
}

// clock is one of the device's clocks.
type clock struct {
	label string
	value func(*node.Status) node.Opt[float64]
}

func clockFamilies(l *labelNames, detail bool) []labelled[deviceRow] {
	clocks := []clock{{"sm", func(s *node.Status) node.Opt[float64] { return s.SMClock }}}
	if detail {
		clocks = append(clocks,
			clock{"memory", func(s *node.Status) node.Opt[float64] { return s.MemoryClock }},
			clock{"graphics", func(s *node.Status) node.Opt[float64] { return s.GraphicsClock }},
			clock{"video", func(s *node.Status) node.Opt[float64] { return s.VideoClock }})
	}
	return []labelled[deviceRow]{
		each(gaugeDesc(l.with("clock"), "device_clock_hertz",
			"Clock of the device at its last reading: sm; with --collector.detail also memory, graphics, video."),
			clocks, func(c clock) string { return c.label },
			func(r *deviceRow, c clock) (float64, bool) { return known(c.value(&r.state.Last.Status)) }),
	}
}

// stateFamilies are the rest of a device's state.
func stateFamilies(l *labelNames) []family[deviceRow] {
	return []family[deviceRow]{
		gaugeOf(l, "device_performance_state", "Performance state of the device, 0 (fastest) to 15.",
			func(r *deviceRow) (float64, bool) { return number(r.state.Last.Status.PerformanceState) }),
		gaugeOf(l, "device_encoder_utilization_ratio", "Utilisation of the video encoders over the driver's own sampling period, 0-1.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.Status.Encoder) }),
		gaugeOf(l, "device_decoder_utilization_ratio", "Utilisation of the video decoders over the driver's own sampling period, 0-1.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.Status.Decoder) }),
		gaugeOf(l, "device_jpeg_utilization_ratio", "Utilisation of the JPEG engines over the driver's own sampling period, 0-1.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.Status.JPEG) }),
		gaugeOf(l, "device_ofa_utilization_ratio", "Utilisation of the optical-flow engines over the driver's own sampling period, 0-1.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.Status.OFA) }),
		gaugeOf(l, "device_pcie_link_generation", "Generation of the device's PCIe link as it is now; it drops when idle on some boards.",
			func(r *deviceRow) (float64, bool) { return number(r.state.Last.Status.PCIeGeneration) }),
		gaugeOf(l, "device_pcie_link_width", "Lanes of the device's PCIe link as it is now.",
			func(r *deviceRow) (float64, bool) { return number(r.state.Last.Status.PCIeWidth) }),
	}
}
