//go:build cgo && linux

package main

import gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

// A field of a batch of field values.
type field struct {
	id, scope uint32
	name      string
}

// ask is the field as nvmlDeviceGetFieldValues wants it.
func (f field) ask() gonvml.FieldValue { return gonvml.FieldValue{FieldId: f.id, ScopeId: f.scope} }

// allLinks is the scope of an NVLink field that stands for the sum of them.
const allLinks = 1<<32 - 1

// counterFields are read each second in one batch.
func counterFields() []field {
	return []field{
		{gonvml.FI_DEV_POWER_INSTANT, 0, "186 power instant"},
		{gonvml.FI_DEV_POWER_AVERAGE, 0, "185 power average"},
		{gonvml.FI_DEV_TOTAL_ENERGY_CONSUMPTION, 0, "83 energy"},
		{gonvml.FI_DEV_MEMORY_TEMP, 0, "82 memory temperature"},
		{gonvml.FI_DEV_PERF_POLICY_POWER, 0, "74 throttled by power"},
		{gonvml.FI_DEV_PERF_POLICY_THERMAL, 0, "75 throttled by heat"},
		{gonvml.FI_DEV_PERF_POLICY_SYNC_BOOST, 0, "76 throttled by sync boost"},
		{gonvml.FI_DEV_PERF_POLICY_BOARD_LIMIT, 0, "77 throttled by board limit"},
		{gonvml.FI_DEV_PERF_POLICY_LOW_UTILIZATION, 0, "78 throttled by low utilisation"},
		{gonvml.FI_DEV_PERF_POLICY_RELIABILITY, 0, "79 throttled by reliability"},
		{gonvml.FI_DEV_PERF_POLICY_TOTAL_APP_CLOCKS, 0, "80 below application clocks"},
		{gonvml.FI_DEV_PERF_POLICY_TOTAL_BASE_CLOCKS, 0, "81 below base clocks"},
		{gonvml.FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN, 0, "269 throttled by heat, software (from driver 580.82 on)"},
		{gonvml.FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN, 0, "270 throttled by heat, hardware (from driver 580.82 on)"},
		{gonvml.FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN, 0, "271 throttled by power brake (from driver 580.82 on)"},
		{gonvml.FI_DEV_PCIE_COUNT_TX_BYTES, 0, "197 PCIe bytes sent"},
		{gonvml.FI_DEV_PCIE_COUNT_RX_BYTES, 0, "198 PCIe bytes received"},
		{gonvml.FI_DEV_PCIE_REPLAY_COUNTER, 0, "94 PCIe replays"},
		{gonvml.FI_DEV_NVLINK_THROUGHPUT_DATA_TX, allLinks, "138 NVLink data sent"},
		{gonvml.FI_DEV_NVLINK_THROUGHPUT_DATA_RX, allLinks, "139 NVLink data received"},
	}
}

// statusFields are read each ten seconds in one batch.
func statusFields() []field {
	return []field{
		{gonvml.FI_DEV_REMAPPED_COR, 0, "142 rows remapped, correctable"},
		{gonvml.FI_DEV_REMAPPED_UNC, 0, "143 rows remapped, uncorrectable"},
		{gonvml.FI_DEV_REMAPPED_PENDING, 0, "144 row remap pending"},
		{gonvml.FI_DEV_REMAPPED_FAILURE, 0, "145 row remap failed"},
		{gonvml.FI_DEV_RETIRED_SBE, 0, "29 pages retired, single bit"},
		{gonvml.FI_DEV_RETIRED_DBE, 0, "30 pages retired, double bit"},
		{gonvml.FI_DEV_RETIRED_PENDING, 0, "31 page retirement pending"},
	}
}

// batch makes one call for all the fields.
func (b *board) batch(fields []field) func() gonvml.Return {
	values := make([]gonvml.FieldValue, len(fields))
	return func() gonvml.Return {
		for i, f := range fields {
			values[i] = f.ask()
		}
		return b.handle.GetFieldValues(values)
	}
}
