package examples_test

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// adapter is what ours is called. kube-prometheus has one called prometheus-adapter in the same namespace, which serves
// metrics.k8s.io; a release of the adapter's chart has prometheus-adapter in its names as well.
const adapter = "gpusignal-metrics-adapter"

// An adapterObject is what an object of prometheus-adapter/ is called, and whom it names.
type adapterObject struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Subjects []struct{ Name, Namespace string }
	RoleRef  struct{ Kind, Name string } `yaml:"roleRef"`
	Spec     struct {
		Service struct{ Name, Namespace string }
	}
}

// adapterObjects returns those of a file; rules and values are none.
func adapterObjects(t *testing.T, path string) []adapterObject {
	t.Helper()
	var found []adapterObject
	for decoder := yaml.NewDecoder(strings.NewReader(read(t, path))); ; {
		var object adapterObject
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if object.Kind != "" {
			found = append(found, object)
		}
	}
}

func TestTheAdapterTakesNobodysName(t *testing.T) {
	paths, _ := filepath.Glob("prometheus-adapter/*.yaml")
	found := 0
	for _, path := range paths {
		for _, object := range adapterObjects(t, path) {
			found++
			name := object.Metadata.Name
			if object.Kind == "APIService" {
				if name != "v1beta1.custom.metrics.k8s.io" || object.Spec.Service.Name != adapter {
					t.Errorf("%s has %s served by %s", path, name, object.Spec.Service.Name)
				}
				continue
			}
			if name != adapter && !strings.HasPrefix(name, adapter+":") {
				t.Errorf("%s: another's %s may be called %s", path, object.Kind, name)
			}
			for _, subject := range object.Subjects {
				if subject.Name != adapter || subject.Namespace != "monitoring" {
					t.Errorf("%s: %s gives rights to %s", path, name, subject.Name)
				}
			}
			if role := object.RoleRef; object.Kind == "ClusterRoleBinding" && role.Name != adapter && role.Name != "system:auth-delegator" {
				t.Errorf("%s: %s gives the rights of %s", path, name, role.Name)
			}
		}
	}
	if found == 0 {
		t.Error("prometheus-adapter/ has no object")
	}
}

// A Service that selected another's pods too would ask them for our metrics, and theirs ours.
func TestTheAdaptersServiceSelectsOurPodsAlone(t *testing.T) {
	deployments := objects[appsv1.Deployment](t, "prometheus-adapter/deployment.yaml", "Deployment")
	services := objects[corev1.Service](t, "prometheus-adapter/apiservice.yaml", "Service")
	if len(deployments) != 1 || len(services) != 1 {
		t.Fatalf("%d Deployments and %d Services", len(deployments), len(services))
	}
	pod := deployments[0].Spec.Template
	ours := labels.SelectorFromSet(services[0].Spec.Selector)
	if !ours.Matches(labels.Set(pod.Labels)) {
		t.Errorf("the Service selects %v, the pods have %v", ours, pod.Labels)
	}
	for who, theirs := range map[string]labels.Set{
		"kube-prometheus": {
			"app.kubernetes.io/name": "prometheus-adapter", "app.kubernetes.io/component": "metrics-adapter",
			"app.kubernetes.io/part-of": "kube-prometheus",
		},
		"a release of the chart": {"app.kubernetes.io/name": "prometheus-adapter", "app.kubernetes.io/instance": "prometheus-adapter"},
	} {
		if ours.Matches(theirs) {
			t.Errorf("our Service selects the pods of %s", who)
		}
		if labels.SelectorFromSet(theirs).Matches(labels.Set(pod.Labels)) {
			t.Errorf("the Service of %s selects our pods", who)
		}
	}
	if pod.Labels["app.kubernetes.io/name"] != "prometheus-adapter" {
		t.Error("the NetworkPolicy of kube-prometheus's Prometheus does not let our pods in")
	}
	if pod.Spec.ServiceAccountName != adapter {
		t.Errorf("the pods run as %s", pod.Spec.ServiceAccountName)
	}
}

// The guide looks for another's API service before it applies anything, and its commands name what the files do.
func TestTheGuidesCommandsAreTheAdapters(t *testing.T) {
	text := read(t, guide)
	next := 0
	for _, command := range []string{
		"\nkubectl get apiservices | grep custom.metrics.k8s.io\n",
		"\nkubectl apply -f examples/prometheus-adapter/rbac.yaml\n",
		"\nkubectl -n monitoring create configmap " + adapter + " --from-file=examples/prometheus-adapter/rules.yaml ",
		"\nkubectl apply -f examples/prometheus-adapter/deployment.yaml -f examples/prometheus-adapter/apiservice.yaml\n",
		"\nkubectl -n monitoring rollout restart deployment/" + adapter + "\n",
	} {
		at := strings.Index(text[next:], command)
		if at < 0 {
			t.Fatalf("%s does not say, after what comes before it: %s", guide, strings.TrimSpace(command))
		}
		next += at
	}
	volumes := objects[appsv1.Deployment](t, "prometheus-adapter/deployment.yaml", "Deployment")[0].Spec.Template.Spec.Volumes
	if rules := volumes[0].ConfigMap; rules == nil || rules.Name != adapter {
		t.Errorf("the pods read %+v, the guide makes the ConfigMap %s", rules, adapter)
	}
}

// A release called as kube-prometheus's adapter would be refused, and an upgrade of another's would take its rules away.
func TestTheChartIsInstalledUnderANameOfItsOwn(t *testing.T) {
	const install = "helm install gpusignal-prometheus-adapter prometheus-community/prometheus-adapter -n monitoring "
	for _, path := range []string{"prometheus-adapter/values.yaml", guide} {
		text := read(t, path)
		if !strings.Contains(text, install) || strings.Contains(text, "helm upgrade") {
			t.Errorf("%s does not install the adapter by %s…, or upgrades another's", path, install)
		}
	}
}
