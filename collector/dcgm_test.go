package collector

import (
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"gpusignal/node"
)

// dcgmOf returns the DCGM families of a snapshot.
func dcgmOf(s *node.Snapshot) []*dto.MetricFamily {
	g := &gatherer{parts: []part{newDCGMPart("node-a")}}
	return g.families(s, nil)
}

// labelsOf are a series' labels by name. A label that does not apply is not there, and none is empty but by its value's nature.
func labelsOf(m *dto.Metric) map[string]string {
	out := make(map[string]string)
	for _, pair := range m.Label {
		out[pair.GetName()] = pair.GetValue()
	}
	return out
}

// Each family has one series for a device and an owner: the sum over owners of a device counts each once, and a device that
// somebody holds has no series without an owner.
func TestDCGMHasOneSeriesForEachOwner(t *testing.T) {
	for name, s := range map[string]*node.Snapshot{"variety": variety(), "full": full(), "many": busyNode(8, 10)} {
		owned := make(map[string]bool)
		device := make(map[node.DeviceID]string)
		for _, d := range s.Devices {
			if device[d.Device.ID] = string(d.Device.ID); d.Device.Parent != "" {
				device[d.Device.ID] = string(d.Device.Parent) + "/" + d.Device.Profile
			}
		}
		for _, c := range s.Claims {
			owned[device[c.Device]] = true
		}
		for _, family := range dcgmOf(s) {
			seen := make(map[string]bool)
			for _, m := range family.Metric {
				l := labelsOf(m)
				id := l["UUID"]
				if profile, instance := l["GPU_I_PROFILE"]; instance {
					id += "/" + profile
				}
				_, has := l["pod"]
				if has != owned[id] {
					t.Errorf("%s: %s of %s: with an owner %v, it is held %v", name, family.GetName(), id, has, owned[id])
				}
				key := strings.Join([]string{id, l["namespace"], l["pod"], l["container"]}, " ")
				if seen[key] {
					t.Errorf("%s: %s has two series of %s", name, family.GetName(), key)
				}
				seen[key] = true
			}
		}
	}
}

// Units are DCGM's, shared devices tell of their owners where that is known, and what NVML does not tell is absent.
func TestDCGMValues(t *testing.T) {
	got := make(map[string]float64)
	for _, family := range dcgmOf(variety()) {
		for _, m := range family.Metric {
			l := labelsOf(m)
			got[family.GetName()+" "+l["UUID"]+" "+l["GPU_I_ID"]+" "+l["pod"]] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for key, want := range map[string]float64{
		"DCGM_FI_DEV_SM_CLOCK GPU-0  llm-0":                 1980,
		"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION GPU-1  ":      5e6,
		"DCGM_FI_DEV_GPU_UTIL GPU-0  llm-0":                 25, // its own part
		"DCGM_FI_DEV_GPU_UTIL GPU-0  train-1":               0,
		"DCGM_FI_DEV_GPU_UTIL GPU-4  llm-0":                 57, // only split: the device's
		"DCGM_FI_DEV_FB_USED GPU-0  llm-0":                  7 * 1024,
		"DCGM_FI_DEV_FB_USED GPU-1 1 llm-0":                 5 * 1024,
		"DCGM_FI_DEV_FB_FREE GPU-6  ":                       10 * 1024 * 3 / 4,
		"DCGM_FI_DEV_FB_FREE GPU-2  ":                       15*1024*3/4 - 120,
		"DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL GPU-0  train-1": 6 << 20,
		"DCGM_FI_PROF_DRAM_ACTIVE GPU-0  llm-0":             0.62,
		"DCGM_FI_PROF_PCIE_RX_BYTES GPU-0  llm-0":           3e9,
		"DCGM_FI_DEV_XID_ERRORS GPU-0  llm-0":               31, // the last of two
		"DCGM_FI_DEV_XID_ERRORS GPU-2  ":                    0,
		"DCGM_FI_DEV_XID_ERRORS GPU-3  llm-0":               79, // lost, and says why
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", key, v, ok, want)
		}
	}
	for _, key := range []string{
		"DCGM_FI_DEV_GPU_UTIL GPU-1  ",       // divided
		"DCGM_FI_DEV_GPU_UTIL GPU-1 1 llm-0", // an instance of an A100
		"DCGM_FI_PROF_GR_ENGINE_ACTIVE GPU-1 1 llm-0",
		"DCGM_FI_PROF_GR_ENGINE_ACTIVE GPU-2  ", // before Hopper
		"DCGM_FI_DEV_GPU_TEMP GPU-3  llm-0",     // lost
		"DCGM_FI_DEV_FB_USED GPU-5  ",           // no memory of its own
		"DCGM_FI_DEV_XID_ERRORS GPU-6  ",        // a guest hears of no events
		"DCGM_FI_DEV_FB_RESERVED GPU-6  ",       // a driver before 510
		"DCGM_FI_DEV_MEMORY_TEMP GPU-2  ",
	} {
		if v, ok := got[key]; ok {
			t.Errorf("%s is %v, want none", key, v)
		}
	}
}

// Two compute instances of one GPU instance are two devices: their label sets differ. One alone goes by its GPU instance.
func TestDCGMTellsComputeInstancesApart(t *testing.T) {
	instance := func(id node.DeviceID, compute, of int) node.DeviceState {
		d := boardOf(0, "NVIDIA H100 80GB HBM3", gib)
		d.Device.ID, d.Device.Parent, d.Device.Profile, d.Device.GPUInstance = id, "GPU-0", "1c.3g.40gb", 1
		d.Device.ComputeInstance, d.Device.ComputeInstances = compute, of
		d.XIDs = map[int]node.XID{31: {Count: 1}}
		return d
	}
	for _, test := range []struct {
		devices []node.DeviceState
		want    string
	}{
		{[]node.DeviceState{instance("MIG-a", 0, 2), instance("MIG-b", 1, 2)}, "0 1"},
		{[]node.DeviceState{instance("MIG-a", 0, 1)}, ""},
	} {
		s := &node.Snapshot{Devices: test.devices}
		for i := range s.Devices {
			s.Claims = append(s.Claims, node.Claim{Container: container(podID("chat", "llm-0")), Device: s.Devices[i].Device.ID})
		}
		for _, family := range dcgmOf(s) {
			var ids []string
			for _, m := range family.Metric {
				if id, ok := labelsOf(m)["GPU_CI_ID"]; ok {
					ids = append(ids, id)
				}
				if text := labelsOf(m)["err_msg"]; family.GetName() == "DCGM_FI_DEV_XID_ERRORS" && text != "GPU memory page fault" {
					t.Errorf("the last label of the longest set is %q", text)
				}
			}
			if got := strings.Join(ids, " "); got != test.want {
				t.Errorf("%s: compute instances %q, want %q", family.GetName(), got, test.want)
			}
		}
	}
}

func TestBusID(t *testing.T) {
	for address, want := range map[string]string{
		"0000:0a:00.0": "00000000:0A:00.0", "00000000:1b:00.0": "00000000:1B:00.0", "": "", "123456789:00:0.0": "123456789:00:0.0",
	} {
		if got := busID(address); got != want {
			t.Errorf("%q is %q, want %q", address, got, want)
		}
	}
}
