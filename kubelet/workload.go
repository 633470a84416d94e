package kubelet

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"gpusignal/node"
)

// Labels that tell what scales a pod. Kubernetes and Argo Rollouts put the hash of the template on the pods and at the end
// of the name of their ReplicaSet; LeaderWorkerSet puts its name on its pods, whose owners are StatefulSets.
const (
	labelTemplateHash        = "pod-template-hash"
	labelRolloutTemplateHash = "rollouts-pod-template-hash"
	labelLeaderWorkerSet     = "leaderworkerset.sigs.k8s.io/name"
)

// workload returns what scales a pod, by its labels and its controller, without asking anybody: a ReplicaSet is a
// Deployment's only where the pod's own label proves it. The owner of an owner is otherwise not known, so a Job stays a
// Job. Empty where nothing controls the pod; the node that "owns" a static pod does not count.
func workload(meta *metav1.ObjectMeta) node.Workload {
	if name := meta.Labels[labelLeaderWorkerSet]; name != "" {
		return node.Workload{Kind: "LeaderWorkerSet", Name: name}
	}
	owner := metav1.GetControllerOfNoCopy(meta)
	if owner == nil || owner.Kind == "Node" {
		return node.Workload{}
	}
	if owner.Kind == "ReplicaSet" {
		if name, ok := cutHash(owner.Name, meta.Labels[labelRolloutTemplateHash]); ok {
			return node.Workload{Kind: "Rollout", Name: name}
		}
		if name, ok := cutHash(owner.Name, meta.Labels[labelTemplateHash]); ok {
			return node.Workload{Kind: "Deployment", Name: name}
		}
	}
	return node.Workload{Kind: owner.Kind, Name: owner.Name}
}

// cutHash cuts "-<hash>" off the name of a ReplicaSet.
func cutHash(name, hash string) (string, bool) {
	if hash == "" {
		return "", false
	}
	name, ok := strings.CutSuffix(name, "-"+hash)
	return name, ok && name != ""
}

// podUID returns the UID under which the kubelet knows a pod. The API server shows a static pod under the UID of its
// mirror; the kubelet's own is in an annotation of that mirror.
func podUID(pod *corev1.Pod) string {
	if hash := pod.Annotations[corev1.MirrorPodAnnotationKey]; hash != "" {
		return hash
	}
	return string(pod.UID)
}
