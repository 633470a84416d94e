package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podresourcesv1 "k8s.io/kubelet/pkg/apis/podresources/v1"
	podsv1 "k8s.io/kubelet/pkg/apis/pods/v1alpha1"
)

// kubeletServer speaks the kubelet's protocols, pod-resources and the Pods API, about pods that a test adds and deletes.
type kubeletServer struct {
	podresourcesv1.UnimplementedPodResourcesListerServer
	podsv1.UnimplementedPodsServer

	mu       sync.Mutex
	pods     map[string]*corev1.Pod
	ids      map[string]string
	watchers map[chan *podsv1.WatchPodsEvent]bool
}

// servedPod is a pod of one container, "main", that holds one device.
type servedPod struct{ name, uid, id, container string }

func newKubeletServer() *kubeletServer {
	return &kubeletServer{
		pods: make(map[string]*corev1.Pod), ids: make(map[string]string), watchers: make(map[chan *podsv1.WatchPodsEvent]bool),
	}
}

func (k *kubeletServer) add(p servedPod) {
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ml", Name: p.name, UID: types.UID(p.uid)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}},
		Status: corev1.PodStatus{
			Phase:             corev1.PodRunning,
			ContainerStatuses: []corev1.ContainerStatus{{Name: "main", ContainerID: "containerd://" + p.container}},
		},
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pods[p.uid], k.ids[p.uid] = object, p.id
	k.tellWatchers(podsv1.EventType_ADDED, object)
}

func (k *kubeletServer) succeed(uid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	object := k.pods[uid].DeepCopy()
	object.Status.Phase = corev1.PodSucceeded
	k.pods[uid] = object
	k.tellWatchers(podsv1.EventType_MODIFIED, object)
}

func (k *kubeletServer) delete(uid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	object := k.pods[uid]
	delete(k.pods, uid)
	delete(k.ids, uid)
	k.tellWatchers(podsv1.EventType_DELETED, object)
}

// tellWatchers as the kubelet does: a watcher that lags too far behind is dropped, and lists again. The caller holds mu.
func (k *kubeletServer) tellWatchers(kind podsv1.EventType, object *corev1.Pod) {
	event := &podsv1.WatchPodsEvent{Type: kind, Pod: encodePod(object)}
	for w := range k.watchers {
		select {
		case w <- event:
		default:
			delete(k.watchers, w)
			close(w)
		}
	}
}

func encodePod(object *corev1.Pod) []byte {
	data, err := object.Marshal()
	if err != nil {
		panic(err)
	}
	return data
}

// List tells of the pods that are active, as kubelets from 1.34 on do.
func (k *kubeletServer) List(context.Context, *podresourcesv1.ListPodResourcesRequest) (*podresourcesv1.ListPodResourcesResponse, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	answer := &podresourcesv1.ListPodResourcesResponse{}
	for uid, object := range k.pods {
		if object.Status.Phase == corev1.PodSucceeded {
			continue
		}
		answer.PodResources = append(answer.PodResources, &podresourcesv1.PodResources{
			Name: object.Name, Namespace: object.Namespace, Containers: []*podresourcesv1.ContainerResources{{
				Name: "main", Devices: []*podresourcesv1.ContainerDevices{{ResourceName: "nvidia.com/gpu", DeviceIds: []string{k.ids[uid]}}},
			}},
		})
	}
	return answer, nil
}

// WatchPods tells of the pods that are there, and then of what changes.
func (k *kubeletServer) WatchPods(_ *podsv1.WatchPodsRequest, stream grpc.ServerStreamingServer[podsv1.WatchPodsEvent]) error {
	events := make(chan *podsv1.WatchPodsEvent, 100)
	var first []*podsv1.WatchPodsEvent
	k.mu.Lock()
	for _, object := range k.pods {
		first = append(first, &podsv1.WatchPodsEvent{Type: podsv1.EventType_ADDED, Pod: encodePod(object)})
	}
	k.watchers[events] = true
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		delete(k.watchers, events)
		k.mu.Unlock()
	}()
	first = append(first, &podsv1.WatchPodsEvent{Type: podsv1.EventType_INITIAL_SYNC_COMPLETE})
	for _, event := range first {
		if err := stream.Send(event); err != nil {
			return err
		}
	}
	for {
		select {
		case <-stream.Context().Done():
			return nil
		case event, ok := <-events:
			if !ok {
				return nil
			}
			if err := stream.Send(event); err != nil {
				return err
			}
		}
	}
}

// kubeletSockets are where the server listens, and what ends it.
type kubeletSockets struct {
	resources, pods string
	stop            func()
}

// serve listens on sockets of its own until they are stopped.
func (k *kubeletServer) serve(t *testing.T) kubeletSockets {
	t.Helper()
	dir, err := os.MkdirTemp("", "gs") // Short enough for a socket.
	if err != nil {
		t.Fatal(err)
	}
	s := kubeletSockets{resources: filepath.Join(dir, "r.sock"), pods: filepath.Join(dir, "p.sock")}
	var wg sync.WaitGroup
	var servers []*grpc.Server
	for path, register := range map[string]func(*grpc.Server){
		s.resources: func(g *grpc.Server) { podresourcesv1.RegisterPodResourcesListerServer(g, k) },
		s.pods:      func(g *grpc.Server) { podsv1.RegisterPodsServer(g, k) },
	} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		register(server)
		servers = append(servers, server)
		wg.Go(func() { _ = server.Serve(l) })
	}
	s.stop = sync.OnceFunc(func() {
		for _, server := range servers {
			server.Stop()
		}
		wg.Wait()
		_ = os.RemoveAll(dir)
	})
	t.Cleanup(s.stop)
	return s
}
