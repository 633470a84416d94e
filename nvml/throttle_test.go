//go:build cgo && linux

package nvml

import (
	"testing"

	"gpusignal/node"
)

func TestSlowdownFields(t *testing.T) {
	for driver, want := range map[string]uint32{
		"470.256.02": 251,
		"570.124.06": 251,
		"575.57.08":  251,
		"580.65.06":  251, // CUDA 13.0
		"580.76.05":  0,   // between the two: unknown
		"580.82.07":  269, // CUDA 13.0 Update 1
		"580.173.02": 269,
		"590.44.01":  269,
		"610.57.04":  269,
		"":           0,
		"580":        0,
		"unknown.82": 0,
	} {
		if got := slowdownFields(driver); got != want {
			t.Errorf("driver %q: first id %d, want %d", driver, got, want)
		}
	}
}

// slowdowns: the driver of each numbering tells the three reasons, and none tells another number in their place.
func slowdowns(t *testing.T, library string) {
	const said = "gpu.0.throttle.sw_thermal 1,gpu.0.throttle.hw_thermal 2,gpu.0.throttle.power_brake 3"
	for driver, known := range map[string]bool{
		"570.124.06": true, "580.65.06": true, "580.76.05": false, "580.82.07": true, "610.57.04": true,
	} {
		t.Run(driver, func(t *testing.T) {
			b := newBench(t, library, lines(said, "driver "+driver)...)
			b.mustDevices()
			got := b.mustRead(gpuID(0), node.WantCounters).Counters.Throttled
			for i, reason := range []node.Throttle{node.ThrottleSoftwareThermal, node.ThrottleHardwareThermal, node.ThrottlePowerBrake} {
				if got[reason].Known != known || known && int(got[reason].Value) != i+1 {
					t.Errorf("%s: %+v, want %d ns, known %t", reason.Label(), got[reason], i+1, known)
				}
			}
			if !got[node.ThrottlePower].Known {
				t.Error("the reasons with ids that never changed are not known")
			}
		})
	}
}
