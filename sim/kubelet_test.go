package sim

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	podresourcesv1 "k8s.io/kubelet/pkg/apis/podresources/v1"
	podsv1 "k8s.io/kubelet/pkg/apis/pods/v1alpha1"
)

// checkResources asks for the holders of the devices, after the Job has ended.
func checkResources(t *testing.T, n *Node) {
	t.Helper()
	c := podresourcesv1.NewPodResourcesListerClient(dial(t, n.PodResourcesSocket()))
	list, err := c.List(t.Context(), &podresourcesv1.ListPodResourcesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]string{}
	for _, p := range list.GetPodResources() {
		if p.GetNamespace() == "research" {
			t.Errorf("the ended pod %s still holds its devices", p.GetName())
		}
		for _, d := range p.GetContainers()[0].GetDevices() {
			if d.GetResourceName() != "nvidia.com/gpu" {
				t.Errorf("resource %q", d.GetResourceName())
			}
			held[d.GetDeviceIds()[0]] = p.GetNamespace()
		}
	}
	var got []string
	for _, g := range n.driver.gpus {
		got = append(got, held[string(g.device.ID)])
	}
	if diff := cmp.Diff([]string{"chat", "chat", "vision", "vision", "chat", "", "", ""}, got); diff != "" {
		t.Errorf("holders of the devices (-want +got):\n%s", diff)
	}
	all, err := c.GetAllocatableResources(t.Context(), &podresourcesv1.AllocatableResourcesRequest{})
	if err != nil || len(all.GetDevices()) != 8 {
		t.Errorf("allocatable: %v, %v", all, err)
	}
	one := list.GetPodResources()[0]
	got1, err := c.Get(t.Context(), &podresourcesv1.GetPodResourcesRequest{PodName: one.GetName(), PodNamespace: one.GetNamespace()})
	if err != nil || got1.GetPodResources().String() != one.String() {
		t.Errorf("get: %v, %v", got1, err)
	}
	if _, err := c.Get(t.Context(), &podresourcesv1.GetPodResourcesRequest{PodName: "nobody"}); err == nil {
		t.Error("a pod that is not there was found")
	}
	missing := &podsv1.GetPodRequest{PodUID: "nobody"}
	if _, err := podsv1.NewPodsClient(dial(t, n.PodsSocket())).GetPod(t.Context(), missing); status.Code(err) != codes.NotFound {
		t.Errorf("get of a pod that is not there: %v", err)
	}
}

func TestLimiter(t *testing.T) {
	l := &limiter{}
	allowed := 0
	for range 1000 {
		if l.allow() {
			allowed++
		}
	}
	if allowed < callsAtOnce || allowed > 2*callsAtOnce {
		t.Errorf("%d calls at once were allowed, want about %d", allowed, callsAtOnce)
	}
}

func TestSlowWatcherIsDropped(t *testing.T) {
	p := newPods(nil)
	object := podSpec{namespace: "ns", name: "p", uid: "u", ready: true}.build("n")
	p.add(object)
	now, events, cancel := p.watch()
	defer cancel()
	for range watchBuffer + 5 {
		p.change("u", func(*corev1.Pod) {})
	}
	got := 0
	for range events { // Ends, because the channel was closed.
		got++
	}
	if len(now) != 1 || got != watchBuffer {
		t.Errorf("%d pods and %d events before the watcher was dropped", len(now), got)
	}
}
