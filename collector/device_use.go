package collector

import (
	"time"

	"gpusignal/node"
)

// readingFamilies are the newest reading of a device, and its windows.
func readingFamilies(l *labelNames) []family[deviceRow] {
	return []family[deviceRow]{
		gaugeOf(l, "device_up", "Whether the device can be read.", func(r *deviceRow) (float64, bool) {
			return truth(r.state.Down == "" && !r.state.At.IsZero()), true
		}),
		gaugeOf(l, "device_utilization_ratio", "Share of time in which a kernel ran on the device, mean over the signal window, 0-1.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Utilization) }),
		gaugeOf(l, "device_utilization_peak_ratio", "Greatest single utilisation reading of the device within the signal window, 0-1.",
			func(r *deviceRow) (float64, bool) { return known(r.state.UtilizationPeak) }),
		gaugeOf(l, "device_memory_busy_ratio", "Share of the driver's last sample period in which device memory was read or written, 0-1.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.MemoryUtilization) }),
		gaugeOf(l, "device_memory_used_bytes", "Device memory in use, without what the driver reserves; a driver before 510 tells only both in one, and then gpusignal_device_memory_reserved_bytes is absent.",
			func(r *deviceRow) (float64, bool) {
				return float64(r.state.Last.Memory.Value.Used), r.state.Last.Memory.Known
			}),
		gaugeOf(l, "device_memory_used_peak_bytes", "Most device memory in use within the signal window.",
			func(r *deviceRow) (float64, bool) {
				return float64(r.state.MemoryPeak.Value), r.state.MemoryPeak.Known
			}),
		gaugeOf(l, "device_memory_reserved_bytes", "Device memory that the driver keeps for itself; absent with drivers before 510, which count it as used.",
			func(r *deviceRow) (float64, bool) {
				m := r.state.Last.Memory
				return float64(m.Value.Reserved.Value), m.Known && m.Value.Reserved.Known
			}),
		gaugeOf(l, "device_memory_total_bytes", "Device memory, all of it.",
			func(r *deviceRow) (float64, bool) {
				return float64(r.state.Last.Memory.Value.Total), r.state.Last.Memory.Known
			}),
		gaugeOf(l, "device_power_watts", "Power that the board draws.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.Power) }),
		gaugeOf(l, "device_power_limit_watts", "Power that the board may draw.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.PowerLimit) }),
		gaugeOf(l, "device_temperature_celsius", "Temperature of the die.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.Temperature) }),
		gaugeOf(l, "device_memory_temperature_celsius", "Temperature of the device memory.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.MemoryTemperature) }),
		gaugeOf(l, "device_processes", "Processes on the device; read only where several containers share it.",
			func(r *deviceRow) (float64, bool) {
				return float64(len(r.state.Last.Processes.Value)), r.state.Last.Processes.Known
			}),
	}
}

// totalFamilies are the counters of use. The device's are at every instant the sum of its containers' and of what nobody
// owned. A device that no reading ever covered has none of them, and one whose energy was never read none of energy.
func totalFamilies(l *labelNames) []family[deviceRow] {
	observed := func(value func(*node.Total) time.Duration) func(*deviceRow) (float64, bool) {
		return func(r *deviceRow) (float64, bool) {
			if r.total == nil || r.total.Observed == 0 {
				return 0, false
			}
			return value(r.total).Seconds(), true
		}
	}
	metered := func(value func(*node.Total) int64) func(*deviceRow) (float64, bool) {
		return func(r *deviceRow) (float64, bool) {
			if r.total == nil || !r.total.EnergyKnown {
				return 0, false
			}
			return joules(value(r.total)), true
		}
	}
	return []family[deviceRow]{
		counterOf(l, "device_busy_seconds_total", "Time in which a kernel ran on the device; absent where that is not known, as of a board that is divided by MIG.",
			observed(func(t *node.Total) time.Duration { return t.Busy })),
		counterOf(l, "device_observed_seconds_total", "Time of the device that readings cover; busy divided by it is utilisation.",
			observed(func(t *node.Total) time.Duration { return t.Observed })),
		counterOf(l, "device_energy_joules_total", "Energy that the board used, by the driver's counter, since the exporter started; absent where the driver does not count it.",
			metered(func(t *node.Total) int64 { return t.Energy })),
		counterOf(l, "device_unowned_busy_seconds_total", "Part of the device's busy time that no container owned.",
			observed(func(t *node.Total) time.Duration { return t.UnownedBusy })),
		counterOf(l, "device_unowned_observed_seconds_total", "Part of the device's observed time in which no container held it.",
			observed(func(t *node.Total) time.Duration { return t.UnownedObserved })),
		counterOf(l, "device_unowned_energy_joules_total", "Part of the board's energy that no container owned.",
			metered(func(t *node.Total) int64 { return t.UnownedEnergy })),
		gaugeOf(l, "device_booking_age_seconds", "Age of the counters of use: time since the end of the last interval in them.",
			func(r *deviceRow) (float64, bool) {
				if r.total == nil {
					return 0, false
				}
				return age(r.at, r.total.Booked)
			}),
	}
}
