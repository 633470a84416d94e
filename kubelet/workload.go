package kubelet

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"gpusignal/node"
)

// Labels that tell what scales a pod, each put there by the controller that owns it:
//
//   - pod-template-hash by Deployment, rollouts-pod-template-hash by Argo Rollouts: the hash of the template, which also ends
//     the name of their ReplicaSet
//   - leaderworkerset.sigs.k8s.io/name by LeaderWorkerSet (kubernetes-sigs/lws, api/leaderworkerset/v1), whose pods belong to
//     StatefulSets; HPA scales the set, and looks at the leaders
//   - ray.io/cluster and ray.io/node-type by KubeRay (ray-project/kuberay, ray-operator/controllers/ray/utils/constant.go)
//   - serving.knative.dev/revision by Knative (knative/serving, pkg/apis/serving/register.go), whose pod autoscaler scales
//     each Revision by itself; the Deployment below it only follows
const (
	labelTemplateHash        = "pod-template-hash"
	labelRolloutTemplateHash = "rollouts-pod-template-hash"
	labelLeaderWorkerSet     = "leaderworkerset.sigs.k8s.io/name"
	labelRayCluster          = "ray.io/cluster"
	labelRayNodeType         = "ray.io/node-type"
	labelRevision            = "serving.knative.dev/revision"
)

// workload returns what an autoscaler scales to have more pods like this one, by its labels and its controller, without
// asking anybody. Of several the group comes first, for its pods come and go together; then the Revision, then the controller: a
// ReplicaSet is a Deployment's only where the pod's own label proves it. The owner of an owner is otherwise not known, so a
// Job stays a Job. Empty where nothing controls the pod; the node that "owns" a static pod does not count.
func workload(meta *metav1.ObjectMeta) node.Workload {
	labels := meta.Labels
	if name := labels[labelLeaderWorkerSet]; name != "" {
		return node.Workload{Kind: "LeaderWorkerSet", Name: name}
	}
	if name := labels[labelRayCluster]; name != "" && rayRole(labels) != "" {
		return node.Workload{Kind: "RayCluster", Name: name}
	}
	owner := metav1.GetControllerOfNoCopy(meta)
	if owner == nil || owner.Kind == "Node" {
		return node.Workload{}
	}
	if owner.Kind == "ReplicaSet" {
		if name := labels[labelRevision]; name != "" {
			return node.Workload{Kind: "Revision", Name: name}
		}
		if name, ok := cutHash(owner.Name, labels[labelRolloutTemplateHash]); ok {
			return node.Workload{Kind: "Rollout", Name: name}
		}
		if name, ok := cutHash(owner.Name, labels[labelTemplateHash]); ok {
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
