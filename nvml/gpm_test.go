//go:build cgo && linux

package nvml

import (
	"math"
	"testing"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gpusignal/node"
)

func near() cmp.Option { return cmpopts.EquateApprox(0, 1e-6) }

// activity is exact between the samples that were kept, however far they are apart: nothing that happened between two readings is
// lost, nothing is told twice.
func activity(t *testing.T, library string) {
	load := burst{duty: 0.25, period: 3.1}
	c := newClocked(t, library, load.lines()...)
	c.mustDevices()
	if got := c.mustRead(gpuID(0), node.WantActivity).Activity; got.Known {
		t.Errorf("the first reading knows %+v", got.Value)
	}
	at := 1000.0
	for _, span := range []float64{1, 0.3, 7.7, 1, 299, 0.1} {
		from := at
		at += span
		c.at(at, load.lines()...)
		got := c.mustRead(gpuID(0), node.WantActivity).Activity
		mean := load.between(from, at) / span
		const mib = 1 << 20
		want := node.Activity{
			Span:   time.Duration(math.Round(1e9 * span)),
			PCIeTx: node.Some(mean * span * 1000 * mib), PCIeRx: node.Some(mean * span * 2000 * mib),
			NVLinkTx: node.Some(mean * span * 4000 * mib), NVLinkRx: node.Some(mean * span * 3000 * mib),
			Units: [node.Units]node.Opt[float64]{
				node.UnitGraphics: node.Some(mean), node.UnitSM: node.Some(0.8 * mean), node.UnitSMOccupancy: node.Some(0.5 * mean),
				node.UnitTensor: node.Some(0.4 * mean), node.UnitDRAM: node.Some(0.3 * mean), node.UnitFP64: node.Some(0.0),
				node.UnitFP32: node.Some(0.1 * mean), node.UnitFP16: node.Some(0.05 * mean),
			},
		}
		approx := cmp.Options{
			cmpopts.EquateApprox(1e-9, 1e-6),
			cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() < time.Microsecond }),
		}
		if diff := cmp.Diff(node.Some(want), got, approx); diff != "" {
			t.Errorf("over %v s\n%s", span, diff)
		}
	}
}

// activityTooSoon: a sample sooner than the driver renews its counters is not taken; the next difference reaches over that time.
func activityTooSoon(t *testing.T, library string) {
	c := newClocked(t, library, "gpu.0.gpm.1 50")
	c.mustDevices()
	c.mustRead(gpuID(0), node.WantActivity)
	c.at(1000.09, "gpu.0.gpm.1 50")
	reading := c.mustRead(gpuID(0), node.WantActivity)
	if reading.Activity.Known || len(reading.Calls) != 0 {
		t.Errorf("after 90 ms %+v", reading)
	}
	c.at(1000.3, "gpu.0.gpm.1 50")
	got := c.mustRead(gpuID(0), node.WantActivity).Activity
	if span := got.Value.Span.Round(time.Microsecond); span != 300*time.Millisecond {
		t.Errorf("after 300 ms %+v", got)
	}
}

// activityParts: what one metric cannot tell leaves the others alone.
func activityParts(t *testing.T, library string) {
	lines := []string{"gpu.0.gpm.1 60", "gpu.0.gpm.11.return 3", "gpu.0.gpm.60.return 999", "gpu.0.gpm.2 104", "gpu.0.gpm.3 4000"}
	c := newClocked(t, library, lines...)
	c.mustDevices()
	c.mustRead(gpuID(0), node.WantActivity)
	c.at(1001, lines...)
	got := c.mustRead(gpuID(0), node.WantActivity).Activity.Value
	want := got
	want.Units[node.UnitGraphics], want.Units[node.UnitFP64] = node.Some(0.6), node.Opt[float64]{}
	want.Units[node.UnitSM], want.Units[node.UnitSMOccupancy] = node.Some(1.0), node.Opt[float64]{}
	want.NVLinkRx = node.Opt[float64]{}
	if diff := cmp.Diff(want, got, near()); diff != "" {
		t.Error(diff)
	}
	if !got.Units[node.UnitTensor].Known || !got.NVLinkTx.Known {
		t.Errorf("the others: %+v", got)
	}
}

