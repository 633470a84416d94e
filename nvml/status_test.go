//go:build cgo && linux

package nvml

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// unscriptedStatus is what the stub tells as status when its script says nothing.
func unscriptedStatus() node.Status {
	zero, no, idle := node.Some(uint64(0)), node.Some(false), node.Some(0.0)
	return node.Status{
		Known:   true,
		SMClock: node.Some(1980e6), MemoryClock: node.Some(3201e6), GraphicsClock: node.Some(1980e6), VideoClock: node.Some(1545e6),
		PerformanceState: node.Some(0), Encoder: idle, Decoder: idle, JPEG: idle, OFA: idle, ECCCorrected: zero, ECCUncorrected: zero,
		RemappedCorrectable: zero, RemappedUncorrectable: zero, RemapPending: no, RemapFailed: no,
		PCIeGeneration: node.Some(5), PCIeWidth: node.Some(16),
	}
}

// statusReadings: each part of the status, as the driver states it.
func statusReadings(t *testing.T, library string) {
	unknown, whole := node.Opt[float64]{}, node.Opt[int]{}
	for _, tc := range []struct {
		name, script string
		change       func(*node.Status)
	}{
		{"nothing said", "", func(*node.Status) {}},
		{"SM clock", "gpu.0.clock.sm 210", func(s *node.Status) { s.SMClock = node.Some(210e6) }},
		{"memory clock", "gpu.0.clock.memory 2619", func(s *node.Status) { s.MemoryClock = node.Some(2619e6) }},
		{"graphics clock", "gpu.0.clock.graphics 345", func(s *node.Status) { s.GraphicsClock = node.Some(345e6) }},
		{"video clock", "gpu.0.clock.video 555", func(s *node.Status) { s.VideoClock = node.Some(555e6) }},
		{"a clock not available", "gpu.0.clock.video -", func(s *node.Status) { s.VideoClock = unknown }},
		{"a clock not supported", "gpu.0.clock.video.return 3", func(s *node.Status) { s.VideoClock = unknown }},
		{"a clock at rest is a zero that is known", "gpu.0.clock.sm 0", func(s *node.Status) { s.SMClock = node.Some(0.0) }},
		{"one fan", "gpu.0.fan 30", func(s *node.Status) { s.Fan = node.Some(0.30) }},
		{"three fans", "gpu.0.fan 30,gpu.0.fan 60,gpu.0.fan 120", func(s *node.Status) { s.Fan = node.Some(0.70) }},
		{"a fan not available", "gpu.0.fan 30,gpu.0.fan -", func(s *node.Status) { s.Fan = unknown }},
		{"fans that cannot be counted", "gpu.0.fan 40,gpu.0.fans.return 3", func(s *node.Status) { s.Fan = node.Some(0.40) }},
		{"fans that could not be counted", "gpu.0.fan 40,gpu.0.fans.return 999", func(s *node.Status) { s.Fan = unknown }},
		{"performance state", "gpu.0.performance_state 8", func(s *node.Status) { s.PerformanceState = node.Some(8) }},
		{"performance state unknown", "gpu.0.performance_state 32", func(s *node.Status) { s.PerformanceState = whole }},
		{"encoder", "gpu.0.encoder 12", func(s *node.Status) { s.Encoder = node.Some(0.12) }},
		{"decoder", "gpu.0.decoder 100", func(s *node.Status) { s.Decoder = node.Some(1.0) }},
		{"JPEG", "gpu.0.jpeg 3", func(s *node.Status) { s.JPEG = node.Some(0.03) }},
		{"OFA", "gpu.0.ofa 4", func(s *node.Status) { s.OFA = node.Some(0.04) }},
		{"decoder above 100 %", "gpu.0.decoder 101", func(s *node.Status) { s.Decoder = unknown }},
		{"JPEG not supported", "gpu.0.jpeg.return 3", func(s *node.Status) { s.JPEG = unknown }},
		{"ECC", "gpu.0.ecc.corrected 5,gpu.0.ecc.uncorrected 6", func(s *node.Status) {
			s.ECCCorrected, s.ECCUncorrected = node.Some(uint64(5)), node.Some(uint64(6))
		}},
		{"ECC by its own calls", "gpu.0.field.3.return 3,gpu.0.field.4.return 2,gpu.0.ecc.corrected 5", func(s *node.Status) {
			s.ECCCorrected = node.Some(uint64(5))
		}},
		{"ECC off", "gpu.0.ecc.corrected.return 3,gpu.0.ecc.uncorrected.return 3", func(s *node.Status) {
			s.ECCCorrected, s.ECCUncorrected = node.Opt[uint64]{}, node.Opt[uint64]{}
		}},
		{"remapped rows", "gpu.0.remapped.correctable 1,gpu.0.remapped.uncorrectable 2,gpu.0.remapped.pending 1", func(s *node.Status) {
			s.RemappedCorrectable, s.RemappedUncorrectable, s.RemapPending = node.Some(uint64(1)), node.Some(uint64(2)), node.Some(true)
		}},
		{"remapping failed", "gpu.0.remapped.failed 1", func(s *node.Status) { s.RemapFailed = node.Some(true) }},
		{"retired pages", "gpu.0.retired.single_bit 7,gpu.0.retired.double_bit 8,gpu.0.retired.pending 1", func(s *node.Status) {
			s.RetiredSingleBit, s.RetiredDoubleBit, s.RetiredPending = node.Some(uint64(7)), node.Some(uint64(8)), node.Some(true)
		}},
		{"PCIe link", "gpu.0.pcie.generation 1,gpu.0.pcie.width 8", func(s *node.Status) {
			s.PCIeGeneration, s.PCIeWidth = node.Some(1), node.Some(8)
		}},
		{"PCIe link not available", "gpu.0.pcie.generation -,gpu.0.pcie.width 0", func(s *node.Status) {
			s.PCIeGeneration, s.PCIeWidth = whole, whole
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, library, lines(tc.script)...)
			b.mustDevices()
			want := unscriptedStatus()
			tc.change(&want)
			for range 2 { // the second time the arrays are used again
				if diff := cmp.Diff(want, b.mustRead(gpuID(0), node.WantStatus).Status); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// statusCalls: what is refused is not asked for again.
func statusCalls(t *testing.T, library string) {
	const rest = "clocks clocks clocks clocks performance_state encoder decoder jpeg ofa pcie_link pcie_link"
	b := newBench(t, library)
	b.mustDevices()
	for i, want := range []string{
		"fields clocks clocks clocks clocks fan performance_state encoder decoder jpeg ofa pcie_link pcie_link", "fields " + rest,
	} {
		if got := calls(b.mustRead(gpuID(0), node.WantStatus)); got != want {
			t.Errorf("reading %d: calls %q, want %q", i, got, want)
		}
	}
	b = newBench(t, library, lines("gpu.0.clock.video.return 3,gpu.0.encoder.return 3,gpu.0.decoder.return 3,gpu.0.jpeg.return 3",
		"gpu.0.ofa.return 3,gpu.0.pcie.generation.return 3,gpu.0.pcie.width.return 3,gpu.0.performance_state.return 3",
		"gpu.0.ecc.corrected.return 3,gpu.0.ecc.uncorrected.return 3,gpu.0.remapped.correctable.return 3",
		"gpu.0.remapped.uncorrectable.return 3,gpu.0.remapped.pending.return 3,gpu.0.remapped.failed.return 3")...)
	b.mustDevices()
	b.mustRead(gpuID(0), node.WantStatus)
	b.rewrite()
	got := b.mustRead(gpuID(0), node.WantStatus)
	if calls(got) != "clocks clocks clocks" || got.Status.VideoClock.Known || !got.Status.SMClock.Known || !got.Status.Known {
		t.Errorf("calls %q, status %+v", calls(got), got.Status)
	}
}

// statusUntold: a batch of which nothing can be told this time is asked for again, by what was not refused.
func statusUntold(t *testing.T, library string) {
	b := newBench(t, library, lines("gpu.0.ecc.corrected.return 3,gpu.0.ecc.uncorrected.return 3,gpu.0.remapped.correctable.return 999",
		"gpu.0.remapped.uncorrectable.return 3,gpu.0.remapped.pending.return 3,gpu.0.remapped.failed.return 3")...)
	b.mustDevices()
	b.mustRead(gpuID(0), node.WantStatus)
	b.rewrite()
	got := b.mustRead(gpuID(0), node.WantStatus)
	if !got.Status.RemappedCorrectable.Known || got.Status.RemapFailed.Known || got.Status.ECCCorrected.Known {
		t.Errorf("status %+v", got.Status)
	}
}

// fansLater: fans that could not be counted this time are counted the next.
func fansLater(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.fan 40", "gpu.0.fans.return 999")
	b.mustDevices()
	b.mustRead(gpuID(0), node.WantStatus)
	b.rewrite("gpu.0.fan 40", "gpu.0.fan 60")
	if got := b.mustRead(gpuID(0), node.WantStatus); got.Status.Fan != node.Some(0.5) || got.Lacks.Has(node.FeatureFan) {
		t.Errorf("fan %+v, lacks %q", got.Status.Fan, labels(got.Lacks))
	}
}

// halfTold: what is told of one feature makes a reading, though the rest of it fails and nothing else is supported.
func halfTold(t *testing.T, library string) {
	b := newBench(t, library, lines("gpu.0.fields.return 3,gpu.0.clock.memory.return 999,gpu.0.performance_state.return 3",
		"gpu.0.encoder.return 3,gpu.0.decoder.return 3,gpu.0.jpeg.return 3,gpu.0.ofa.return 3,gpu.0.ecc.corrected.return 3",
		"gpu.0.ecc.uncorrected.return 3,gpu.0.pcie.generation.return 3,gpu.0.pcie.width.return 3")...)
	b.mustDevices()
	if got := b.mustRead(gpuID(0), node.WantStatus).Status; !got.Known || !got.SMClock.Known || got.MemoryClock.Known {
		t.Errorf("status %+v", got)
	}
	b.rewrite("gpu.0.clock.sm.return 999", "gpu.0.clock.memory.return 999", "gpu.0.clock.graphics.return 999", "gpu.0.clock.video.return 999")
	if got, err := b.Read(gpuID(0), node.WantStatus); err == nil {
		t.Errorf("nothing could be read: %+v", got.Status)
	}
	if got := b.mustRead(gpuID(0), node.WantStatus|node.WantMemory).Status; got.Known {
		t.Errorf("only memory could be read: %+v", got)
	}
}

// statusOfNothing: a status of which nothing is known says so.
func statusOfNothing(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.mig 0 1 0 1g.18gb 19 0")
	devices := b.mustDevices()
	if got := b.mustRead(devices[0].ID, node.WantStatus).Status; !got.Known || got.Encoder.Known || got.RemapFailed.Known || !got.SMClock.Known {
		t.Errorf("a GPU with MIG on: %+v", got)
	}
	instance := devices[1].ID
	got := b.mustRead(instance, node.WantStatus|node.WantCounters)
	if got.Status != (node.Status{}) || len(got.Calls) != 0 || got.Lacks&(boardStatus|boardCounters) != boardStatus|boardCounters {
		t.Errorf("a MIG instance: calls %q, lacks %q, status %+v", calls(got), labels(got.Lacks), got.Status)
	}
	if got := b.mustRead(gpuID(1), node.WantMemory).Status; got.Known {
		t.Errorf("a status that was not asked for: %+v", got)
	}
}
