package kubelet

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"gpusignal/node"
)

func pod(name, uid, phase string) node.Pod {
	return node.Pod{ID: node.PodID{UID: uid, Namespace: "default", Name: name}, Phase: phase}
}

// withoutDetail compares what is told by device and reason alone.
var withoutDetail = cmpopts.IgnoreFields(node.Unmapped{}, "Detail")

func live(pods ...node.Pod) *podView { return &podView{pods: pods, live: true} }

// held is what the kubelet lists.
func held(pods ...*podresources.PodResources) []holding {
	var m mapping
	for _, a := range allocations(&podresources.ListPodResourcesResponse{PodResources: pods}) {
		m.held = append(m.held, holding{allocation: a})
	}
	return m.held
}

// TestJoinLifeOfAPod plays what the kubelet lists against what the pods source says, step by step.
func TestJoinLifeOfAPod(t *testing.T) {
	a := held(holds("a", gpu0))
	var j joiner
	for _, step := range []struct {
		what string
		held []holding
		view *podView
		want string
	}{
		{"no pods source yet", a, &podView{}, "a/main GPU-0+"},
		{"the list is ahead of the pods source", a, live(), "a/main GPU-0+"},
		{"the pod arrives", a, live(pod("a", "1", "Pending")), "a(1)/main GPU-0+"},
		{"the pods source is lost", a, &podView{pods: []node.Pod{pod("a", "1", "Running")}}, "a(1)/main GPU-0+"},
		{"it comes back", a, live(pod("a", "1", "Running")), "a(1)/main GPU-0+"},
		{"the pod ends", a, live(pod("a", "1", "Succeeded")), ""},
		{"the list lags behind its deletion", a, live(), ""},
		{"and goes on to", a, live(), ""},
		{"another pod of the name", a, live(pod("a", "2", "Running")), "a(2)/main GPU-0+"},
		{"beside the old one", a, live(pod("a", "1", "Failed"), pod("a", "2", "Running")), "a(2)/main GPU-0+"},
		{"in the other order", a, live(pod("a", "2", "Running"), pod("a", "3", "Failed")), "a(2)/main GPU-0+"},
		{"the known one of two", a, live(pod("a", "2", "Running"), pod("a", "9", "Running")), "a(2)/main GPU-0+"},
		{"the list forgets it", nil, live(pod("a", "2", "Running")), ""},
		{"the name comes back while the source is lost", a, &podView{pods: []node.Pod{pod("a", "2", "Running")}}, "a/main GPU-0+"},
	} {
		if got := render(j.join(step.held, twoGPUs(), step.view, nil).claims); got != step.want {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
	}
}

func TestJoinManyToMany(t *testing.T) {
	share := "share-1"
	dynamic := func(names ...string) []*podresources.DynamicResource {
		claim := &podresources.DynamicResource{ClaimName: "c", ClaimNamespace: "default"}
		for _, name := range names {
			claim.ClaimResources = append(claim.ClaimResources, &podresources.ClaimResource{
				DriverName: draDriver, PoolName: "n", DeviceName: name,
				// A kubelet up to 1.37.2 repeats the CDI devices of earlier devices of the claim.
				CdiDevices: []*podresources.CDIDevice{{Name: "x"}, {Name: "y"}},
			})
		}
		return []*podresources.DynamicResource{claim}
	}
	shared := dynamic("gpu-0", "gpu-0")
	shared[0].ClaimResources[1].ShareId = &share
	plugin := func(resource string, ids ...string) *podresources.ContainerDevices {
		return &podresources.ContainerDevices{ResourceName: resource, DeviceIds: ids}
	}
	answer := []*podresources.PodResources{
		holds("plain"),
		{Name: "z", Namespace: "default", Containers: []*podresources.ContainerResources{
			{Name: "sidecar", Devices: []*podresources.ContainerDevices{plugin("nvidia.com/gpu", gpu0+"::7")}},
			{Name: "main", Devices: []*podresources.ContainerDevices{
				plugin("nvidia.com/gpu", gpu0+"::1", gpu1), // two NUMA nodes
				plugin("nvidia.com/gpu", gpu0+"::2"),
				plugin("rdma/hca", "0"),
			}},
		}},
		{Name: "dra", Namespace: "default", Containers: []*podresources.ContainerResources{
			{Name: "both", DynamicResources: dynamic("gpu-1", "gpu-0")},
			{Name: "double", DynamicResources: dynamic("gpu-1"), Devices: []*podresources.ContainerDevices{plugin("nvidia.com/gpu", gpu1)}},
			{Name: "shares", DynamicResources: shared},
			{Name: "vfio", DynamicResources: dynamic("gpu-vfio-0")},
		}},
		holds("odd", "GPU-99999999-7777-8888-9999-aaaaaaaaaaaa"),
	}
	var j joiner
	got := j.join(held(answer...), twoGPUs(), &podView{}, nil)
	const want = "dra/both GPU-0+, dra/both GPU-1+, dra/double GPU-1+, dra/shares GPU-0++, " +
		"z/main GPU-0++, z/main GPU-1+, z/sidecar GPU-0+"
	if claims := render(got.claims); claims != want {
		t.Errorf("claims\n got %s\nwant %s", claims, want)
	}
	if !got.unresolved {
		t.Error("a DRA device that is none of this node's does not ask for resource slices")
	}
	wantUnknown := []node.Unmapped{
		{Device: gpu1, Reason: "conflict"},
		{Device: "GPU-99999999-7777-8888-9999-aaaaaaaaaaaa", Reason: "unknown_id"},
		{Device: "gpu-vfio-0", Reason: "unknown_id"},
	}
	if diff := cmp.Diff(wantUnknown, got.odd, withoutDetail); diff != "" {
		t.Errorf("unknown ids (-want +got):\n%s", diff)
	}
}

// TestDuplicates checks that what the kubelet lists twice is held once: an id, a container, a pod.
func TestDuplicates(t *testing.T) {
	twice := holds("a", gpu0, gpu0, gpu1+"::0", gpu1+"::0", gpu1+"::1")
	twice.Containers = append(twice.Containers, twice.Containers[0])
	var j joiner
	got := j.join(held(twice, twice, holds("a", gpu0)), twoGPUs(), live(pod("a", "1", "Running"), pod("a", "1", "Running")), nil)
	if claims := render(got.claims); claims != "a(1)/main GPU-0+, a(1)/main GPU-1++" || len(got.odd) > 0 {
		t.Errorf("claims %q, told %v", claims, got.odd)
	}
}

// TestOwnerless holds each device without a claim to one reason.
func TestOwnerless(t *testing.T) {
	devices := []node.Device{gpu(0, gpu0), gpu(1, gpu1), mig(0, 1, 19, 0, mig0a, gpu0), mig(0, 2, 19, 1, mig0b, gpu0)}
	claims := []node.Claim{{Device: mig0a, Weight: 1}}
	left := map[node.DeviceID]string{gpu1: "default/a has ended", mig0a: "an earlier pod", gpu0: "nonsense"}
	for _, test := range []struct {
		what                    string
		listed, fresh, doubtful bool
		gpu1, mig0b             string
	}{
		{"good lists", true, true, false, reasonEnded, reasonUnclaimed},
		{"a kubelet that has just restarted", true, true, true, reasonEnded, reasonRestarted},
		{"a kubelet that is silent", true, false, true, reasonSourceDown, reasonSourceDown},
		{"a kubelet that never answered", false, false, false, reasonSourceDown, reasonSourceDown},
	} {
		want := []node.Unmapped{
			{Device: gpu0, Reason: reasonDivided}, {Device: gpu1, Reason: test.gpu1}, {Device: mig0b, Reason: test.mig0b},
		}
		got := ownerless(devices, claims, left, lackOf(test.listed, test.fresh, test.doubtful, false))
		if diff := cmp.Diff(want, got, withoutDetail); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.what, diff)
		}
		for _, u := range got {
			if u.Detail == "" {
				t.Errorf("%s: nothing is told of %s (%s)", test.what, u.Device, u.Reason)
			}
		}
	}
}