// activityFails: a sample that cannot be taken leaves the one before in place, so that the next difference is of the whole time;
// a lost GPU begins anew.
func activityFails(t *testing.T, library string) {
	load := burst{duty: 0.5, period: 4}
	c := newClocked(t, library, load.lines()...)
	c.mustDevices()
	c.mustRead(gpuID(0), node.WantActivity)
	c.at(1001, append(load.lines(), "gpu.0.gpm_sample.return 999")...)
	if got := c.mustRead(gpuID(0), node.WantActivity|node.WantMemory); got.Activity.Known {
		t.Errorf("a sample that failed: %+v", got.Activity)
	}
	c.at(1003, load.lines()...)
	got := c.mustRead(gpuID(0), node.WantActivity).Activity
	want := load.between(1000, 1003) / 3
	if off := got.Value.Units[node.UnitGraphics].Value - want; math.Abs(off) > 1e-6 || got.Value.Span.Round(time.Millisecond) != 3*time.Second {
		t.Errorf("over the failure %+v, want %v over 3 s", got, want)
	}
	c.at(1004, "gpu.0.lost 1")
	if _, err := c.Read(gpuID(0), node.WantMemory); err == nil {
		t.Error("read a lost GPU")
	}
	c.at(1005, load.lines()...)
	if got := c.mustRead(gpuID(0), node.WantActivity).Activity; got.Known {
		t.Errorf("compared with a sample from before the GPU was lost: %+v", got)
	}
	c.at(1006, load.lines()...)
	if got := c.mustRead(gpuID(0), node.WantActivity).Activity; !got.Known {
		t.Error("not known after the second sample")
	}
}

// activityLacks: GPUs before Hopper, GPUs in MIG mode and compute instances that share their GPU instance lack it.
func activityLacks(t *testing.T, library string) {
	c := newClocked(t, library, "devices 4", "gpu.0.gpm 0", "gpu.1.mig 0 1 0 1c.2g.35gb 14 0", "gpu.1.mig 1 1 1 1c.2g.35gb 14 0",
		"gpu.1.mig 2 5 0 1g.18gb 19 4", "gpu.2.gpm_support.return 3")
	for range 2 {
		for _, device := range c.mustDevices() {
			lacks := c.mustRead(device.ID, node.WantActivity|node.WantMemory).Lacks.Has(node.FeatureActivity)
			if want := device.Label() != "3" && device.Label() != "1:5"; lacks != want {
				t.Errorf("device %s lacks activity: %t, want %t", device.Label(), lacks, want)
			}
		}
	}
}

// givenUp: a device that an enumeration gave up while someone waited for its turn is not read: the samples that it would be given
// are nobody's, and the stub ends the process where the library is shut before they are freed.
func givenUp(t *testing.T, library string) {
	c := newClocked(t, library, "devices 1")
	c.mustDevices()
	c.mustRead(gpuID(0), node.WantActivity)
	waits, err := c.unit(gpuID(0))
	if err != nil {
		t.Fatal(err)
	}
	c.at(1001, "devices 1", "gpu.0.uuid GPU-other")
	c.mustDevices()
	if got, err := c.readUnit(waits, node.WantActivity|node.WantMemory); err == nil {
		t.Errorf("read a device that is not there any more: %+v", got)
	}
	c.mustRead("GPU-other", node.WantActivity|node.WantMemory)
}

// activityNone: a device none of whose metrics works lacks activity, though it takes samples.
func activityNone(t *testing.T, library string) {
	var lines []string
	for _, m := range []string{"1", "2", "3", "5", "10", "11", "12", "13", "20", "21", "60", "61"} {
		lines = append(lines, "gpu.0.gpm."+m+".return 3")
	}
	c := newClocked(t, library, lines...)
	c.mustDevices()
	c.mustRead(gpuID(0), node.WantActivity)
	c.at(1001, lines...)
	if got := c.mustRead(gpuID(0), node.WantActivity); got.Activity.Known || !got.Lacks.Has(node.FeatureActivity) {
		t.Errorf("reading %+v", got)
	}
}

// TestActivityOf: nothing but a number that can be is known.
func TestActivityOf(t *testing.T) {
	for _, tc := range []struct {
		name  string
		value float64
		ret   gonvml.Return
		known bool
		want  float64
	}{
		{"idle is a zero that is known", 0, gonvml.SUCCESS, true, 0},
		{"half", 50, gonvml.SUCCESS, true, 0.5},
		{"a little above all", 100.4, gonvml.SUCCESS, true, 1},
		{"beyond", 111, gonvml.SUCCESS, false, 0},
		{"below zero", -1, gonvml.SUCCESS, false, 0},
		{"NaN", math.NaN(), gonvml.SUCCESS, false, 0},
		{"infinite", math.Inf(1), gonvml.SUCCESS, false, 0},
		{"an error beside a number", 50, gonvml.ERROR_NOT_SUPPORTED, false, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, known := activityOf([]gonvml.GpmMetric{{NvmlReturn: uint32(tc.ret), Value: tc.value}}, time.Second)
			if unit := got.Units[0]; known != tc.known || unit.Known != tc.known || unit.Value != tc.want {
				t.Errorf("got %+v %t, want %v %t", unit, known, tc.want, tc.known)
			}
		})
	}
	traffic := make([]gonvml.GpmMetric, node.Units+4)
	traffic[node.Units].Value, traffic[node.Units+1].Value = math.Inf(1), 2
	got, _ := activityOf(traffic, 2*time.Second)
	if got.PCIeTx.Known || got.PCIeRx != node.Some(4.0*(1<<20)) {
		t.Errorf("traffic %+v", got)
	}
}
