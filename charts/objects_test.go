package charts_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// scheme knows the kinds that the chart may make, and no others.
func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, rbacv1.AddToScheme, monitoringv1.AddToScheme, addConstraints,
	} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// decode reads manifests into the types of their kinds, strictly as an API server does with fieldValidation=Strict: a field that the
// type does not have, one given twice, or a value that does not fit it, is an error.
func decode(s *runtime.Scheme, manifests string) ([]runtime.Object, error) {
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, s, s, json.SerializerOptions{Yaml: true, Strict: true})
	documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifests)))
	var objects []runtime.Object
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if empty(document) {
			continue
		}
		object, kind, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("document %d (%v): %w", len(objects)+1, kind, err)
		}
		objects = append(objects, object)
	}
}

// empty says that a document holds comments alone.
func empty(document []byte) bool {
	for line := range bytes.Lines(document) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

// objects are what the chart makes of these arguments.
func objects(t *testing.T, args ...string) []runtime.Object {
	t.Helper()
	out, err := decode(scheme(t), render(t, args...))
	if err != nil {
		t.Fatalf("helm template %s: %v", strings.Join(args, " "), err)
	}
	if len(out) == 0 {
		t.Fatalf("helm template %s: no object", strings.Join(args, " "))
	}
	return out
}

// the one object of a kind, nil where there is none.
func the[T runtime.Object](t *testing.T, objects []runtime.Object) T {
	t.Helper()
	var found []T
	for _, object := range objects {
		if o, ok := object.(T); ok {
			found = append(found, o)
		}
	}
	var none T
	switch len(found) {
	case 0:
		return none
	case 1:
		return found[0]
	}
	t.Fatalf("%d objects of type %T", len(found), none)
	return none
}

// The decoder is what the other tests rely on: it has to see what a person would miss.
func TestAMisspeltFieldIsRefused(t *testing.T) {
	everything := render(t, everythingOn...)
	s := scheme(t)
	if _, err := decode(s, everything); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ kind, right, wrong, want string }{
		{"DaemonSet", "readOnlyRootFilesystem:", "readOnlyRootFileSystem:", `unknown field "spec.template.spec.containers[0].securityContext.readOnlyRootFileSystem"`},
		{"DaemonSet", "periodSeconds: 5", "periodSeconds: 5s", "cannot unmarshal string"},
		{"DaemonSet", "memory: 128Mi", "memory: 128Mo", "quantities must match the regular expression"},
		{"DaemonSet", "hostPID: true", "hostPID: true\n      hostPID: true", `already set`},
		{"ClusterRole", "verbs:", "verb:", `unknown field "rules[0].verb"`},
		{"ServiceAccount", "automountServiceAccountToken:", "automountToken:", `unknown field "automountToken"`},
		{"Service", "clusterIP:", "clusterIp:", `unknown field "spec.clusterIp"`},
		{"NetworkPolicy", "policyTypes:", "policyType:", `unknown field "spec.policyType"`},
		{"ResourceQuota", "scopeSelector:", "scopeSelectors:", `unknown field "spec.scopeSelectors"`},
		{"PodMonitor", "honorLabels:", "honourLabels:", `unknown field "spec.podMetricsEndpoints[0].honourLabels"`},
		{"SecurityContextConstraints", "allowHostPID:", "allowHostPIDs:", `unknown field "allowHostPIDs"`},
		{"DaemonSet", "kind: DaemonSet", "kind: Daemonset", `no kind "Daemonset" is registered`},
	}
	for _, test := range tests {
		if !strings.Contains(everything, test.right) {
			t.Errorf("%s: nothing says %q", test.kind, test.right)
			continue
		}
		_, err := decode(s, strings.Replace(everything, test.right, test.wrong, 1))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s with %q: error %v, want %q", test.kind, test.wrong, err, test.want)
		}
	}
}
