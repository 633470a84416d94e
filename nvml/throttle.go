//go:build cgo && linux

package nvml

import (
	"cmp"
	"strconv"
	"strings"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// throttleFields tell for how many nanoseconds clocks were held down, by reason.
func throttleFields(driver string) []field {
	ids := [node.Throttles]uint32{
		node.ThrottlePower:             gonvml.FI_DEV_PERF_POLICY_POWER,
		node.ThrottleThermal:           gonvml.FI_DEV_PERF_POLICY_THERMAL,
		node.ThrottleSyncBoost:         gonvml.FI_DEV_PERF_POLICY_SYNC_BOOST,
		node.ThrottleBoardLimit:        gonvml.FI_DEV_PERF_POLICY_BOARD_LIMIT,
		node.ThrottleLowUtilization:    gonvml.FI_DEV_PERF_POLICY_LOW_UTILIZATION,
		node.ThrottleReliability:       gonvml.FI_DEV_PERF_POLICY_RELIABILITY,
		node.ThrottleApplicationClocks: gonvml.FI_DEV_PERF_POLICY_TOTAL_APP_CLOCKS,
		node.ThrottleBaseClocks:        gonvml.FI_DEV_PERF_POLICY_TOTAL_BASE_CLOCKS,
	}
	if first := slowdownFields(driver); first != 0 {
		ids[node.ThrottleSoftwareThermal], ids[node.ThrottleHardwareThermal], ids[node.ThrottlePowerBrake] = first, first+1, first+2
	}
	var fields []field
	for reason, id := range ids {
		if id != 0 {
			fields = append(fields, field{id: id, feature: node.FeatureThrottling, to: func(r *node.Reading, v value) {
				r.Counters.Throttled[reason] = v.duration()
			}})
		}
	}
	return fields
}

// slowdownFields is the first of the three ids of software thermal slowdown, hardware thermal slowdown and power brake, and 0 where
// it is not known. NVIDIA gave the ids 251 to 273 other meanings between CUDA 13.0 (driver 580.65) and its Update 1 (580.82), as
// the known issues of the NVML reference say: by the wrong number a driver tells of something else, without an error.
func slowdownFields(driver string) uint32 {
	major, rest, _ := strings.Cut(driver, ".")
	minor, _, _ := strings.Cut(rest, ".")
	release, err := strconv.Atoi(major)
	update, updateErr := strconv.Atoi(minor)
	if cmp.Or(err, updateErr) != nil {
		return 0
	}
	switch {
	case release > 580 || release == 580 && update >= 82:
		return gonvml.FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN // 269
	case release < 580 || update <= 65:
		return 251
	default:
		return 0
	}
}
