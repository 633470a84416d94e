//go:build cgo && linux

package main

import (
	"fmt"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// A call is one that gpusignal makes. The library needs one of the functions for it.
type call struct {
	name, feature string
	needs         []string
	do            func() gonvml.Return
}

// one call of a function. What it is asked for tells it from others of that function.
func one(feature node.Feature, symbol, of string, do func() gonvml.Return) call {
	c := call{name: symbol, feature: feature.Label(), needs: []string{symbol}, do: do}
	if of != "" {
		c.name += " (" + of + ")"
	}
	return c
}

// code of a call, whatever else it answers.
func code[T any](get func() (T, gonvml.Return)) func() gonvml.Return {
	return func() gonvml.Return { _, ret := get(); return ret }
}

// calls that gpusignal makes of a GPU, those of GPM apart: they want time between them.
func (b *board) calls() []call {
	calls := append(b.liveCalls(), b.slowCalls()...)
	calls = append(calls, b.statusCalls()...)
	return append(calls, b.seldomCalls()...)
}

// liveCalls are made at ten hertz.
func (b *board) liveCalls() []call {
	h := b.handle
	return []call{
		one(node.FeatureMemory, "nvmlDeviceGetMemoryInfo_v2", "", code(h.GetMemoryInfo_v2)),
		one(node.FeatureMemory, "nvmlDeviceGetMemoryInfo", "", code(h.GetMemoryInfo)),
		one(node.FeatureUtilization, "nvmlDeviceGetUtilizationRates", "", code(h.GetUtilizationRates)),
	}
}

// slowCalls are made each second.
func (b *board) slowCalls() []call {
	h := b.handle
	var newest uint64 // is the guard's thread's
	all := func() gonvml.Return {
		_, samples, ret := h.GetSamples(gonvml.GPU_UTILIZATION_SAMPLES, 0)
		for _, s := range samples {
			newest = max(newest, s.TimeStamp)
		}
		return ret
	}
	last := func() gonvml.Return {
		_, _, ret := h.GetSamples(gonvml.GPU_UTILIZATION_SAMPLES, newest-min(newest, 1e6))
		return ret
	}
	counters := counterFields()
	return []call{
		one(node.FeatureRing, "nvmlDeviceGetSamples", "all", all),
		one(node.FeatureRing, "nvmlDeviceGetSamples", "last second", last),
		one(node.FeatureFields, "nvmlDeviceGetFieldValues", fmt.Sprintf("%d counters", len(counters)), b.batch(counters)),
		one(node.FeaturePower, "nvmlDeviceGetPowerUsage", "", code(h.GetPowerUsage)),
		one(node.FeaturePowerLimit, "nvmlDeviceGetEnforcedPowerLimit", "", code(h.GetEnforcedPowerLimit)),
		one(node.FeatureEnergy, "nvmlDeviceGetTotalEnergyConsumption", "", code(h.GetTotalEnergyConsumption)),
		one(node.FeatureTemperature, "nvmlDeviceGetTemperature", "", func() gonvml.Return { return b.temperature().ret }),
		one(node.FeatureTemperature, "nvmlDeviceGetTemperatureV", "", func() gonvml.Return { _, ret := h.GetTemperatureV().V1(); return ret }),
	}
}

// temperature of the die by the call that every driver has.
func (b *board) temperature() told {
	celsius, ret := b.handle.GetTemperature(gonvml.TEMPERATURE_GPU)
	return told{float64(celsius), ret}
}

// statusCalls are made each ten seconds.
func (b *board) statusCalls() []call {
	h := b.handle
	clock := func(of string, kind gonvml.ClockType) call {
		return one(node.FeatureClocks, "nvmlDeviceGetClockInfo", of, func() gonvml.Return { _, ret := h.GetClockInfo(kind); return ret })
	}
	ecc := func(of string, kind gonvml.MemoryErrorType) call {
		return one(node.FeatureECC, "nvmlDeviceGetTotalEccErrors", of, func() gonvml.Return {
			_, ret := h.GetTotalEccErrors(kind, gonvml.VOLATILE_ECC)
			return ret
		})
	}
	engine := func(feature node.Feature, symbol string, get func() (uint32, uint32, gonvml.Return)) call {
		return one(feature, symbol, "", func() gonvml.Return { _, _, ret := get(); return ret })
	}
	status := statusFields()
	return []call{
		clock("SM", gonvml.CLOCK_SM), clock("memory", gonvml.CLOCK_MEM),
		clock("graphics", gonvml.CLOCK_GRAPHICS), clock("video", gonvml.CLOCK_VIDEO),
		one(node.FeatureFan, "nvmlDeviceGetFanSpeed", "", code(h.GetFanSpeed)),
		one(node.FeatureFan, "nvmlDeviceGetFanSpeed_v2", "fan 0", func() gonvml.Return { _, ret := h.GetFanSpeed_v2(0); return ret }),
		one(node.FeaturePerformanceState, "nvmlDeviceGetPerformanceState", "", code(h.GetPerformanceState)),
		engine(node.FeatureEncoder, "nvmlDeviceGetEncoderUtilization", h.GetEncoderUtilization),
		engine(node.FeatureDecoder, "nvmlDeviceGetDecoderUtilization", h.GetDecoderUtilization),
		engine(node.FeatureJPEG, "nvmlDeviceGetJpgUtilization", h.GetJpgUtilization),
		engine(node.FeatureOFA, "nvmlDeviceGetOfaUtilization", h.GetOfaUtilization),
		ecc("corrected", gonvml.MEMORY_ERROR_TYPE_CORRECTED), ecc("uncorrected", gonvml.MEMORY_ERROR_TYPE_UNCORRECTED),
		one(node.FeatureRemappedRows, "nvmlDeviceGetRemappedRows", "", func() gonvml.Return { _, _, _, _, ret := h.GetRemappedRows(); return ret }),
		one(node.FeatureRemappedRows, "nvmlDeviceGetFieldValues", fmt.Sprintf("%d of status", len(status)), b.batch(status)),
		one(node.FeaturePCIeLink, "nvmlDeviceGetCurrPcieLinkGeneration", "", code(h.GetCurrPcieLinkGeneration)),
		one(node.FeaturePCIeLink, "nvmlDeviceGetCurrPcieLinkWidth", "", code(h.GetCurrPcieLinkWidth)),
	}
}

// seldomCalls are made of shared GPUs each five seconds, or when the devices are listed again.
func (b *board) seldomCalls() []call {
	h := b.handle
	processes := one(node.FeatureProcesses, "nvmlDeviceGetComputeRunningProcesses", "", code(h.GetComputeRunningProcesses))
	processes.needs = append(processes.needs, "nvmlDeviceGetComputeRunningProcesses_v2", "nvmlDeviceGetComputeRunningProcesses_v3")
	clients := one(node.FeatureMPSProcesses, "nvmlDeviceGetMPSComputeRunningProcesses", "", code(h.GetMPSComputeRunningProcesses))
	clients.needs = append(clients.needs, "nvmlDeviceGetMPSComputeRunningProcesses_v2", "nvmlDeviceGetMPSComputeRunningProcesses_v3")
	use := one(node.FeatureProcessUtilization, "nvmlDeviceGetProcessUtilization", "all", func() gonvml.Return {
		_, ret := h.GetProcessUtilization(0)
		return ret
	})
	listing := func(symbol string, do func() gonvml.Return) call {
		return call{symbol, "listing", []string{symbol}, do}
	}
	return []call{
		processes, clients, use,
		listing("nvmlDeviceGetMigMode", func() gonvml.Return { _, _, ret := h.GetMigMode(); return ret }),
		listing("nvmlDeviceGetUUID", code(h.GetUUID)),
		{"nvmlEventSetWait (made, registered, not waited for, freed)", node.FeatureEvents.Label(), b.lib.first(
			[]string{"nvmlEventSetCreate"}, []string{"nvmlDeviceRegisterEvents"}, []string{"nvmlEventSetFree"},
			[]string{"nvmlEventSetWait_v2", "nvmlEventSetWait"},
		), b.events},
	}
}

// events goes once through the life of an event set, without waiting.
func (b *board) events() gonvml.Return {
	set, ret := b.lib.nvml.EventSetCreate()
	if ret != gonvml.SUCCESS {
		return ret
	}
	defer func() { _ = set.Free() }()
	if ret := b.handle.RegisterEvents(gonvml.EventTypeXidCriticalError, set); ret != gonvml.SUCCESS {
		return ret
	}
	if _, ret := set.Wait(0); ret != gonvml.ERROR_TIMEOUT {
		return ret
	}
	return gonvml.SUCCESS
}
