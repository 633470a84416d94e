package sim

import (
	"strings"
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
		if strings.HasPrefix(p.GetName(), "train-") {
			t.Errorf("the ended pod %s still holds its devices", p.GetName())
		}
		for _, c := range p.GetContainers() {
			for _, d := range c.GetDevices() {
				held[d.GetDeviceIds()[0]] = p.GetNamespace() + "/" + c.GetName() + " " + d.GetResourceName()
			}
		}
	}
	all, err := c.GetAllocatableResources(t.Context(), &podresourcesv1.AllocatableResourcesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	label := map[string]string{}
	for g := range n.driver.all() {
		label[string(g.device.ID)] = g.device.Label()
	}
	got := map[string]string{}
	for _, d := range all.GetDevices() {
		id, replica, _ := strings.Cut(d.GetDeviceIds()[0], "::")
		got[strings.TrimRight(label[id]+" "+replica, " ")] = held[d.GetDeviceIds()[0]]
	}
	if diff := cmp.Diff(map[string]string{
		"0":   "chat/vllm nvidia.com/gpu",
		"1 0": "vision/triton nvidia.com/gpu.shared", "1 1": "translate/vllm nvidia.com/gpu.shared", "1 2": "research/notebook nvidia.com/gpu.shared", "1 3": "",
		"2:2": "documents/vllm nvidia.com/mig-3g.40gb", "2:5": "documents/triton nvidia.com/mig-2g.20gb", "2:13": "",
		"3 0": "speech/features nvidia.com/gpu.shared", "3 1": "speech/triton nvidia.com/gpu.shared",
		"4": "reason/vllm nvidia.com/gpu", "5": "reason/vllm nvidia.com/gpu", "6": "", "7": "",
	}, got); diff != "" {
		t.Errorf("holders of what the device plugin offers (-want +got):\n%s", diff)
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
	object := (&podSpec{namespace: "ns", name: "p", uid: "u", ready: true}).build("n")
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
