package charts_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// runsOn says whether a pod with this affinity may run on a node with these labels: one term has to hold, and of it every expression.
func runsOn(t *testing.T, affinity *corev1.Affinity, node labels.Set) bool {
	t.Helper()
	operators := map[corev1.NodeSelectorOperator]selection.Operator{
		corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
		corev1.NodeSelectorOpExists: selection.Exists, corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist,
	}
	for _, term := range affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		holds := true
		for _, e := range term.MatchExpressions {
			requirement, err := labels.NewRequirement(e.Key, operators[e.Operator], e.Values)
			if err != nil {
				t.Fatal(err)
			}
			holds = holds && requirement.Matches(node)
		}
		if holds {
			return true
		}
	}
	return false
}

// The GPU operator makes its clients leave a node by its labels, and we go with them, whatever nodes were asked for.
func TestNodes(t *testing.T) {
	const client, older = "nvidia.com/gpu.deploy.client", "nvidia.com/gpu.deploy.dcgm-exporter"
	gpu := map[string]labels.Set{
		"gpusignal/values.yaml":               {"nvidia.com/gpu.present": "true"},
		"gpusignal/presets/gpu-operator.yaml": {"nvidia.com/gpu.present": "true"},
		"gpusignal/presets/openshift.yaml":    {"nvidia.com/gpu.present": "true"},
		"gpusignal/presets/gke.yaml":          {"cloud.google.com/gke-accelerator": "nvidia-l4"},
		"gpusignal/presets/eks.yaml":          {"karpenter.k8s.aws/instance-gpu-manufacturer": "nvidia"},
		"gpusignal/presets/bottlerocket.yaml": {"eks.amazonaws.com/instance-gpu-manufacturer": "nvidia"},
		"gpusignal/presets/aks.yaml":          {"kubernetes.azure.com/accelerator": "nvidia"},
	}
	states := []struct {
		of   labels.Set
		runs bool
	}{
		{nil, true}, // no operator
		{labels.Set{client: "true", older: "true"}, true},
		{labels.Set{client: "paused-for-driver-upgrade", older: "true"}, false},
		{labels.Set{client: "paused-for-mig-change"}, false},
		{labels.Set{client: "false"}, false},
		{labels.Set{older: "true"}, true}, // an operator before 26.7
		{labels.Set{older: "paused-for-driver-upgrade"}, false},
		{labels.Set{older: "paused-for-mig-change"}, false},
		{labels.Set{older: "false"}, true}, // our neighbour is not wanted there, we are
	}
	if got := len(gpu) - 1; got != len(presets(t)) {
		t.Errorf("%d of %d presets have a node here", got, len(presets(t)))
	}
	for values, node := range gpu {
		affinity := the[*appsv1.DaemonSet](t, objects(t, "--values", values)).Spec.Template.Spec.Affinity
		for _, state := range states {
			if got := runsOn(t, affinity, labels.Merge(node, state.of)); got != state.runs {
				t.Errorf("%s: runs on %v: %v, want %v", values, labels.Merge(node, state.of), got, state.runs)
			}
			if runsOn(t, affinity, state.of) {
				t.Errorf("%s: runs on a node without GPU, %v", values, state.of)
			}
		}
	}
}
