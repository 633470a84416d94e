//go:build cgo && linux

package main

import (
	"math"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// A source is one reading.
type source struct {
	name, unit string
	needs      string
	read       func() (float64, gonvml.Return)
}

// sources whose renewal is of interest.
func (b *board) sources() []source {
	h := b.handle
	whole := func(get func() (uint32, gonvml.Return)) func() (float64, gonvml.Return) {
		return func() (float64, gonvml.Return) { v, ret := get(); return float64(v), ret }
	}
	field := func(id uint32) func() (float64, gonvml.Return) {
		values := []gonvml.FieldValue{{FieldId: id}}
		return func() (float64, gonvml.Return) {
			if ret := h.GetFieldValues(values); ret != gonvml.SUCCESS {
				return 0, ret
			}
			return number(gonvml.ValueType(values[0].ValueType), values[0].Value), gonvml.Return(values[0].NvmlReturn)
		}
	}
	clock := func(kind gonvml.ClockType) func() (float64, gonvml.Return) {
		return whole(func() (uint32, gonvml.Return) { return h.GetClockInfo(kind) })
	}
	rates := func(of func(gonvml.Utilization) uint32) func() (float64, gonvml.Return) {
		return func() (float64, gonvml.Return) { u, ret := h.GetUtilizationRates(); return float64(of(u)), ret }
	}
	return []source{
		{"utilization", "percent", "nvmlDeviceGetUtilizationRates", rates(func(u gonvml.Utilization) uint32 { return u.Gpu })},
		{"memory utilization", "percent", "nvmlDeviceGetUtilizationRates", rates(func(u gonvml.Utilization) uint32 { return u.Memory })},
		{"memory used", "bytes", "nvmlDeviceGetMemoryInfo_v2", func() (float64, gonvml.Return) {
			m, ret := h.GetMemoryInfo_v2()
			return float64(m.Used), ret
		}},
		{"power, field 186 (instant)", "mW", "nvmlDeviceGetFieldValues", field(gonvml.FI_DEV_POWER_INSTANT)},
		{"power, field 185 (average)", "mW", "nvmlDeviceGetFieldValues", field(gonvml.FI_DEV_POWER_AVERAGE)},
		{"power, PowerUsage", "mW", "nvmlDeviceGetPowerUsage", whole(h.GetPowerUsage)},
		{"energy", "mJ", "nvmlDeviceGetTotalEnergyConsumption", func() (float64, gonvml.Return) {
			mj, ret := h.GetTotalEnergyConsumption()
			return float64(mj), ret
		}},
		{"temperature", "celsius", "nvmlDeviceGetTemperature", func() (float64, gonvml.Return) {
			t := b.temperature()
			return t.value, t.ret
		}},
		{"memory temperature, field 82", "celsius", "nvmlDeviceGetFieldValues", field(gonvml.FI_DEV_MEMORY_TEMP)},
		{"SM clock", "MHz", "nvmlDeviceGetClockInfo", clock(gonvml.CLOCK_SM)},
		{"memory clock", "MHz", "nvmlDeviceGetClockInfo", clock(gonvml.CLOCK_MEM)},
		{"throttled by power, field 74", "ns", "nvmlDeviceGetFieldValues", field(gonvml.FI_DEV_PERF_POLICY_POWER)},
		{"PCIe sent, field 197", "bytes", "nvmlDeviceGetFieldValues", field(gonvml.FI_DEV_PCIE_COUNT_TX_BYTES)},
	}
}

// readings reads every source in turn as fast as it goes, under irregular bursts of load where CUDA can be had.
func (b *board) readings(limit time.Duration) error {
	b.report.Readings = &Readings{Load: "none"}
	if b.openCUDA() == nil {
		b.report.Readings.Load = "irregular bursts"
		stop := b.spin.bursts(irregular())
		defer func() {
			if _, err := stop(); err != nil {
				b.report.Readings.Load = "irregular bursts, which broke off: " + err.Error()
			}
		}()
	}
	sources := b.sources()
	found := make([]series, len(sources))
	codes := make([]gonvml.Return, len(sources))
	defer func() {
		for i, s := range sources {
			r := renewal(found[i])
			r.Name, r.Unit, r.Code = s.name, s.unit, int(codes[i])
			b.report.Readings.Readings = append(b.report.Readings.Readings, r)
		}
	}()
	for i, s := range sources {
		if !b.lib.has(s.needs) {
			codes[i] = gonvml.ERROR_FUNCTION_NOT_FOUND
		}
	}
	start := time.Now()
	for pass := 0; pass == 0 || until(start.Add(limit)); pass++ {
		for i, s := range sources {
			if refused(codes[i]) {
				continue
			}
			t, err := b.number(s.name, s.read)
			if err != nil {
				return err
			}
			if codes[i] = t.ret; t.ret == gonvml.SUCCESS && !math.IsNaN(t.value) && !math.IsInf(t.value, 0) {
				found[i].add(time.Since(start), t.value)
			}
		}
		time.Sleep(500 * time.Microsecond)
	}
	return nil
}
