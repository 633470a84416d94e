//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// named are the labels of devices with their profiles, in order.
func named(devices []node.Device) string {
	var out []string
	for _, device := range devices {
		out = append(out, strings.TrimSpace(device.Label()+" "+device.Profile))
	}
	return strings.Join(out, ", ")
}

func mig(t *testing.T, library string) {
	b := newBench(t, library, "devices 2", "gpu.1.mig 0 1 0 1g.18gb 19 4", "gpu.1.mig 3 5 1 2g.35gb 14 0")
	gpu := node.Device{ID: gpuID(1), Index: 1, Minor: 1, Model: "NVIDIA H200", PCIAddress: "0000:2a:00.0", Driver: "595.45.04"}
	first, second := gpu, gpu
	first.ID, first.Parent, first.GPUInstance, first.Profile = "MIG-00000000-0000-0000-0000-000000000001", gpu.ID, 1, "1g.18gb"
	first.ProfileID, first.PlacementStart, first.ComputeInstances, second.ComputeInstances = 19, 4, 1, 1
	second.ID, second.Parent, second.GPUInstance, second.ComputeInstance = "MIG-00000003-0000-0000-0000-000000000001", gpu.ID, 5, 1
	second.Profile, second.ProfileID = "2g.35gb", 14
	for range 2 {
		if diff := cmp.Diff([]node.Device{gpu, first, second}, b.mustDevices()[1:]); diff != "" {
			t.Error(diff)
		}
		if got := b.mustRead(gpu.ID, everything); got.Utilization.Known || !got.Power.Known || !got.Energy.Known || got.Memory.Known ||
			got.Processes.Known || !got.Lacks.Has(node.FeatureMemory) || !got.Lacks.Has(node.FeatureProcesses) {
			t.Errorf("the GPU behind: %+v", got)
		}
		if got := b.mustRead(first.ID, everything); !got.Memory.Known || got.Utilization.Known || got.Power.Known || got.Energy.Known {
			t.Errorf("an instance: %+v", got)
		}
	}
	b.rewrite("devices 2")
	if got := len(b.mustDevices()); got != 2 {
		t.Errorf("%d devices without MIG, want 2", got)
	}
	if got := b.mustRead(gpu.ID, everything); !got.Utilization.Known || !got.Memory.Known || !got.Processes.Known {
		t.Errorf("the GPU without MIG: %+v", got)
	}
	if _, err := b.Read(first.ID, everything); err == nil {
		t.Error("an instance that is gone was read")
	}
}

