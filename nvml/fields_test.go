//go:build cgo && linux

package nvml

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gpusignal/node"
)

// fieldReadings are the tests of counters and status.
func fieldReadings(t *testing.T, library string) {
	for name, test := range map[string]func(*testing.T, string){
		"counters":                counterReadings,
		"calls for counters":      counterCalls,
		"a feature partly told":   partlyRefused,
		"a field that fails":      fieldFails,
		"a batch that fails":      batchFails,
		"a field of a lost GPU":   fieldEnds,
		"counters rise":           fieldsRise,
		"slowdowns by the driver": slowdowns,
		"status":                  statusReadings,
		"calls for status":        statusCalls,
		"status untold":           statusUntold,
		"fans counted later":      fansLater,
		"half a feature":          halfTold,
		"status of nothing":       statusOfNothing,
		"boards":                  boards,
	} {
		t.Run(name, func(t *testing.T) { test(t, library) })
	}
}

// counterCalls: one batch, and the two calls that have no field; what is refused is not asked for again, nor noted twice.
func counterCalls(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.power_instant.return 3", "gpu.0.memory_temperature.return 2", "gpu.0.temperature.return 3")
	b.mustDevices()
	for i, want := range []string{
		"fields power power_limit temperature temperature", "fields power power_limit temperature", "fields power power_limit temperature",
	} {
		if got := calls(b.mustRead(gpuID(0), node.WantCounters)); got != want {
			t.Errorf("reading %d: calls %q, want %q", i, got, want)
		}
		b.rewrite()
	}
	got := b.mustRead(gpuID(0), node.WantCounters)
	if got.MemoryTemperature.Known || !got.Temperature.Known || !got.Power.Known {
		t.Errorf("what was refused once was asked for again: %+v", got)
	}
	if got.Lacks != node.Features(0).With(node.FeatureMemoryTemperature) {
		t.Errorf("lacks %s", labels(got.Lacks))
	}
	if got := b.log.count("A device cannot tell"); got != 1 {
		t.Errorf("logged %d times, want once", got)
	}
	if got := calls(b.mustRead(gpuID(1), node.WantCounters)); got != "fields power_limit temperature" {
		t.Errorf("a GPU that tells everything: calls %q", got)
	}
}

func calls(r node.Reading) string {
	var names []string
	for _, call := range r.Calls {
		names = append(names, call.Feature.Label())
	}
	return strings.Join(names, " ")
}

func labels(s node.Features) string {
	var names []string
	for f := range node.Feature(node.FeatureCount) {
		if s.Has(f) {
			names = append(names, f.Label())
		}
	}
	return strings.Join(names, " ")
}

// partlyRefused: a feature is lacking only when none of its fields can be told.
func partlyRefused(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.field.197.return 3", "gpu.0.field.198.return 3", "gpu.0.field.138.return 3", "gpu.0.nvlink5.tx 9")
	b.mustDevices()
	for range 2 {
		got := b.mustRead(gpuID(0), node.WantCounters)
		if got.Lacks != 0 || !got.Counters.PCIeReplays.Known || !got.Counters.NVLinkRx.Known || got.Counters.PCIeTx.Known {
			t.Errorf("lacks %q, counters %+v", labels(got.Lacks), got.Counters)
		}
	}
	b.rewrite("gpu.0.field.94.return 2", "gpu.0.field.139.return 3", "gpu.0.nvlink5.tx 9")
	b.mustRead(gpuID(0), node.WantCounters)
	got := b.mustRead(gpuID(0), node.WantCounters)
	if got := labels(got.Lacks); got != "pcie" {
		t.Errorf("lacks %q, want pcie alone: NVLink still tells what it sent", got)
	}
	if want := node.Some(node.Count{Value: 9, Bits: 64}); got.Counters.NVLinkTx != want || got.Counters.NVLinkRx.Known {
		t.Errorf("NVLink of the fifth generation: %+v, %+v", got.Counters.NVLinkTx, got.Counters.NVLinkRx)
	}
}

