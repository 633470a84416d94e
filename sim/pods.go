package sim

import (
	"slices"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	podsv1 "k8s.io/kubelet/pkg/apis/pods/v1alpha1"
)

// pods are the pods that the kubelet knows, and the watchers of them.
type pods struct {
	log *truth

	mu       sync.Mutex
	list     []*pod // in the order in which they came
	version  int
	watchers map[chan *podsv1.WatchPodsEvent]struct{}
}

// pod is a pod and what its containers hold.
type pod struct {
	object     *corev1.Pod
	containers []container
}

// watchBuffer is how far a watcher may lag behind before the kubelet drops it.
const watchBuffer = 100

func newPods(log *truth) *pods {
	return &pods{log: log, version: 1000, watchers: map[chan *podsv1.WatchPodsEvent]struct{}{}}
}

// add makes a pod known.
func (p *pods) add(object *corev1.Pod, containers ...container) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, &pod{object, containers})
	p.tell(podsv1.EventType_ADDED, object)
}

// change changes a pod.
func (p *pods) change(uid types.UID, change func(*corev1.Pod)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.list {
		if one.object.UID == uid {
			change(one.object)
			p.tell(podsv1.EventType_MODIFIED, one.object)
		}
	}
}

// remove makes a pod unknown.
func (p *pods) remove(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, one := range p.list {
		if one.object.UID == uid {
			p.list = slices.Delete(p.list, i, i+1)
			p.tell(podsv1.EventType_DELETED, one.object)
			return
		}
	}
}

// tell gives an event to every watcher; one that lags too far behind is dropped, and finds its channel closed.
func (p *pods) tell(kind podsv1.EventType, object *corev1.Pod) {
	p.version++
	object.ResourceVersion = strconv.Itoa(p.version)
	phase := string(object.Status.Phase)
	if kind == podsv1.EventType_DELETED {
		phase = "Deleted"
	}
	p.log.event("pod", "pod", object.Namespace+"/"+object.Name, "phase", phase, "ready", isReady(object))
	event := &podsv1.WatchPodsEvent{Type: kind, Pod: encode(object)}
	for ch := range p.watchers {
		select {
		case ch <- event:
		default:
			delete(p.watchers, ch)
			close(ch)
		}
	}
}

// watch returns all pods as they are, and a channel of what happens to them from then on, until the cancel is called.
func (p *pods) watch() (now [][]byte, events <-chan *podsv1.WatchPodsEvent, cancel func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ch := make(chan *podsv1.WatchPodsEvent, watchBuffer)
	p.watchers[ch] = struct{}{}
	for _, one := range p.list {
		now = append(now, encode(one.object))
	}
	return now, ch, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watchers, ch)
	}
}

// all are copies of the pods.
func (p *pods) all() []pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]pod, len(p.list))
	for i, one := range p.list {
		out[i] = pod{one.object.DeepCopy(), one.containers}
	}
	return out
}

// encode is a pod in protobuf, as core/v1 marshals it. That cannot fail for an object in memory.
func encode(object *corev1.Pod) []byte {
	b, err := object.Marshal()
	if err != nil {
		return nil
	}
	return b
}
