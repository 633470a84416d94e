package kubelet

import "gpusignal/node"

// Labels that tell what a pod does in its workload, and what the workload is part of:
//
//   - worker-index and group-index by LeaderWorkerSet: index 0 is the leader of its group (kubernetes-sigs/lws,
//     api/leaderworkerset/v1/leaderworkerset_types.go)
//   - llm-d.ai/role by llm-d and by KServe's LLMInferenceService: prefill, decode, or several at once (llm-d/llm-d-router,
//     pkg/epp/framework/plugins/scheduling/filter/bylabel/roles.go)
//   - disaggregatedset.x-k8s.io/role by DisaggregatedSet: prefill, decode or another name (kubernetes-sigs/lws)
//   - nvidia.com/dynamo-component-type by NVIDIA Dynamo: prefill or decode, or worker, and then dynamo-sub-component-type tells
//     (ai-dynamo/dynamo, deploy/operator/internal/consts/consts.go)
//   - serving.kserve.io/inferenceservice by KServe (kserve/kserve, pkg/constants/constants.go); app.kubernetes.io/part-of and
//     name by its LLMInferenceService (pkg/controller/v1alpha2/llmisvc/workload_single_node.go)
//   - serving.knative.dev/service by Knative
const (
	labelWorkerIndex      = "leaderworkerset.sigs.k8s.io/worker-index"
	labelGroupIndex       = "leaderworkerset.sigs.k8s.io/group-index"
	labelLLMDRole         = "llm-d.ai/role"
	labelDisaggregated    = "disaggregatedset.x-k8s.io/name"
	labelDisaggregateRole = "disaggregatedset.x-k8s.io/role"
	labelDynamoGraph      = "nvidia.com/dynamo-graph-deployment-name"
	labelDynamoType       = "nvidia.com/dynamo-component-type"
	labelDynamoSubType    = "nvidia.com/dynamo-sub-component-type"
	labelInferenceService = "serving.kserve.io/inferenceservice"
	labelPartOf           = "app.kubernetes.io/part-of"
	labelName             = "app.kubernetes.io/name"
	labelKnativeService   = "serving.knative.dev/service"
)

// place returns what a pod does in its workload. A worker of a group is that before all else: whatever the group serves, it
// does not serve by itself. The leader of a group that only prefills or decodes is told by what it serves.
func place(labels map[string]string) node.Place {
	p := node.Place{Role: rayRole(labels), PartOf: partOf(labels)}
	if labels[labelLeaderWorkerSet] != "" {
		p.Role, p.Group = groupRole(labels[labelWorkerIndex]), labels[labelGroupIndex]
	}
	if stage := servingStage(labels); stage != "" && p.Role != node.Worker {
		p.Role = stage
	}
	return p
}

// groupRole returns the role of a pod of a LeaderWorkerSet, none where its label does not tell.
func groupRole(index string) node.Role {
	n, ok := number(index)
	switch {
	case !ok:
		return ""
	case n == 0:
		return node.Leader
	}
	return node.Worker
}

// rayRole returns the role of a pod of a RayCluster. The jobs that KubeRay runs beside a cluster have none.
func rayRole(labels map[string]string) node.Role {
	if labels[labelRayCluster] == "" {
		return ""
	}
	switch labels[labelRayNodeType] {
	case "head":
		return node.Leader
	case "worker":
		return node.Worker
	}
	return ""
}

// servingStage returns prefill or decode for a pod that does one of them alone.
func servingStage(labels map[string]string) node.Role {
	for _, label := range []string{labelLLMDRole, labelDisaggregateRole, labelDynamoType, labelDynamoSubType} {
		switch stage := node.Role(labels[label]); stage {
		case node.Prefill, node.Decode:
			return stage
		}
	}
	return ""
}

// partOf returns what a workload was made for, as its user knows it; empty where the user made the workload itself.
func partOf(labels map[string]string) node.Workload {
	if labels[labelPartOf] == "llminferenceservice" && labels[labelName] != "" {
		return node.Workload{Kind: "LLMInferenceService", Name: labels[labelName]}
	}
	for _, by := range [][2]string{
		{labelInferenceService, "InferenceService"},
		{labelDynamoGraph, "DynamoGraphDeployment"},
		{labelDisaggregated, "DisaggregatedSet"},
		{labelKnativeService, "Service"},
	} {
		if name := labels[by[0]]; name != "" {
			return node.Workload{Kind: by[1], Name: name}
		}
	}
	return node.Workload{}
}
