package kubelet

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"gpusignal/node"
)

// FuzzList takes any bytes as the kubelet's answers, one after the other, all the way to claims: they name devices of this
// node and containers of the list only, weigh something, and come once each and in order; each device without one has one reason.
func FuzzList(f *testing.F) {
	codec := encoding.GetCodecV2("proto")
	share := "s"
	dynamic := holdsDRA("d", "gpu-1", "gpu-0-mig-1g5gb-19-0", "board-b")
	dynamic.Containers[0].DynamicResources[0].ClaimResources[0].ShareId = &share
	for _, pods := range [][]*podresources.PodResources{
		{holds("a", gpu1), holds("b", gpu1+"::0", gpu1+"::1"), holds("plain")},
		{holds("a", gpu1), holds("c", gpu1), dynamic},
		{holds("a", "", "::", "nvidia0/gi3", "0", mig0a+"-4"), {Containers: []*podresources.ContainerResources{{}}}, {}},
	} {
		encoded, err := codec.Marshal(&podresources.ListPodResourcesResponse{PodResources: pods})
		if err != nil {
			f.Fatal(err)
		}
		data := encoded.Materialize()
		f.Add(data, data[:len(data)/2], false)
		f.Add([]byte{}, data, true)
	}
	devices := someDevices()
	index := sliceIndex{poolDevice{"n", "board-b"}: {uuid: gpu1}}
	f.Fuzz(func(t *testing.T, first, second []byte, anew bool) {
		var m mapping
		var j joiner
		at := time.Now()
		for _, data := range [][]byte{first, second} {
			var answer podresources.ListPodResourcesResponse
			if codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, &answer) != nil {
				return
			}
			at = at.Add(time.Second)
			m.list(at, listing{allocations: allocations(&answer), pods: len(answer.GetPodResources()), anew: anew}, false)
			for _, view := range []*podView{{}, live(pod("a", "1", "Running"), pod("c", "2", "Failed"))} {
				checkJoined(t, &m, j.join(m.held, devices, view, index), devices)
			}
		}
	})
}

// checkJoined holds what was made of a list to what must be true of it.
func checkJoined(t *testing.T, m *mapping, got joined, devices []node.Device) {
	t.Helper()
	holder := func(c node.ContainerID) bool {
		return slices.ContainsFunc(m.held, func(h holding) bool {
			return h.namespace == c.Pod.Namespace && h.pod == c.Pod.Name && h.container == c.Name
		})
	}
	for i, claim := range got.claims {
		switch {
		case !slices.ContainsFunc(devices, func(d node.Device) bool { return d.ID == claim.Device }):
			t.Errorf("a claim of %q, which is no device", claim.Device)
		case claim.Weight <= 0:
			t.Errorf("a claim weighs %d", claim.Weight)
		case !holder(claim.Container):
			t.Errorf("a claim of %v, which the kubelet does not list", claim.Container)
		case i > 0 && compareClaims(got.claims[i-1], claim) >= 0:
			t.Errorf("claims %v and %v are double or out of order", got.claims[i-1], claim)
		}
	}
	told := map[string]int{}
	for _, u := range ownerless(devices, got.claims, got.left, lackOf(true, true, false, got.unknown)) {
		told[u.Device]++
		if u.Reason == "" || u.Detail == "" {
			t.Errorf("of %s is told %q, %q", u.Device, u.Reason, u.Detail)
		}
	}
	for _, d := range devices {
		claimed := slices.ContainsFunc(got.claims, func(c node.Claim) bool { return c.Device == d.ID })
		if n := told[string(d.ID)]; n > 1 || claimed == (n == 1) {
			t.Errorf("%s is claimed: %v, and told of %d times", d.ID, claimed, n)
		}
	}
	for _, u := range got.odd {
		if u.Reason != reasonUnknownID && u.Reason != reasonConflict {
			t.Errorf("an id is told as %q", u.Reason)
		}
	}
}
