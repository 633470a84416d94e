//go:build cgo && linux

package nvml

import (
	"strings"
	"testing"

	"gpusignal/node"
)

// boards: which features the boards that people run lack, as far as it is known: a T4 and an L4 have no sensor for their memory and
// no NVLink, pages are retired before Ampere and rows remapped from it on, and what is passively cooled has no fan.
func boards(t *testing.T, library string) {
	const (
		noNVLink = "gpu.0.nvlink.tx.return 3,gpu.0.nvlink.rx.return 3"
		noRows   = "gpu.0.remapped.correctable.return 3,gpu.0.remapped.uncorrectable.return 3,gpu.0.remapped.pending.return 3," +
			"gpu.0.remapped.failed.return 3"
		noECC    = "gpu.0.ecc.corrected.return 3,gpu.0.ecc.uncorrected.return 3"
		noSensor = "gpu.0.memory_temperature.return 3"
		pages    = "gpu.0.retired.single_bit 0,gpu.0.retired.double_bit 0,gpu.0.retired.pending 0"
		engines  = "gpu.0.jpeg.return 3,gpu.0.ofa.return 3"
		fans     = "gpu.0.fan 30,gpu.0.fan 30"
	)
	for _, tc := range []struct{ name, script, lacks string }{
		{"T4", joined(noNVLink, noRows, noSensor, pages, engines), "memory_temperature nvlink fan jpeg ofa remapped_rows"},
		{"V100", joined(noRows, pages, engines), "fan jpeg ofa remapped_rows"},
		{"A100", "", "fan retired_pages"},
		{"L4", joined(noNVLink, noSensor), "memory_temperature nvlink fan retired_pages"},
		{"H100", "", "fan retired_pages"},
		{"H100 with MIG on", "gpu.0.mig_mode 1", "fan encoder decoder jpeg ofa retired_pages"},
		{"B200", joined(noNVLink, "gpu.0.nvlink5.tx 1,gpu.0.nvlink5.rx 2"), "fan retired_pages"},
		{
			"GeForce", joined(noNVLink, noRows, noECC, noSensor, fans),
			"memory_temperature nvlink ecc remapped_rows retired_pages",
		},
		{
			"a vGPU guest", joined(noNVLink, noRows, noECC, noSensor, engines,
				"gpu.0.power.return 3,gpu.0.power_instant.return 3,gpu.0.power_limit.return 3,gpu.0.energy.return 3,gpu.0.temperature.return 3",
				"gpu.0.temperature_v.return 3,gpu.0.pcie.tx.return 3,gpu.0.pcie.rx.return 3,gpu.0.pcie.replays.return 3",
				"gpu.0.pcie.generation.return 3,gpu.0.pcie.width.return 3"),
			"power power_limit energy temperature memory_temperature pcie nvlink fan jpeg ofa ecc remapped_rows retired_pages pcie_link",
		},
		{
			"an A100 with a driver of 470", "driver 470.256.02",
			"fan retired_pages", // the bytes over PCIe are younger, its replays are not
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, library, lines(tc.script)...)
			b.mustDevices()
			b.mustRead(gpuID(0), node.WantCounters|node.WantStatus) // asks for NVLink by its older fields alone
			got := b.mustRead(gpuID(0), node.WantCounters|node.WantStatus).Lacks & (boardCounters | boardStatus)
			if labels(got) != tc.lacks {
				t.Errorf("lacks %q, want %q", labels(got), tc.lacks)
			}
		})
	}
}

func joined(scripts ...string) string { return strings.Join(scripts, ",") }