// migChanges: what the geometry is now is listed without a restart; a handle from before a change gives an error, not a number.
func migChanges(t *testing.T, library string) {
	for _, tc := range []struct{ name, before, then, after string }{
		{"one more", "0 1 0 1g.18gb 19 4", "0 1 0 1g.18gb 19 4|1 5 0 2g.35gb 14 0", "0, 0:1 1g.18gb, 0:5 2g.35gb"},
		{"one less", "0 1 0 1g.18gb 19 4|1 5 0 2g.35gb 14 0", "1 5 0 2g.35gb 14 0", "0, 0:5 2g.35gb"},
		{"another in its place", "0 1 0 1g.18gb 19 4", "0 1 0 7g.141gb 0 0 MIG-new", "0, 0:1 7g.141gb"},
		{"another of the same name", "0 1 0 1g.18gb 19 4 MIG-a", "0 1 0 2g.35gb 14 4 MIG-a", "0, 0:1 2g.35gb"},
		{
			"a second compute instance", "0 1 0 1c.2g.35gb 14 0", "0 1 0 1c.2g.35gb 14 0|1 1 1 1c.2g.35gb 14 0",
			"0, 0:1:0 1c.2g.35gb, 0:1:1 1c.2g.35gb",
		},
		{"MIG off", "0 1 0 1g.18gb 19 4", "", "0"},
		{"MIG on", "", "0 1 0 1g.18gb 19 4", "0, 0:1 1g.18gb"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			lines := func(instances string) []string {
				out := []string{"devices 1"}
				for line := range strings.SplitSeq(instances, "|") {
					if line != "" {
						out = append(out, "gpu.0.mig "+line)
					}
				}
				return out
			}
			c := newClocked(t, library, lines(tc.before)...)
			before := c.mustDevices()
			for _, device := range before {
				c.mustRead(device.ID, node.WantActivity|node.WantMemory)
			}
			c.at(1001, lines(tc.then)...)
			for _, device := range before {
				reading, err := c.Read(device.ID, node.WantActivity|node.WantMemory)
				if device.Parent != "" && err != nil && reading.Memory.Known {
					t.Errorf("a handle from before: %+v, %v", reading, err)
				}
			}
			after := c.mustDevices()
			if got := named(after); got != tc.after {
				t.Errorf("devices %q, want %q", got, tc.after)
			}
			c.at(1002, lines(tc.then)...)
			for _, device := range after {
				c.mustRead(device.ID, node.WantActivity|node.WantMemory)
			}
			c.at(1003, lines(tc.then)...)
			for _, device := range after {
				reading := c.mustRead(device.ID, node.WantActivity|node.WantMemory)
				alone := device.Parent != "" && device.ComputeInstances == 1 || len(after) == 1
				owns := device.Parent != "" || len(after) == 1
				if reading.Memory.Known != owns || reading.Activity.Known != alone {
					t.Errorf("%s: %+v", device.Label(), reading)
				}
			}
		})
	}
}

// migStale: a change of any instance voids the handles of all, which then tell nothing; those that are still there tell again once
// they are listed, with what was learned of them.
func migStale(t *testing.T, library string) {
	b := newBench(t, library, "devices 1", "gpu.0.mig 0 1 0 1g.18gb 19 4", "gpu.0.mig 1 2 0 1g.18gb 19 5")
	devices := b.mustDevices()
	b.rewrite("devices 1", "gpu.0.mig 0 3 0 2g.35gb 14 0 MIG-new", "gpu.0.mig 1 2 0 1g.18gb 19 5")
	if reading, err := b.Read(devices[1].ID, node.WantMemory); err == nil {
		t.Errorf("read an instance that is gone: %+v", reading)
	}
	b.mustRead(devices[0].ID, node.WantMemory)
	b.mustDevices()
	b.mustRead(devices[2].ID, node.WantMemory)
	if _, err := b.Read(devices[1].ID, node.WantMemory); err == nil || !strings.Contains(err.Error(), "not among the devices") {
		t.Errorf("an instance that is gone: %v", err)
	}
}

// migLost: a GPU in MIG mode that is lost stays so through readings that ask it nothing.
func migLost(t *testing.T, library string) {
	b := newBench(t, library, "devices 1", "gpu.0.mig 0 1 0 1g.18gb 19 4")
	b.mustDevices()
	b.mustRead(gpuID(0), everything)
	b.rewrite("devices 1", "gpu.0.mig 0 1 0 1g.18gb 19 4", "gpu.0.lost 16")
	for _, want := range []node.Want{node.WantCounters, node.WantMemory, node.WantUtilization} {
		if _, err := b.Read(gpuID(0), want); !errors.Is(err, node.ErrResetRequired) {
			t.Errorf("error %v, want one that asks for a reset", err)
		}
	}
	b.rewrite("devices 1", "gpu.0.mig 0 1 0 1g.18gb 19 4")
	b.mustRead(gpuID(0), node.WantCounters)
	b.mustRead(gpuID(0), node.WantMemory)
}

