//go:build cgo && linux

package nvml

import (
	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// boardStatus are the features that status tells.
const boardStatus = node.Features(1<<node.FeatureClocks | 1<<node.FeatureFan | 1<<node.FeaturePerformanceState |
	1<<node.FeatureEncoder | 1<<node.FeatureDecoder | 1<<node.FeatureJPEG | 1<<node.FeatureOFA | 1<<node.FeatureECC |
	1<<node.FeatureRemappedRows | 1<<node.FeatureRetiredPages | 1<<node.FeaturePCIeLink)

// status is what changes seldom, or is told slowly: one batch, and a call each for what has no field.
func (r *reader) status() {
	if r.instance(boardStatus) {
		return
	}
	got := r.got
	r.got = false
	k, s := &r.unit.kept, &r.reading.Status
	r.ask(&k.status, statusFields)
	if !k.status.tells(node.FeatureECC) {
		r.every(node.FeatureECC, &k.ecc,
			eccPart(gonvml.MEMORY_ERROR_TYPE_CORRECTED, &s.ECCCorrected), eccPart(gonvml.MEMORY_ERROR_TYPE_UNCORRECTED, &s.ECCUncorrected))
	}
	r.every(node.FeatureClocks, &k.clocks,
		clockPart(gonvml.CLOCK_SM, &s.SMClock), clockPart(gonvml.CLOCK_MEM, &s.MemoryClock),
		clockPart(gonvml.CLOCK_GRAPHICS, &s.GraphicsClock), clockPart(gonvml.CLOCK_VIDEO, &s.VideoClock))
	r.fan()
	r.performanceState()
	r.engine(&s.Encoder, node.FeatureEncoder, gonvml.Device.GetEncoderUtilization)
	r.engine(&s.Decoder, node.FeatureDecoder, gonvml.Device.GetDecoderUtilization)
	r.engine(&s.JPEG, node.FeatureJPEG, gonvml.Device.GetJpgUtilization)
	r.engine(&s.OFA, node.FeatureOFA, gonvml.Device.GetOfaUtilization)
	r.every(node.FeaturePCIeLink, &k.link,
		linkPart("nvmlDeviceGetCurrPcieLinkGeneration", &s.PCIeGeneration, gonvml.Device.GetCurrPcieLinkGeneration),
		linkPart("nvmlDeviceGetCurrPcieLinkWidth", &s.PCIeWidth, gonvml.Device.GetCurrPcieLinkWidth))
	s.Known, r.got = r.got, r.got || got
}

// statusFields are the fields of status, by the ids of nvml.h. Errors are those since the driver was loaded ("volatile").
func statusFields(string) []field {
	ecc := func(id uint32, to func(*node.Status, value)) field {
		return field{id: id, feature: node.FeatureECC, twice: true, to: func(r *node.Reading, v value) { to(&r.Status, v) }}
	}
	rows := func(id uint32, to func(*node.Status, value)) field {
		return field{id: id, feature: node.FeatureRemappedRows, to: func(r *node.Reading, v value) { to(&r.Status, v) }}
	}
	pages := func(id uint32, to func(*node.Status, value)) field {
		return field{id: id, feature: node.FeatureRetiredPages, to: func(r *node.Reading, v value) { to(&r.Status, v) }}
	}
	return []field{
		ecc(gonvml.FI_DEV_ECC_SBE_VOL_TOTAL, func(s *node.Status, v value) { s.ECCCorrected = v.counted() }),
		ecc(gonvml.FI_DEV_ECC_DBE_VOL_TOTAL, func(s *node.Status, v value) { s.ECCUncorrected = v.counted() }),
		rows(gonvml.FI_DEV_REMAPPED_COR, func(s *node.Status, v value) { s.RemappedCorrectable = v.counted() }),
		rows(gonvml.FI_DEV_REMAPPED_UNC, func(s *node.Status, v value) { s.RemappedUncorrectable = v.counted() }),
		rows(gonvml.FI_DEV_REMAPPED_PENDING, func(s *node.Status, v value) { s.RemapPending = v.condition() }),
		rows(gonvml.FI_DEV_REMAPPED_FAILURE, func(s *node.Status, v value) { s.RemapFailed = v.condition() }),
		pages(gonvml.FI_DEV_RETIRED_SBE, func(s *node.Status, v value) { s.RetiredSingleBit = v.counted() }),
		pages(gonvml.FI_DEV_RETIRED_DBE, func(s *node.Status, v value) { s.RetiredDoubleBit = v.counted() }),
		pages(gonvml.FI_DEV_RETIRED_PENDING, func(s *node.Status, v value) { s.RetiredPending = v.condition() }),
	}
}

func eccPart(kind gonvml.MemoryErrorType, to *node.Opt[uint64]) part {
	return part{
		"nvmlDeviceGetTotalEccErrors",
		func(d gonvml.Device) (uint64, gonvml.Return) { return d.GetTotalEccErrors(kind, gonvml.VOLATILE_ECC) },
		func(n uint64) { *to = known(n, n) },
	}
}

// clockPart is a clock, which NVML tells in MHz.
func clockPart(clock gonvml.ClockType, to *node.Opt[float64]) part {
	return part{
		"nvmlDeviceGetClockInfo",
		whole(func(d gonvml.Device) (uint32, gonvml.Return) { return d.GetClockInfo(clock) }),
		func(n uint64) { *to = known(n, float64(n)*1e6) },
	}
}

// linkPart is a property of the PCIe link, which is never 0.
func linkPart(function string, to *node.Opt[int], get func(gonvml.Device) (int, gonvml.Return)) part {
	return part{
		function,
		func(d gonvml.Device) (uint64, gonvml.Return) { n, ret := get(d); return uint64(n), ret },
		func(n uint64) {
			if n > 0 && n < 256 {
				*to = node.Some(int(n))
			}
		},
	}
}

// fan is the mean of all fans, in percent of their maximum.
func (r *reader) fan() {
	n, ok := r.fans()
	if !ok {
		return
	}
	told, sum := 0, 0.0
	add := func(percent uint64) {
		if percent <= 1000 {
			told, sum = told+1, sum+float64(percent)
		}
	}
	parts := make([]part, 0, 1)
	for fan := range n {
		parts = append(parts, part{"nvmlDeviceGetFanSpeed_v2", whole(func(d gonvml.Device) (uint32, gonvml.Return) {
			return d.GetFanSpeed_v2(fan)
		}), add})
	}
	if n == 0 {
		parts = append(parts, part{"nvmlDeviceGetFanSpeed", whole(gonvml.Device.GetFanSpeed), add})
	}
	r.every(node.FeatureFan, &r.unit.kept.fan, parts...)
	if told > 0 && told == len(parts) {
		r.reading.Status.Fan = node.Some(sum / float64(told) / 100)
	}
}

// fans that a board has, which is asked once: 0 where only the call for a board of one can tell. It is not ok where there are none,
// and where it cannot be told this time.
func (r *reader) fans() (n int, ok bool) {
	k := &r.unit.kept
	switch {
	case r.end != nil || r.off(node.FeatureFan):
		return 0, false
	case k.fans.Known:
		return k.fans.Value, true
	case !r.driver.hasAll("nvmlDeviceGetNumFans", "nvmlDeviceGetFanSpeed_v2"):
		k.fans = node.Some(0)
		return 0, true
	}
	ret := r.call(node.FeatureFan, func() (ret gonvml.Return) { n, ret = r.unit.handle.GetNumFans(); return ret })
	switch {
	case never(ret):
		k.fans = node.Some(0)
	case ret == gonvml.SUCCESS && n <= 0:
		r.lack(node.FeatureFan, "no fans")
		return 0, false
	case !r.heed(node.FeatureFan, ret):
		return 0, false
	default:
		k.fans = node.Some(min(n, 32))
	}
	return k.fans.Value, true
}

// performanceState is 0 (fastest) to 15; 32 is "unknown".
func (r *reader) performanceState() {
	var state gonvml.Pstates
	ok := r.try(node.FeaturePerformanceState, func() (ret gonvml.Return) { state, ret = r.unit.handle.GetPerformanceState(); return ret })
	if ok && state >= gonvml.PSTATE_0 && state <= gonvml.PSTATE_15 {
		r.reading.Status.PerformanceState = node.Some(int(state))
	}
}

// engine reads the utilisation of an engine in whole percent, over a period that the driver chooses.
func (r *reader) engine(to *node.Opt[float64], f node.Feature, get func(gonvml.Device) (uint32, uint32, gonvml.Return)) {
	var rate uint32
	if r.try(f, func() (ret gonvml.Return) { rate, _, ret = get(r.unit.handle); return ret }) {
		*to = percent(rate)
	}
}
