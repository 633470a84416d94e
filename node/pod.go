package node

import (
	"net/netip"
	"time"
)

// PodID names a pod. UID is empty while only the names are known.
type PodID struct{ UID, Namespace, Name string }

// ContainerID names a container of a pod.
type ContainerID struct {
	Pod  PodID
	Name string
}

// Claim says that a container may use a device. Several "::n" replicas of one device held by one container add up to
// Weight.
type Claim struct {
	Container ContainerID
	Device    DeviceID
	Weight    int
}

// Unmapped is a device whose owner is not known, or a claim that names no device of this node, and why.
type Unmapped struct {
	// Device is the device's id, or the text of the claim that could not be resolved.
	Device string
	// Reason is one of a small set: docs/attribution.md has them all.
	Reason string
	// Detail says, for people, what is known and the way out.
	Detail string
}

// Workload is what scales a pod: a Deployment, a StatefulSet … Empty when it is not known: never a guess.
type Workload struct{ Kind, Name string }

// String returns "Kind/name", and nothing for no workload.
func (w Workload) String() string {
	if w == (Workload{}) {
		return ""
	}
	return w.Kind + "/" + w.Name
}

// Role is what a pod does in its workload. Empty: all of it, or not known.
type Role string

// The roles. A leader answers for its group; a worker of it serves nothing by itself. Prefill and decode are the two halves
// of disaggregated serving.
const (
	Leader  Role = "leader"
	Worker  Role = "worker"
	Prefill Role = "prefill"
	Decode  Role = "decode"
)

// Place is where a pod stands in its workload.
type Place struct {
	Role Role
	// Group is the index of the pod's group, where a workload has groups.
	Group string
	// PartOf is what the workload was made for, as its user knows it: an InferenceService, a DynamoGraphDeployment …
	PartOf Workload
}

// Pod is what the kubelet or the API server says of a pod on this node.
type Pod struct {
	ID          PodID
	Workload    Workload
	Place       Place
	IPs         []netip.Addr
	HostNetwork bool
	// Annotations that gpusignal reads: those that begin with "gpusignal/" and "prometheus.".
	Annotations map[string]string
	// Phase is Pending, Running, Succeeded, Failed or Unknown.
	Phase string
	// Ready is the pod's Ready condition.
	Ready bool
	// Deleted is the deletion timestamp, zero when the pod is not being deleted.
	Deleted    time.Time
	Containers []Container
}

// Container of a pod.
type Container struct {
	Name, Image string
	// ID is the runtime's, 64 hexadecimal digits without its "containerd://", of the container that runs or ran last.
	ID    string
	Args  []string
	Ports []Port
	// Started is when the running container started, zero when it does not run.
	Started  time.Time
	Ready    bool
	Restarts int
}

// Port that a container declares.
type Port struct {
	Name   string
	Number int
}

// Ended says that a pod holds nothing any more: it succeeded or failed.
func (p Pod) Ended() bool { return p.Phase == "Succeeded" || p.Phase == "Failed" }
