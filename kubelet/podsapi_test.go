package kubelet

import (
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podsapi "k8s.io/kubelet/pkg/apis/pods/v1alpha1"
)

// podsServer is a Pods API whose pods the test sets. Like the kubelet's it begins a watch with all pods.
type podsServer struct {
	podsapi.UnimplementedPodsServer

	mu      sync.Mutex
	pods    map[string]*corev1.Pod
	refuse  error // what a watch is refused with
	watches int
	events  map[chan func(podsapi.Pods_WatchPodsServer) error]bool
}

func newPodsServer(pods ...*corev1.Pod) *podsServer {
	s := &podsServer{pods: map[string]*corev1.Pod{}, events: map[chan func(podsapi.Pods_WatchPodsServer) error]bool{}}
	for _, pod := range pods {
		s.pods[string(pod.UID)] = pod
	}
	return s
}

func (s *podsServer) register(g *grpc.Server) { podsapi.RegisterPodsServer(g, s) }

func (s *podsServer) WatchPods(_ *podsapi.WatchPodsRequest, stream podsapi.Pods_WatchPodsServer) error {
	s.mu.Lock()
	s.watches++
	if s.refuse != nil {
		defer s.mu.Unlock()
		return s.refuse
	}
	var first []*corev1.Pod
	for _, pod := range s.pods {
		first = append(first, pod)
	}
	events := make(chan func(podsapi.Pods_WatchPodsServer) error, 100)
	s.events[events] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.events, events)
		s.mu.Unlock()
	}()
	for _, pod := range first {
		if err := sendPod(stream, podsapi.EventType_ADDED, pod); err != nil {
			return err
		}
	}
	if err := stream.Send(&podsapi.WatchPodsEvent{Type: podsapi.EventType_INITIAL_SYNC_COMPLETE}); err != nil {
		return err
	}
	for {
		select {
		case <-stream.Context().Done():
			return nil
		case event := <-events:
			if err := event(stream); err != nil {
				return err
			}
		}
	}
}

func sendPod(stream podsapi.Pods_WatchPodsServer, kind podsapi.EventType, pod *corev1.Pod) error {
	data, err := pod.Marshal()
	if err != nil {
		return err
	}
	return stream.Send(&podsapi.WatchPodsEvent{Type: kind, Pod: data})
}

// each has every watch do something.
func (s *podsServer) each(event func(podsapi.Pods_WatchPodsServer) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for events := range s.events {
		events <- event
	}
}

// put adds or changes a pod.
func (s *podsServer) put(pod *corev1.Pod) {
	s.mu.Lock()
	s.pods[string(pod.UID)] = pod
	s.mu.Unlock()
	s.each(func(stream podsapi.Pods_WatchPodsServer) error {
		return sendPod(stream, podsapi.EventType_MODIFIED, pod)
	})
}

// remove deletes a pod; its event names it and no more.
func (s *podsServer) remove(pod *corev1.Pod) {
	s.mu.Lock()
	delete(s.pods, string(pod.UID))
	s.mu.Unlock()
	bare := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}}
	s.each(func(stream podsapi.Pods_WatchPodsServer) error {
		return sendPod(stream, podsapi.EventType_DELETED, bare)
	})
}

// deny sets what watches are refused with from now on, nil for nothing.
func (s *podsServer) deny(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

// podsStream is one watch, as the server sees it.
type podsStream = podsapi.Pods_WatchPodsServer

// watching returns how many watches are under way.
func (s *podsServer) watching() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

// watched returns how many watches were ever asked for.
func (s *podsServer) watched() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watches
}

// corePod is a pod in a phase.
func corePod(name, uid string, phase corev1.PodPhase) *corev1.Pod {
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(uid), ResourceVersion: "1"},
		Spec:       corev1.PodSpec{NodeName: "n"},
		Status:     corev1.PodStatus{Phase: phase, PodIP: "10.0.0.1"},
	}
}

// podsOf renders pods as "name(uid) phase".
func podsOf(k *Kubelet) string {
	var words []string
	for _, pod := range k.Pods(time.Now()) {
		words = append(words, pod.ID.Name+"("+pod.ID.UID+") "+pod.Phase)
	}
	return strings.Join(words, ", ")
}

