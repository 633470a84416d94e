package sim

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// pod is a pod and the devices its first container holds.
type pod struct {
	object  *corev1.Pod
	devices []string
}

// watchBuffer is how far a watcher may lag behind before the kubelet drops it.
const watchBuffer = 100

func newPods(log *truth) *pods {
	return &pods{log: log, version: 1000, watchers: map[chan *podsv1.WatchPodsEvent]struct{}{}}
}

// add makes a pod known.
func (p *pods) add(object *corev1.Pod, devices ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, &pod{object, devices})
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
		out[i] = pod{one.object.DeepCopy(), one.devices}
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

// podSpec is what the pods of this node differ in.
type podSpec struct {
	namespace, name, uid string
	owner                metav1.OwnerReference
	hash                 string // pod-template-hash
	image, container     string
	args                 []string
	ports                []corev1.ContainerPort
	annotations, labels  map[string]string
	ip                   string
	hostNetwork          bool
	devices              []string
	initContainer        string
	started              time.Time
	ready                bool
}

// build makes the object that the kubelet would show of a running pod.
func (s podSpec) build(nodeName string) *corev1.Pod {
	yes := true
	s.owner.Controller, s.owner.BlockOwnerDeletion = &yes, &yes
	labels := maps.Clone(s.labels)
	if s.hash != "" {
		labels["pod-template-hash"] = s.hash
	}
	resources := corev1.ResourceRequirements{}
	if n := len(s.devices); n > 0 {
		resources.Limits = corev1.ResourceList{gpuResource: *quantity(n)}
		resources.Requests = resources.Limits
	}
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.namespace, Name: s.name, UID: types.UID(s.uid), Labels: labels, Annotations: s.annotations,
			CreationTimestamp: metav1.NewTime(s.started.Add(-20 * time.Second).Truncate(time.Second)),
			OwnerReferences:   []metav1.OwnerReference{s.owner},
		},
		Spec: corev1.PodSpec{
			NodeName: nodeName, HostNetwork: s.hostNetwork, RestartPolicy: corev1.RestartPolicyAlways,
			Containers: []corev1.Container{{Name: s.container, Image: s.image, Args: s.args, Ports: s.ports, Resources: resources}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: s.ip, PodIPs: []corev1.PodIP{{IP: s.ip}}, HostIP: "127.0.0.1",
			QOSClass: corev1.PodQOSBurstable,
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: s.container, Image: s.image, ContainerID: "containerd://" + s.uid,
				State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(s.started)}},
			}},
		},
	}
	if s.owner.Kind == "Job" {
		object.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
	if s.initContainer != "" {
		object.Spec.InitContainers = []corev1.Container{{Name: s.initContainer, Image: "curlimages/curl:8.16.0"}}
	}
	started := metav1.NewTime(s.started)
	object.Status.StartTime = &started
	setReady(object, s.ready, s.started)
	return object
}

// setReady sets the Ready conditions of a pod with one container.
func setReady(object *corev1.Pod, ready bool, at time.Time) {
	state := corev1.ConditionFalse
	if ready {
		state = corev1.ConditionTrue
	}
	when := metav1.NewTime(at)
	object.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: object.CreationTimestamp},
		{Type: corev1.PodInitialized, Status: corev1.ConditionTrue, LastTransitionTime: object.CreationTimestamp},
		{Type: corev1.ContainersReady, Status: state, LastTransitionTime: when},
		{Type: corev1.PodReady, Status: state, LastTransitionTime: when},
	}
	started := true
	object.Status.ContainerStatuses[0].Ready = ready
	object.Status.ContainerStatuses[0].Started = &started
}

func isReady(object *corev1.Pod) bool {
	for _, c := range object.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// succeed ends a pod of a Job.
func succeed(object *corev1.Pod, at time.Time) {
	setReady(object, false, at)
	object.Status.Phase = corev1.PodSucceeded
	status := &object.Status.ContainerStatuses[0]
	status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		Reason: "Completed", StartedAt: status.State.Running.StartedAt, FinishedAt: metav1.NewTime(at),
	}}
	no := false
	status.Started = &no
}
