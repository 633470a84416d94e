package sim

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresourcesv1 "k8s.io/kubelet/pkg/apis/podresources/v1"
	podsv1 "k8s.io/kubelet/pkg/apis/pods/v1alpha1"
)

// What the kubelet allows of unary calls, of all clients of a socket together.
const (
	callsPerSecond = 100
	callsAtOnce    = 10
)

func quantity(n int) *resource.Quantity { return resource.NewQuantity(int64(n), resource.DecimalSI) }

// resourcesServer is the pod-resources API, v1: names of pods and the ids of their devices, nothing else.
type resourcesServer struct {
	podresourcesv1.UnimplementedPodResourcesListerServer
	pods   *pods
	driver *Driver
}

// List is every active pod, with or without devices. Init containers are not in it.
func (s *resourcesServer) List(context.Context, *podresourcesv1.ListPodResourcesRequest) (*podresourcesv1.ListPodResourcesResponse, error) {
	out := &podresourcesv1.ListPodResourcesResponse{}
	for _, p := range s.pods.all() {
		if active(p.object) {
			out.PodResources = append(out.PodResources, s.resources(p))
		}
	}
	return out, nil
}

// GetAllocatableResources is what the node has.
func (s *resourcesServer) GetAllocatableResources(context.Context, *podresourcesv1.AllocatableResourcesRequest) (*podresourcesv1.AllocatableResourcesResponse, error) {
	out := &podresourcesv1.AllocatableResourcesResponse{}
	for g := range s.driver.all() {
		for _, id := range g.offered() {
			out.Devices = append(out.Devices, s.devices(g.resource(), id))
		}
	}
	for cpu := range int64(64) {
		out.CpuIds = append(out.CpuIds, cpu)
	}
	return out, nil
}

// Get is one pod.
func (s *resourcesServer) Get(_ context.Context, in *podresourcesv1.GetPodResourcesRequest) (*podresourcesv1.GetPodResourcesResponse, error) {
	for _, p := range s.pods.all() {
		if p.object.Name == in.GetPodName() && p.object.Namespace == in.GetPodNamespace() && active(p.object) {
			return &podresourcesv1.GetPodResourcesResponse{PodResources: s.resources(p)}, nil
		}
	}
	return nil, fmt.Errorf("pod %s in namespace %s not found", in.GetPodName(), in.GetPodNamespace())
}

func (s *resourcesServer) resources(p pod) *podresourcesv1.PodResources {
	out := &podresourcesv1.PodResources{Name: p.object.Name, Namespace: p.object.Namespace}
	for _, c := range p.containers {
		held := &podresourcesv1.ContainerResources{Name: c.name}
		for _, id := range c.devices {
			held.Devices = append(held.Devices, s.devices(c.resource, id))
		}
		out.Containers = append(out.Containers, held)
	}
	return out
}

// devices is one device as the device plugin names it; the upper half of the boards sits on the second NUMA node.
func (s *resourcesServer) devices(resource, id string) *podresourcesv1.ContainerDevices {
	var numa int64
	for g := range s.driver.all() {
		if strings.HasPrefix(id, string(g.device.ID)) && g.device.Minor >= (len(s.driver.gpus)+1)/2 {
			numa = 1
		}
	}
	return &podresourcesv1.ContainerDevices{
		ResourceName: resource, DeviceIds: []string{id},
		Topology: &podresourcesv1.TopologyInfo{Nodes: []*podresourcesv1.NUMANode{{ID: numa}}},
	}
}

// active says that a pod still holds its devices.
func active(p *corev1.Pod) bool {
	return p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}

// podsServer is the pods API, v1alpha1: whole pods as protobuf, and what happens to them.
type podsServer struct {
	podsv1.UnimplementedPodsServer
	pods *pods
}

// ListPods is every pod, ended ones included.
func (s *podsServer) ListPods(context.Context, *podsv1.ListPodsRequest) (*podsv1.ListPodsResponse, error) {
	out := &podsv1.ListPodsResponse{}
	for _, p := range s.pods.all() {
		out.Pods = append(out.Pods, encode(p.object))
	}
	return out, nil
}

// GetPod is one pod.
func (s *podsServer) GetPod(_ context.Context, in *podsv1.GetPodRequest) (*podsv1.GetPodResponse, error) {
	for _, p := range s.pods.all() {
		if string(p.object.UID) == in.GetPodUID() {
			return &podsv1.GetPodResponse{Pod: encode(p.object)}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "pod with UID %q not found", in.GetPodUID())
}

// WatchPods sends every pod as ADDED, then INITIAL_SYNC_COMPLETE, then what happens.
func (s *podsServer) WatchPods(_ *podsv1.WatchPodsRequest, stream grpc.ServerStreamingServer[podsv1.WatchPodsEvent]) error {
	now, events, cancel := s.pods.watch()
	defer cancel()
	for _, b := range now {
		if err := stream.Send(&podsv1.WatchPodsEvent{Type: podsv1.EventType_ADDED, Pod: b}); err != nil {
			return err
		}
	}
	if err := stream.Send(&podsv1.WatchPodsEvent{Type: podsv1.EventType_INITIAL_SYNC_COMPLETE}); err != nil {
		return err
	}
	for {
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case event, ok := <-events:
			if !ok {
				return status.Error(codes.ResourceExhausted, "the watcher was too slow")
			}
			if err := stream.Send(event); err != nil {
				return err
			}
		}
	}
}

// limiter is a token bucket in front of the unary calls of a socket.
type limiter struct {
	mu     sync.Mutex
	tokens float64
	at     time.Time
}

func (l *limiter) allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.at.IsZero() {
		l.tokens = callsAtOnce
	} else {
		l.tokens = min(callsAtOnce, l.tokens+now.Sub(l.at).Seconds()*callsPerSecond)
	}
	l.at = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

// newServer returns a gRPC server that refuses what is over the kubelet's limit.
func newServer() *grpc.Server {
	l := &limiter{}
	return grpc.NewServer(grpc.WaitForHandlers(true), grpc.UnaryInterceptor(
		func(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if !l.allow() {
				name := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
				return nil, status.Errorf(codes.ResourceExhausted, "failed to %s: rejected by rate limit", name)
			}
			return next(ctx, in)
		}))
}