// TestPodsFromTheSocket goes through what happens to pods while the kubelet's list stays as it is.
func TestPodsFromTheSocket(t *testing.T) {
	resourcesPath, podsPath := socketPath(t, "kubelet.sock"), socketPath(t, "pods-api.sock")
	list := &resources{}
	list.set(nil, holds("a", gpu0), holds("b", gpu1))
	serve(t, resourcesPath, list.register)
	a, b := corePod("a", "1", corev1.PodRunning), corePod("b", "2", corev1.PodRunning)
	pods := newPodsServer(a, b)
	pods.deny(status.Error(codes.FailedPrecondition, "pod sources are not ready"))
	serve(t, podsPath, pods.register)
	k := start(t, Config{PodResourcesSocket: resourcesPath, PodsSocket: podsPath, PodsMode: "auto"})
	eventually(t, "names only", func() bool { return claimsOf(k.Kubelet) == "a/main GPU-0+, b/main GPU-1+" })
	eventually(t, "the kubelet is not ready", func() bool {
		h := health(k.Kubelet, "pods")
		return !h.Up && strings.Contains(h.Detail, "not ready yet") && strings.Contains(h.Detail, "--kubernetes.pods=off")
	})
	if got := podsOf(k.Kubelet); got != "a() , b() " {
		t.Errorf("pods by name are %q", got)
	}

	pods.deny(nil)
	eventually(t, "uids", func() bool { return claimsOf(k.Kubelet) == "a(1)/main GPU-0+, b(2)/main GPU-1+" })
	if got := podsOf(k.Kubelet); got != "a(1) Running, b(2) Running" {
		t.Errorf("pods are %q", got)
	}
	if h := health(k.Kubelet, "pods"); !h.Up || !strings.Contains(h.Detail, "pods-api socket") {
		t.Errorf("health %+v", h)
	}

	pods.remove(a)
	eventually(t, "the claim of a deleted pod is gone", func() bool { return claimsOf(k.Kubelet) == "b(2)/main GPU-1+" })
	pods.put(corePod("a", "3", corev1.PodPending))
	eventually(t, "another pod of the name has another claim", func() bool {
		return claimsOf(k.Kubelet) == "a(3)/main GPU-0+, b(2)/main GPU-1+"
	})
	pods.put(corePod("b", "2", corev1.PodFailed))
	eventually(t, "the claim of an ended pod is gone", func() bool { return claimsOf(k.Kubelet) == "a(3)/main GPU-0+" })

	list.set(nil)
	list.listsMore(t)
	if got := claimsOf(k.Kubelet); got != "a(3)/main GPU-0+" {
		t.Errorf("after an empty list, with the pod known to live, the claims are %q", got)
	}
	pods.remove(corePod("a", "3", corev1.PodRunning))
	eventually(t, "its end is believed at once", func() bool { return claimsOf(k.Kubelet) == "" })
}

// TestPodEventHasTheKubeletAsked checks that an event brings a list at once, and that many events do not bring as many.
func TestPodEventHasTheKubeletAsked(t *testing.T) {
	resourcesPath, podsPath := socketPath(t, "kubelet.sock"), socketPath(t, "pods-api.sock")
	list := &resources{}
	list.set(nil)
	serve(t, resourcesPath, list.register)
	pods := newPodsServer()
	serve(t, podsPath, pods.register)
	k := New(Config{
		PodResourcesSocket: resourcesPath, PodsSocket: podsPath, PodsMode: "kubelet", Interval: time.Hour, Devices: twoGPUs,
		Logger: (&logBook{}).logger(),
	})
	run(t, k)
	eventually(t, "the pods are synced", func() bool { return health(k, "pods").Up })
	eventually(t, "the first list", func() bool { return list.lists() > 0 })
	list.set(nil, holds("a", gpu0))
	for range 50 {
		pods.put(corePod("a", "1", corev1.PodRunning))
	}
	eventually(t, "the claim", func() bool { return claimsOf(k) == "a(1)/main GPU-0+" })
	if got := list.lists(); got > 10 {
		t.Errorf("50 events brought %d lists", got)
	}
}

// TestDroppedWatchListsAgain checks that a watch that the kubelet dropped is begun anew and loses no deletion.
func TestDroppedWatchListsAgain(t *testing.T) {
	podsPath := socketPath(t, "pods-api.sock")
	a, b := corePod("a", "1", corev1.PodRunning), corePod("b", "2", corev1.PodRunning)
	pods := newPodsServer(a, b)
	serve(t, podsPath, pods.register)
	k := start(t, Config{PodResourcesSocket: podsPath, PodsSocket: podsPath, PodsMode: "kubelet"})
	eventually(t, "both pods", func() bool { return podsOf(k.Kubelet) == "a(1) Running, b(2) Running" })
	pods.mu.Lock()
	delete(pods.pods, "1")
	pods.mu.Unlock()
	pods.each(func(podsapi.Pods_WatchPodsServer) error {
		return status.Error(codes.ResourceExhausted, "watcher is too slow")
	})
	eventually(t, "the deletion is seen", func() bool { return podsOf(k.Kubelet) == "b(2) Running" })
	if h := health(k.Kubelet, "pods"); !h.Up || h.Failures != 0 {
		t.Errorf("a dropped watch counts as a failure: %+v", h)
	}
	if got := pods.watched(); got != 2 {
		t.Errorf("%d watches, want 2", got)
	}
}

// TestGarbledPod checks that a pod that cannot be read is a fault, not a pod, and that pods live on until their age ends.
func TestGarbledPod(t *testing.T) {
	podsPath := socketPath(t, "pods-api.sock")
	pods := newPodsServer(corePod("a", "1", corev1.PodRunning))
	kill := serve(t, podsPath, pods.register)
	k := start(t, Config{PodResourcesSocket: podsPath, PodsSocket: podsPath, PodsMode: "kubelet"})
	eventually(t, "the pod", func() bool { return podsOf(k.Kubelet) == "a(1) Running" })
	pods.each(func(stream podsapi.Pods_WatchPodsServer) error {
		return stream.Send(&podsapi.WatchPodsEvent{Type: podsapi.EventType_ADDED, Pod: []byte{0xff}})
	})
	eventually(t, "another watch", func() bool { return pods.watched() > 1 && health(k.Kubelet, "pods").Up })
	kill()
	eventually(t, "the loss", func() bool { return !health(k.Kubelet, "pods").Up })
	if got := podsOf(k.Kubelet); got != "a(1) Running" {
		t.Errorf("pods became %q", got)
	}
	if got := k.Pods(time.Now().Add(2 * time.Minute)); len(got) != 0 {
		t.Errorf("after two minutes pods are %v, want names of claims alone, and there are none", got)
	}
}