// migReseeds: what an instance did is not compared with a sample from before it failed to tell, or before the geometry changed:
// another one may have its place and its id.
func migReseeds(t *testing.T, library string) {
	lines := []string{"devices 1", "gpu.0.mig 0 1 0 1g.18gb 19 4"}
	for name, between := range map[string]string{"a sample fails": "gpu.0.gpm_sample.return 999", "an event": "gpu.0.event 256"} {
		t.Run(name, func(t *testing.T) {
			c := newClocked(t, library, lines...)
			id := c.mustDevices()[1].ID
			c.mustRead(id, node.WantActivity)
			c.at(1001, append(lines, between)...)
			if _, err := c.Events(time.Millisecond); err != nil {
				t.Error(err)
			}
			for at := 1001.0; at < 1004; at++ {
				reading := c.mustRead(id, node.WantActivity|node.WantMemory)
				if want := at > 1002 || at > 1001 && name == "an event"; reading.Activity.Known != want {
					t.Errorf("at %v: %+v", at, reading.Activity)
				}
				c.at(at+1, lines...)
			}
		})
	}
}

// migReadings: an instance has the memory and the activity of its own.
func migReadings(t *testing.T, library string) {
	small, large := burst{duty: 0.2, period: 2.3}, burst{duty: 0.9, period: 1.7}
	lines := []string{"devices 1", "gpu.0.mig 0 1 0 1g.18gb 19 4", "gpu.0.mig 1 5 0 2g.35gb 14 0"}
	for gi, load := range map[int]burst{1: small, 5: large} {
		lines = append(lines, fmt.Sprintf("gpu.0.gi.%d.duty %v", gi, load.duty), fmt.Sprintf("gpu.0.gi.%d.period_ms %v", gi, 1e3*load.period),
			fmt.Sprintf("gpu.0.gi.%d.memory.total %d", gi, 1000*gi), fmt.Sprintf("gpu.0.gi.%d.memory.used %d", gi, 100*gi),
			fmt.Sprintf("gpu.0.gi.%d.memory.reserved %d", gi, gi))
	}
	c := newClocked(t, library, lines...)
	devices := c.mustDevices()
	for _, at := range []float64{1000, 1001.5} {
		c.at(at, lines...)
		for i, load := range []burst{small, large} {
			device := devices[i+1]
			got := c.mustRead(device.ID, node.WantMemory|node.WantActivity|node.WantUtilization|node.WantRing)
			gi := uint64(device.GPUInstance)
			if want := node.Some(node.Memory{Total: 1000 * gi, Used: 100 * gi, Reserved: node.Some(gi)}); got.Memory != want || got.Utilization.Known {
				t.Errorf("%s: %+v", device.Label(), got)
			}
			if want := (node.Opt[float64]{}); at == 1000 {
				if got.Activity.Value.Units[node.UnitGraphics] != want {
					t.Errorf("%s: %+v at the first sample", device.Label(), got.Activity)
				}
			} else if diff := cmp.Diff(load.between(1000, at)/1.5, got.Activity.Value.Units[node.UnitGraphics].Value, near()); diff != "" {
				t.Errorf("%s: %s", device.Label(), diff)
			}
		}
	}
}

// migFailsToTell: what cannot be looked at for now stays as it was.
func migFailsToTell(t *testing.T, library string) {
	lines := []string{"devices 1", "gpu.0.mig 0 1 0 1g.18gb 19 4", "gpu.0.mig 1 5 0 2g.35gb 14 0"}
	b := newBench(t, library, lines...)
	before := b.mustDevices()
	for _, failure := range []string{"gpu.0.mig.return 999", "gpu.0.mig_handle.return 10", "gpu.0.uuid.return 999"} {
		b.rewrite(append(lines, failure)...)
		if diff := cmp.Diff(before, b.mustDevices()); diff != "" {
			t.Errorf("%s\n%s", failure, diff)
		}
	}
	b.rewrite(append(lines, "gpu.0.mig_handle.return 4")...)
	if got := named(b.mustDevices()); got != "0" {
		t.Errorf("instances that are not for us: %q", got)
	}
}
