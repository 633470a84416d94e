package sim

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"strings"
	"time"

	"gpusignal/node"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// podSpec is what the pods of this node differ in.
type podSpec struct {
	namespace, name, uid string
	owner                metav1.OwnerReference
	hash                 string // pod-template-hash
	annotations, labels  map[string]string
	ip                   string
	hostNetwork          bool
	initContainer        string
	containers           []container
	started              time.Time
	ready                bool
}

// container is what the containers of this node differ in.
type container struct {
	name, image string
	args        []string
	ports       []corev1.ContainerPort
	// devices are the ids that the device plugin gave it, all of one resource.
	devices  []string
	resource string
}

// holding returns the container with a device more.
func (c container) holding(g *gpu) container {
	c.devices, c.resource = append(c.devices, g.allot()), g.resource()
	return c
}

// ports of a container: one TCP port.
func ports(name string, number int) []corev1.ContainerPort {
	return []corev1.ContainerPort{{Name: name, ContainerPort: int32(number), Protocol: corev1.ProtocolTCP}}
}

// annotate sets annotations: keys and their values in turn.
func (s *podSpec) annotate(pairs ...string) {
	if s.annotations == nil {
		s.annotations = map[string]string{}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.annotations[pairs[i]] = pairs[i+1]
	}
}

// id names a container of the pod.
func (s *podSpec) id(i int) node.ContainerID {
	return node.ContainerID{Pod: node.PodID{UID: s.uid, Namespace: s.namespace, Name: s.name}, Name: s.containers[i].name}
}

// runtimeID is the id that the container runtime gives a container of the pod: 64 hexadecimal digits.
func (s *podSpec) runtimeID(i int) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(s.uid+"/"+s.containers[i].name)))
}

// cgroup of a container, as containerd makes it with the systemd driver for a pod of class Burstable.
func (s *podSpec) cgroup(i int) string {
	const class = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"
	return class + strings.ReplaceAll(s.uid, "-", "_") + ".slice/cri-containerd-" + s.runtimeID(i) + ".scope"
}

// build makes the object that the kubelet would show of a running pod.
func (s *podSpec) build(nodeName string) *corev1.Pod {
	yes := true
	s.owner.Controller, s.owner.BlockOwnerDeletion = &yes, &yes
	labels := maps.Clone(s.labels)
	if s.hash != "" {
		labels["pod-template-hash"] = s.hash
	}
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.namespace, Name: s.name, UID: types.UID(s.uid), Labels: labels, Annotations: s.annotations,
			CreationTimestamp: metav1.NewTime(s.started.Add(-20 * time.Second).Truncate(time.Second)),
			OwnerReferences:   []metav1.OwnerReference{s.owner},
		},
		Spec: corev1.PodSpec{NodeName: nodeName, HostNetwork: s.hostNetwork, RestartPolicy: corev1.RestartPolicyAlways},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: s.ip, PodIPs: []corev1.PodIP{{IP: s.ip}}, HostIP: "127.0.0.1",
			QOSClass: corev1.PodQOSBurstable,
		},
	}
	started := metav1.NewTime(s.started)
	object.Status.StartTime = &started
	for i, c := range s.containers {
		object.Spec.Containers = append(object.Spec.Containers, corev1.Container{
			Name: c.name, Image: c.image, Args: c.args, Ports: c.ports, Resources: c.resources(),
		})
		object.Status.ContainerStatuses = append(object.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.name, Image: c.image, ContainerID: "containerd://" + s.runtimeID(i),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}},
		})
	}
	if s.owner.Kind == "Job" {
		object.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
	if s.initContainer != "" {
		object.Spec.InitContainers = []corev1.Container{{Name: s.initContainer, Image: "curlimages/curl:8.16.0"}}
	}
	setReady(object, s.ready, s.started)
	return object
}

func (c *container) resources() (out corev1.ResourceRequirements) {
	if n := len(c.devices); n > 0 {
		out.Limits = corev1.ResourceList{corev1.ResourceName(c.resource): *quantity(n)}
		out.Requests = out.Limits
	}
	return out
}

// setReady sets the Ready conditions of a pod and of its containers.
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
	for i := range object.Status.ContainerStatuses {
		started := true
		object.Status.ContainerStatuses[i].Ready, object.Status.ContainerStatuses[i].Started = ready, &started
	}
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
	for i := range object.Status.ContainerStatuses {
		status, no := &object.Status.ContainerStatuses[i], false
		status.Started = &no
		status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "Completed", StartedAt: status.State.Running.StartedAt, FinishedAt: metav1.NewTime(at),
		}}
	}
}
