package sim

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	podresourcesv1 "k8s.io/kubelet/pkg/apis/podresources/v1"
	podsv1 "k8s.io/kubelet/pkg/apis/pods/v1alpha1"
)

// TestKubelet: its sockets tell of the pods it was given, each with what it holds.
func TestKubelet(t *testing.T) {
	held := HeldPod{
		Namespace: "ml", Name: "server-0", UID: "5e1f0000-0000-4000-8000-000000000001", Container: "vllm", Image: "vllm/vllm-openai:v0.11.0",
		IP: "127.0.0.1", Port: 8000, Devices: []string{"GPU-1::0"},
	}
	dir, err := os.MkdirTemp("", "sim")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	k, err := NewKubelet(dir, []HeldPod{held})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- k.Run(ctx) }()
	list, err := podresourcesv1.NewPodResourcesListerClient(dial(t, k.PodResourcesSocket())).List(t.Context(), &podresourcesv1.ListPodResourcesRequest{})
	if err != nil || len(list.GetPodResources()) != 1 {
		t.Fatalf("list: %v, %v", list, err)
	}
	container := list.GetPodResources()[0].GetContainers()[0]
	if device := container.GetDevices()[0]; container.GetName() != "vllm" || device.GetResourceName() != "nvidia.com/gpu" ||
		!cmp.Equal(device.GetDeviceIds(), held.Devices) {
		t.Errorf("container %v", container)
	}
	all, err := podsv1.NewPodsClient(dial(t, k.PodsSocket())).ListPods(t.Context(), &podsv1.ListPodsRequest{})
	if err != nil || len(all.GetPods()) != 1 {
		t.Fatalf("list pods: %v, %v", all, err)
	}
	var pod corev1.Pod
	if err := pod.Unmarshal(all.GetPods()[0]); err != nil {
		t.Fatal(err)
	}
	if c := pod.Spec.Containers[0]; pod.Status.PodIP != "127.0.0.1" || c.Image != held.Image || c.Ports[0].ContainerPort != 8000 ||
		pod.OwnerReferences[0].Name != "server-0" {
		t.Errorf("pod %v", &pod)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
}

func TestAKubeletNamesWhatAPodLacks(t *testing.T) {
	if _, err := NewKubelet("", nil); err == nil || !strings.Contains(err.Error(), "no directory") {
		t.Errorf("without a directory: %v", err)
	}
	if _, err := NewKubelet(t.TempDir(), []HeldPod{{Namespace: "ml", Name: "server-0"}}); err == nil || !strings.Contains(err.Error(), "server-0") {
		t.Errorf("without a container: %v", err)
	}
}
