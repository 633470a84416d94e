package kubelet

import (
	"slices"
	"testing"

	"gpusignal/node"
)

const (
	mig0a = "MIG-aaaaaaaa-7777-8888-9999-aaaaaaaaaaaa"
	mig0b = "MIG-bbbbbbbb-7777-8888-9999-aaaaaaaaaaaa"
	mig0c = "MIG-cccccccc-7777-8888-9999-aaaaaaaaaaaa"
)

// someDevices has a GPU cut in two (index 1, minor 0), a whole one (index 0, minor 1), and one whose GPU instance 3 holds
// two compute instances (index 2, minor 2).
func someDevices() []node.Device {
	parent := gpu(0, gpu0)
	parent.Index = 1
	whole := gpu(1, gpu1)
	whole.Index = 0
	const third = "GPU-22222222-7777-8888-9999-aaaaaaaaaaaa"
	return []node.Device{
		parent, whole, gpu(2, third),
		mig(0, 3, 19, 0, mig0a, gpu0),
		mig(0, 5, 14, 2, mig0b, gpu0),
		mig(2, 3, 9, 4, mig0c, third),
		mig(2, 3, 9, 4, "MIG-dddddddd-7777-8888-9999-aaaaaaaaaaaa", third),
	}
}

func TestResolve(t *testing.T) {
	const plugin = "nvidia.com/gpu"
	tests := []struct {
		name, resource, id string
		want               node.DeviceID
		reason             string
	}{
		{"uuid", plugin, gpu1, gpu1, ""},
		{"uuid of no device here", plugin, "GPU-99999999-7777-8888-9999-aaaaaaaaaaaa", "", "unknown_id"},
		{"index", plugin, "0", gpu1, ""},
		{"index is not the minor", plugin, "1", gpu0, ""},
		{"index of nothing", plugin, "7", "", "unknown_id"},
		{"index with a zero before", plugin, "00", "", "unknown_id"},
		{"replica", plugin, gpu1 + "::3", gpu1, ""},
		{"replica, renamed by default", "nvidia.com/gpu.shared", gpu1 + "::0", gpu1, ""},
		{"replica, renamed otherwise", "nvidia.com/gpu-shared-4", gpu1 + "::0", gpu1, ""},
		{"replica without number", plugin, gpu1 + "::", "", "unknown_id"},
		{"replica of a replica", plugin, gpu1 + "::1::2", "", "unknown_id"},
		{"mig mixed", "nvidia.com/mig-1g.5gb", mig0a, mig0a, ""},
		{"mig mixed with media engines", "nvidia.com/mig-1g.10gb.me", mig0b, mig0b, ""},
		{"mig single", plugin, mig0a, mig0a, ""},
		{"mig and time-slicing", "nvidia.com/mig-1g.5gb.shared", mig0a + "::1", mig0a, ""},
		{"gke", plugin, "nvidia0", gpu0, ""},
		{"gke minor is not the index", plugin, "nvidia1", gpu1, ""},
		{"gke mig", plugin, "nvidia0/gi3", mig0a, ""},
		{"gke shared", plugin, "nvidia1/vgpu2", gpu1, ""},
		{"gke mig shared", plugin, "nvidia0/gi5/vgpu0", mig0b, ""},
		{"gke unknown instance", plugin, "nvidia0/gi4", "", "unknown_id"},
		{"gke instance with two compute instances", plugin, "nvidia2/gi3", "", "unknown_id"},
		{"gke in the wrong order", plugin, "nvidia0/vgpu0/gi3", "", "unknown_id"},
		{"gke nothing", plugin, "nvidia", "", "unknown_id"},
		{"hami", plugin, gpu1 + "-4", gpu1, ""},
		{"hami mig", plugin, mig0a + "-0", mig0a, ""},
		{"dra", draDriver, "gpu-1", gpu1, ""},
		{"dra mig", draDriver, "gpu-0-mig-1g5gb-19-0", mig0a, ""},
		{"dra mig, profile with a dash", draDriver, "gpu-0-mig-2g10gb-me-14-2", mig0b, ""},
		{"dra mig elsewhere", draDriver, "gpu-0-mig-1g5gb-19-1", "", "unknown_id"},
		{"dra mig without place", draDriver, "gpu-0-mig-19-0", "", "unknown_id"},
		{"dra passthrough", draDriver, "gpu-vfio-0", "", "unknown_id"},
		{"dra takes no uuid", draDriver, gpu1, "", "unknown_id"},
		{"plugin takes no dra name", plugin, "gpu-1", "", "unknown_id"},
		{"empty", plugin, "", "", "unknown_id"},
		{"another vendor", "rdma/hca", "0", "", "foreign"},
		{"another dra driver", "compute-domain.nvidia.com", "channel-0", "", "foreign"},
		{"a resource that only looks like ours", "nvidia.com/gpumem", "0", "", "foreign"},
		{"mig without profile", "nvidia.com/mig-", "0", "", "foreign"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, reason := resolve(test.resource, test.id, someDevices())
			if got != test.want || reason != test.reason {
				t.Errorf("resolve(%q, %q) = %q, %q; want %q, %q", test.resource, test.id, got, reason, test.want, test.reason)
			}
		})
	}
}

// FuzzResolve checks that whatever an id says, it names a device of this node or has a reason why not, and that the order
// in which the devices come does not matter.
func FuzzResolve(f *testing.F) {
	for _, id := range []string{
		gpu1, "0", gpu1 + "::3", mig0a, mig0a + "::1", "nvidia0", "nvidia0/gi3", "nvidia0/gi3/vgpu0", gpu1 + "-4", "::", "-",
	} {
		f.Add("nvidia.com/gpu", id)
	}
	f.Add(draDriver, "gpu-1")
	f.Add(draDriver, "gpu-0-mig-1g5gb-19-0")
	f.Add("rdma/hca", "0")
	devices := someDevices()
	reversed := slices.Clone(devices)
	slices.Reverse(reversed)
	f.Fuzz(func(t *testing.T, resource, id string) {
		got, reason := resolve(resource, id, devices)
		there := slices.ContainsFunc(devices, func(d node.Device) bool { return d.ID == got })
		switch {
		case reason == "" && !there:
			t.Errorf("resolve(%q, %q) = %q, which is no device", resource, id, got)
		case reason != "" && got != "":
			t.Errorf("resolve(%q, %q) = %q and yet %q", resource, id, got, reason)
		case reason != "" && reason != reasonForeign && reason != reasonUnknownID:
			t.Errorf("resolve(%q, %q): reason %q is not of the set", resource, id, reason)
		}
		if again, why := resolve(resource, id, reversed); again != got || why != reason {
			t.Errorf("resolve(%q, %q) = %q, %q; with the devices reversed %q, %q", resource, id, got, reason, again, why)
		}
		if none, why := resolve(resource, id, nil); none != "" || why == "" {
			t.Errorf("resolve(%q, %q) = %q, %q on a node without devices", resource, id, none, why)
		}
	})
}
