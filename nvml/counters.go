//go:build cgo && linux

package nvml

import (
	"math"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// kept is what counters and status keep of a unit from one reading to the next.
type kept struct {
	counters, status batch
	// Bits of calls that are refused.
	power, energy, limit, temperature, clocks, fan, ecc, link uint32
	// fans is how many of them there are, once that is known.
	fans node.Opt[int]
}

// allLinks is the scope in which NVLink fields tell the sum over all links.
const allLinks = math.MaxUint32

// counters are power, energy, temperatures, and what the driver counts by itself: one batch, and two calls for what has no field.
func (r *reader) counters() {
	if r.instance(boardCounters) {
		return
	}
	k, out := &r.unit.kept, &r.reading
	r.ask(&k.counters, counterFields)
	if !k.counters.tells(node.FeaturePower) {
		r.first(node.FeaturePower, &k.power, part{"nvmlDeviceGetPowerUsage", whole(gonvml.Device.GetPowerUsage), milli(&out.Power)})
	}
	if !k.counters.tells(node.FeatureEnergy) {
		r.first(node.FeatureEnergy, &k.energy, part{
			"nvmlDeviceGetTotalEnergyConsumption", gonvml.Device.GetTotalEnergyConsumption,
			func(mj uint64) { out.Energy = value{whole: mj}.microjoules() },
		})
	}
	r.first(node.FeaturePowerLimit, &k.limit, part{
		"nvmlDeviceGetEnforcedPowerLimit", whole(gonvml.Device.GetEnforcedPowerLimit), milli(&out.PowerLimit),
	})
	celsius := func(n uint64) { out.Temperature = known(n, float64(n)) }
	r.first(node.FeatureTemperature, &k.temperature,
		part{"nvmlDeviceGetTemperature", whole(oldTemperature), celsius},
		part{"nvmlDeviceGetTemperatureV", whole(newTemperature), celsius})
}

// boardCounters are the features that counters tell.
const boardCounters = node.Features(1<<node.FeaturePower | 1<<node.FeaturePowerLimit | 1<<node.FeatureEnergy |
	1<<node.FeatureTemperature | 1<<node.FeatureMemoryTemperature | 1<<node.FeatureThrottling | 1<<node.FeaturePCIe |
	1<<node.FeatureNVLink)

// instance says that the unit is a MIG instance: what belongs to the board is not asked of it, and it lacks those features.
func (r *reader) instance(features node.Features) bool {
	if r.unit.device.Parent == "" {
		return false
	}
	for f := range node.Feature(node.FeatureCount) {
		if features.Has(f) {
			r.lack(f, "told by the GPU that the instance is on")
		}
	}
	return true
}

func oldTemperature(d gonvml.Device) (uint32, gonvml.Return) {
	return d.GetTemperature(gonvml.TEMPERATURE_GPU)
}

// newTemperature is the call that replaces the other from CUDA 13 on. What it tells below zero is left out.
func newTemperature(d gonvml.Device) (uint32, gonvml.Return) {
	t, ret := d.GetTemperatureV().V1()
	if t.Temperature < 0 {
		return math.MaxUint32, ret
	}
	return uint32(t.Temperature), ret
}

// whole is a call that tells 32 bits. All ones are "not available", and stay all ones.
func whole(call func(gonvml.Device) (uint32, gonvml.Return)) func(gonvml.Device) (uint64, gonvml.Return) {
	return func(d gonvml.Device) (uint64, gonvml.Return) {
		n, ret := call(d)
		if n == math.MaxUint32 {
			return math.MaxUint64, ret
		}
		return uint64(n), ret
	}
}

// known is a value made of a number, unless that is "not available".
func known[T any](n uint64, v T) (out node.Opt[T]) {
	if n != math.MaxUint64 {
		out = node.Some(v)
	}
	return out
}

func milli(to *node.Opt[float64]) func(uint64) {
	return func(n uint64) { *to = known(n, float64(n)*1e-3) }
}

// counterFields are the fields of counters, by the ids and units of nvml.h. Power is that of the instant, which the call of its own
// gives only before Ampere; field 185 would give the same mean as that call.
func counterFields(driver string) []field {
	bytes := func(id uint32, to func(*node.Reading) *node.Opt[node.Count]) *field {
		return &field{id: id, scope: allLinks, feature: node.FeatureNVLink, to: func(r *node.Reading, v value) { *to(r) = v.counter() }}
	}
	// NVLink before the fifth generation counts KiB, the fifth bytes in fields of its own.
	nvlink := func(id, fifth uint32, to func(*node.Reading) *node.Opt[node.Count]) field {
		return field{
			id: id, scope: allLinks, feature: node.FeatureNVLink, instead: bytes(fifth, to),
			to: func(r *node.Reading, v value) { *to(r) = v.kibibytes() },
		}
	}
	pcie := func(id uint32, to func(*node.Reading, value)) field {
		return field{id: id, feature: node.FeaturePCIe, to: to}
	}
	return append([]field{
		{id: gonvml.FI_DEV_POWER_INSTANT, feature: node.FeaturePower, twice: true, to: func(r *node.Reading, v value) {
			r.Power = v.scaled(1e-3)
		}},
		{id: gonvml.FI_DEV_TOTAL_ENERGY_CONSUMPTION, feature: node.FeatureEnergy, twice: true, to: func(r *node.Reading, v value) {
			r.Energy = v.microjoules()
		}},
		{id: gonvml.FI_DEV_MEMORY_TEMP, feature: node.FeatureMemoryTemperature, to: func(r *node.Reading, v value) {
			r.MemoryTemperature = v.scaled(1)
		}},
		pcie(gonvml.FI_DEV_PCIE_COUNT_TX_BYTES, func(r *node.Reading, v value) { r.Counters.PCIeTx = v.narrow() }),
		pcie(gonvml.FI_DEV_PCIE_COUNT_RX_BYTES, func(r *node.Reading, v value) { r.Counters.PCIeRx = v.narrow() }),
		pcie(gonvml.FI_DEV_PCIE_REPLAY_COUNTER, func(r *node.Reading, v value) { r.Counters.PCIeReplays = v.counter() }),
		nvlink(gonvml.FI_DEV_NVLINK_THROUGHPUT_DATA_TX, gonvml.FI_DEV_NVLINK_COUNT_XMIT_BYTES,
			func(r *node.Reading) *node.Opt[node.Count] { return &r.Counters.NVLinkTx }),
		nvlink(gonvml.FI_DEV_NVLINK_THROUGHPUT_DATA_RX, gonvml.FI_DEV_NVLINK_COUNT_RCV_BYTES,
			func(r *node.Reading) *node.Opt[node.Count] { return &r.Counters.NVLinkRx }),
	}, throttleFields(driver)...)
}
