package charts_test

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/validator"
)

// withoutSchema are kinds that are held to no schema, and why.
var withoutSchema = map[string]string{
	"monitoring.coreos.com/v1/PodMonitor":                 "strict types of the Prometheus Operator",
	"monitoring.coreos.com/v1/ServiceMonitor":             "strict types of the Prometheus Operator",
	"monitoring.coreos.com/v1/PrometheusRule":             "strict types of the Prometheus Operator",
	"security.openshift.io/v1/SecurityContextConstraints": "strict types of ours: constraints_test.go",
	"serving.knative.dev/v1/Service":                      "strict types of ours: examples/knative_test.go",
	"kustomize.config.k8s.io/v1alpha1/Component":          "no object: kustomize builds with it, and TestKustomize builds it",
}

// notApplied are files of folders that users apply which are no manifests, and who reads them.
var notApplied = map[string]string{
	"../examples/prometheus/prometheus.yml":      "Prometheus",
	"../examples/prometheus-adapter/rules.yaml":  "prometheus-adapter",
	"../examples/prometheus-adapter/values.yaml": "Helm",
}

// newConformer makes a kubeconform that knows the kinds of definitions, strictly.
func newConformer(t *testing.T) validator.Validator {
	t.Helper()
	skip := make(map[string]struct{})
	for kind := range withoutSchema {
		skip[kind] = struct{}{}
	}
	v, err := validator.New([]string{filepath.Join(writeSchemas(t), schemaFiles)}, validator.Opts{Strict: true, SkipKinds: skip})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// unfit are the objects of these manifests that do not conform, and why.
func unfit(v validator.Validator, manifests string) []string {
	var out []string
	met := false
	for _, result := range v.Validate("", io.NopCloser(strings.NewReader(manifests))) {
		met = met || result.Status != validator.Empty
		if result.Err != nil {
			signature, _ := result.Resource.Signature()
			out = append(out, fmt.Sprintf("%s: %v", signature.QualifiedName(), result.Err))
		}
	}
	if !met {
		out = append(out, "no object")
	}
	return out
}

// applied are the files that users apply, as they stand or by kustomize.
func applied(t *testing.T) []string {
	t.Helper()
	paths := []string{"../daemonset.yaml"}
	left := maps.Clone(notApplied)
	for _, folder := range []string{"../examples", "../kustomize", "../rules/operator"} {
		err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if ext := filepath.Ext(path); notApplied[path] == "" && (ext == ".yaml" || ext == ".yml") {
				paths = append(paths, path)
			}
			delete(left, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(left) > 0 {
		t.Errorf("left out, and not there: %v", slices.Sorted(maps.Keys(left)))
	}
	return paths
}

func TestWhatIsAppliedConforms(t *testing.T) {
	v := newConformer(t)
	for _, path := range applied(t) {
		for _, fault := range unfit(v, read(t, path)) {
			t.Errorf("%s: %s", path, fault)
		}
	}
	for _, fault := range unfit(v, overlaid(t)) {
		t.Errorf("kustomize: %s", fault)
	}
}

// A schema that takes everything would also take these: what users apply, each with one fault.
func TestWhatDoesNotConformIsSeen(t *testing.T) {
	tests := []struct{ path, right, wrong, want string }{
		// A field that is required.
		{"../daemonset.yaml", "  selector:\n", "  selectors:\n", "missing property 'selector'"},
		{"../daemonset.yaml", "    verbs: [get, list, watch]\n", "", "missing property 'verbs'"},
		{"../daemonset.yaml", "metadata:\n", "meta:\n", "missing property 'metadata'"},
		{"../examples/hpa/saturation.yaml", "  maxReplicas: 20\n", "", "missing property 'maxReplicas'"},
		{"../examples/keda/prometheus.yaml", "  scaleTargetRef: {name: llm-server}\n", "", "missing property 'scaleTargetRef'"},
		{"../examples/keda/metrics-api.yaml", "    - type: metrics-api\n      # ", "    - # ", "missing property 'type'"},
		{"../examples/prometheus-adapter/apiservice.yaml", "  versionPriority: 100\n", "", "missing property 'versionPriority'"},

		// A field that is not there.
		{"../daemonset.yaml", "readOnlyRootFilesystem:", "readOnlyRootFileSystem:", "additional properties 'readOnlyRootFileSystem' not allowed"},
		{"../examples/hpa/saturation.yaml", "tolerance: 50m", "toleration: 50m", "additional properties 'toleration' not allowed"},
		{"../examples/keda/prometheus.yaml", "maxReplicaCount:", "maxReplicas:", "additional properties 'maxReplicas' not allowed"},
		{"../examples/keda/prometheus.yaml", "  namespace: chat\n", "  nameSpace: chat\n", "additional properties 'nameSpace' not allowed"},
		{"../kustomize/network-policy/networkpolicy.yaml", "policyTypes:", "policyType:", "additional properties 'policyType' not allowed"},

		// A value that its field does not take.
		{"../examples/keda/prometheus.yaml", "behavior: currentReplicasIfHigher", "behavior: replicasIfHigher", "value must be one of 'static', 'currentReplicas'"},
		{"../daemonset.yaml", "- {name: metrics, containerPort: 9478}", `- {name: metrics, containerPort: "9478"}`, "got string, want integer"},
		{"../daemonset.yaml", "port: metrics", "port: [metrics]", "got array, want integer or string"},
		{"../daemonset.yaml", "minReadySeconds: 5\n", "minReadySeconds: 5\n  minReadySeconds: 5\n", "already set"},

		// A kind that nobody has, or writes so.
		{"../daemonset.yaml", "kind: DaemonSet", "kind: Daemonset", "value must be 'DaemonSet'"},
		{"../examples/hpa/saturation.yaml", "autoscaling/v2", "autoscaling/v2beta2", "could not find schema for HorizontalPodAutoscaler"},
		{"../examples/keda/prometheus.yaml", "kind: ScaledObject", "kind: ScaledObjects", "could not find schema for ScaledObjects"},
		{"../examples/keda/prometheus.yaml", "kind: ScaledObject\n", "", "missing 'kind'"},
	}
	v := newConformer(t)
	for _, test := range tests {
		manifests := read(t, test.path)
		if !strings.Contains(manifests, test.right) {
			t.Errorf("%s: nothing says %q", test.path, test.right)
			continue
		}
		if got := strings.Join(unfit(v, strings.Replace(manifests, test.right, test.wrong, 1)), "\n"); !strings.Contains(got, test.want) {
			t.Errorf("%s with %q: %q, want %q", test.path, test.wrong, got, test.want)
		}
	}
	if got := unfit(v, "# nothing\n"); len(got) != 1 {
		t.Errorf("a file without an object: %q", got)
	}
}
