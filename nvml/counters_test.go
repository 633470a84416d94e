//go:build cgo && linux

package nvml

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gpusignal/node"
)

// lines of a script, written with commas between them.
func lines(scripts ...string) []string { return strings.Split(strings.Join(scripts, ","), ",") }

// unscripted is what the stub tells as counters when its script says nothing.
func unscripted() node.Reading {
	r := node.Reading{
		Power: node.Some(100.0), PowerLimit: node.Some(700.0), Energy: node.Some(int64(0)),
		Temperature: node.Some(45.0), MemoryTemperature: node.Some(50.0),
	}
	zero := node.Some(node.Count{Bits: 32})
	r.Counters.PCIeTx, r.Counters.PCIeRx, r.Counters.PCIeReplays = zero, zero, zero
	r.Counters.NVLinkTx, r.Counters.NVLinkRx = node.Some(node.Count{Bits: 64}), node.Some(node.Count{Bits: 64})
	for i := range r.Counters.Throttled {
		r.Counters.Throttled[i] = node.Some(time.Duration(0))
	}
	return r
}

// throttles are the reasons by their keys in a script, and their fields.
func throttles() map[node.Throttle]string {
	keys := map[node.Throttle]string{}
	for i, id := range []int{74, 75, 76, 77, 78, 79, 80, 81, 269, 270, 271} {
		reason := node.Throttle(i)
		keys[reason] = fmt.Sprintf("throttle.%s %d", reason.Label(), id)
	}
	return keys
}

type counterCase struct {
	name, script string
	change       func(*node.Reading)
}