// fieldFails: a field that fails this time is absent, asked for again, and logged once while its siblings tell.
func fieldFails(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.field.77.return 999")
	b.mustDevices()
	for range 3 {
		got := b.mustRead(gpuID(0), node.WantCounters).Counters.Throttled
		if got[node.ThrottleBoardLimit].Known || !got[node.ThrottlePower].Known || !got[node.ThrottlePowerBrake].Known {
			t.Errorf("throttled %+v", got)
		}
	}
	if got := b.log.count("fails to tell"); got != 1 {
		t.Errorf("logged %d times, want once", got)
	}
	if got := b.log.count("tells again"); got != 0 {
		t.Errorf("logged %d times that it works again while it does not", got)
	}
	b.rewrite()
	if got := b.mustRead(gpuID(0), node.WantCounters); !got.Counters.Throttled[node.ThrottleBoardLimit].Known || got.Lacks != 0 {
		t.Errorf("after it works again: %+v, lacks %q", got.Counters, labels(got.Lacks))
	}
	if got := b.log.count("tells again"); got != 1 {
		t.Errorf("logged %d times that it works again, want once", got)
	}
}

// batchFails: what the whole call came to.
func batchFails(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.fields.return 999", "gpu.1.fields.return 3", "gpu.2.fields.return 2", "gpu.3.fields.return 13")
	b.mustDevices()
	for gpu, want := range map[int]struct {
		power bool
		lacks string
	}{
		0: {false, ""}, // it may work the next time: power is not asked for by another name
		1: {true, "memory_temperature throttling pcie nvlink"},
		2: {false, ""},
		3: {true, "fields memory_temperature throttling pcie nvlink"},
	} {
		got := b.mustRead(gpuID(gpu), node.WantCounters)
		if got.Power.Known != want.power || got.Energy.Known != want.power || !got.PowerLimit.Known || labels(got.Lacks) != want.lacks {
			t.Errorf("GPU %d: %+v lacks %q", gpu, got, labels(got.Lacks))
		}
	}
	b.rewrite()
	for gpu := range 3 {
		got := b.mustRead(gpuID(gpu), node.WantCounters)
		if !got.Power.Known || got.Counters.PCIeTx.Known != (gpu != 1) {
			t.Errorf("GPU %d after the call works: %+v", gpu, got)
		}
	}
}

// fieldEnds: a field can say that the whole GPU is lost; then no other call is made.
func fieldEnds(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.field.94.return 15")
	b.mustDevices()
	if _, err := b.Read(gpuID(0), node.WantCounters|node.WantStatus); !errors.Is(err, node.ErrDeviceLost) {
		t.Errorf("error %v", err)
	}
	b.rewrite()
	if got := b.mustRead(gpuID(0), node.WantCounters); got.Lacks != 0 || !got.Counters.PCIeReplays.Known {
		t.Errorf("after it came back: %+v lacks %q", got, labels(got.Lacks))
	}
}

// fieldsRise: counters that grow with time, and one that wraps.
func fieldsRise(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.pcie.tx 4294967295", "gpu.0.pcie.tx.rate 1e9", "gpu.0.throttle.power.rate 1e9", "gpu.0.duty 1")
	b.mustDevices()
	first := b.mustRead(gpuID(0), node.WantCounters)
	time.Sleep(20 * time.Millisecond)
	second := b.mustRead(gpuID(0), node.WantCounters)
	if second.Counters.Throttled[node.ThrottlePower].Value <= first.Counters.Throttled[node.ThrottlePower].Value ||
		second.Energy.Value <= first.Energy.Value {
		t.Errorf("throttled %v, then %v; energy %v, then %v", first.Counters.Throttled, second.Counters.Throttled, first.Energy, second.Energy)
	}
	if got := second.Counters.PCIeTx.Value.Value; got >= 1<<32-1 {
		t.Errorf("bytes over PCIe %d did not wrap", got)
	}
}