func counterCases() []counterCase {
	none := node.Opt[node.Count]{}
	cases := []counterCase{
		{"nothing said", "", func(*node.Reading) {}},
		{"instant power", "gpu.0.power 300500", func(r *node.Reading) { r.Power = node.Some(300.5) }},
		{
			"mean power where there is no instant power", "gpu.0.power_instant.return 3,gpu.0.power_average 120000",
			func(r *node.Reading) { r.Power = node.Some(120.0) },
		},
		{
			"mean power where the driver is older than the field", "gpu.0.field.186.return 2,gpu.0.power_average 120000",
			func(r *node.Reading) { r.Power = node.Some(120.0) },
		},
		{
			"instant power fails this time: no other number in its place", "gpu.0.field.186.return 999",
			func(r *node.Reading) { r.Power = node.Opt[float64]{} },
		},
		{"energy", "gpu.0.energy 12345", func(r *node.Reading) { r.Energy = node.Some(int64(12_345_000)) }},
		{"energy by its own call", "gpu.0.field.83.return 3,gpu.0.energy 7", func(r *node.Reading) { r.Energy = node.Some(int64(7000)) }},
		{"energy beyond an int64", "gpu.0.energy 18446744073709551614", func(r *node.Reading) { r.Energy = node.Opt[int64]{} }},
		{"power limit", "gpu.0.power_limit 350000", func(r *node.Reading) { r.PowerLimit = node.Some(350.0) }},
		{"power limit not available", "gpu.0.power_limit -", func(r *node.Reading) { r.PowerLimit = node.Opt[float64]{} }},
		{"temperature", "gpu.0.temperature 61", func(r *node.Reading) { r.Temperature = node.Some(61.0) }},
		{
			"temperature by the newer call", "gpu.0.temperature 61,gpu.0.temperature.return 26",
			func(r *node.Reading) { r.Temperature = node.Some(61.0) },
		},
		{
			"temperature below zero by the newer call", "gpu.0.temperature 18446744073709551611,gpu.0.temperature.return 26",
			func(r *node.Reading) { r.Temperature = node.Opt[float64]{} },
		},
		{"memory temperature", "gpu.0.memory_temperature 72", func(r *node.Reading) { r.MemoryTemperature = node.Some(72.0) }},
		{"memory temperature in another type", "gpu.0.memory_temperature 72,gpu.0.field.82.type 0", func(r *node.Reading) {
			r.MemoryTemperature = node.Some(72.0)
		}},
		{"memory temperature not available", "gpu.0.memory_temperature -", func(r *node.Reading) {
			r.MemoryTemperature = node.Opt[float64]{}
		}},
		{"memory temperature left as it was", "gpu.0.field.82.skip 1", func(r *node.Reading) {
			r.MemoryTemperature = node.Opt[float64]{}
		}},
		{"a type from the future", "gpu.0.field.82.type 9", func(r *node.Reading) { r.MemoryTemperature = node.Opt[float64]{} }},
		{"bytes over PCIe", "gpu.0.pcie.tx 4096,gpu.0.pcie.rx 8192", func(r *node.Reading) {
			r.Counters.PCIeTx, r.Counters.PCIeRx = node.Some(node.Count{Value: 4096, Bits: 32}), node.Some(node.Count{Value: 8192, Bits: 32})
		}},
		{"bytes over PCIe after 2^32", "gpu.0.pcie.tx 4294967301", func(r *node.Reading) {
			r.Counters.PCIeTx = node.Some(node.Count{Value: 5, Bits: 32})
		}},
		{"bytes over PCIe after 2^32 in 64 bits", "gpu.0.pcie.tx 4294967301,gpu.0.field.197.type 3", func(r *node.Reading) {
			r.Counters.PCIeTx = node.Some(node.Count{Value: 5, Bits: 32})
		}},
		{"bytes over PCIe not supported", "gpu.0.pcie.tx.return 3", func(r *node.Reading) { r.Counters.PCIeTx = none }},
		{"PCIe replays", "gpu.0.pcie.replays 3", func(r *node.Reading) {
			r.Counters.PCIeReplays = node.Some(node.Count{Value: 3, Bits: 32})
		}},
		{"NVLink, in KiB of all links", "gpu.0.nvlink.tx 18,gpu.0.nvlink.rx 36", func(r *node.Reading) {
			r.Counters.NVLinkTx, r.Counters.NVLinkRx = node.Some(node.Count{Value: 18 << 10, Bits: 64}), node.Some(node.Count{Value: 36 << 10, Bits: 64})
		}},
		{"NVLink in 32 bits", "gpu.0.nvlink.tx 18,gpu.0.field.138.type 1", func(r *node.Reading) {
			r.Counters.NVLinkTx = node.Some(node.Count{Value: 18 << 10, Bits: 42})
		}},
		{"no NVLink", "gpu.0.nvlink.tx.return 3,gpu.0.nvlink.rx.return 3", func(r *node.Reading) {
			r.Counters.NVLinkTx, r.Counters.NVLinkRx = none, none
		}},
	}
	for reason, said := range throttles() {
		key, id, _ := strings.Cut(said, " ")
		cases = append(cases,
			counterCase{"throttled: " + key, "gpu.0." + key + " 1500000000", func(r *node.Reading) {
				r.Counters.Throttled[reason] = node.Some(1500 * time.Millisecond)
			}},
			counterCase{"throttled, refused: " + key, "gpu.0.field." + id + ".return 2", func(r *node.Reading) {
				r.Counters.Throttled[reason] = node.Opt[time.Duration]{}
			}},
			counterCase{"throttled, beyond a duration: " + key, "gpu.0." + key + " 9223372036854775808", func(r *node.Reading) {
				r.Counters.Throttled[reason] = node.Opt[time.Duration]{}
			}})
	}
	return cases
}

// counterReadings: each part of the counters, as the driver states it.
func counterReadings(t *testing.T, library string) {
	for _, tc := range counterCases() {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, library, lines(tc.script)...)
			b.mustDevices()
			want := unscripted()
			tc.change(&want)
			ignore := cmpopts.IgnoreFields(node.Reading{}, "At", "Calls", "Aside", "Lacks")
			if diff := cmp.Diff(want, b.mustRead(gpuID(0), node.WantCounters), ignore); diff != "" {
				t.Error(diff)
			}
		})
	}
}
