package charts_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// The endpoints of the monitor are those that the examples of the repository are held to the metrics with.
func TestTheMonitorIsTheExample(t *testing.T) {
	example, err := decode(scheme(t), read(t, "../examples/prometheus/podmonitor.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := the[*monitoringv1.PodMonitor](t, example).Spec.PodMetricsEndpoints
	got := the[*monitoringv1.PodMonitor](t, objects(t, "--set", "monitor.kind=PodMonitor")).Spec.PodMetricsEndpoints
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("endpoints (-example +chart):\n%s", diff)
	}
	services := the[*monitoringv1.ServiceMonitor](t, objects(t, "--set", "monitor.kind=ServiceMonitor")).Spec.Endpoints
	for i, endpoint := range services {
		dropped := endpoint.RelabelConfigs[len(endpoint.RelabelConfigs)-1]
		if dropped.Regex != "namespace|pod|container|endpoint|service" {
			t.Errorf("the target keeps a label that the operator gives it: %s", dropped.Regex)
		}
		endpoint.RelabelConfigs[len(endpoint.RelabelConfigs)-1].Regex = "namespace|pod|container|endpoint"
		if diff := cmp.Diff(want[i].RelabelConfigs, endpoint.RelabelConfigs); diff != "" {
			t.Errorf("relabelings of %s (-example +chart):\n%s", endpoint.Path, diff)
		}
		if diff := cmp.Diff(want[i].MetricRelabelConfigs, endpoint.MetricRelabelConfigs); diff != "" {
			t.Errorf("metricRelabelings of %s (-example +chart):\n%s", endpoint.Path, diff)
		}
	}
}

func TestRulesAreTheRepositorys(t *testing.T) {
	paths, err := filepath.Glob("../rules/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d files of rules: %v", len(paths), err)
	}
	for _, path := range paths {
		golden(t, "gpusignal/rules/"+filepath.Base(path), read(t, path))
	}
	copies, _ := filepath.Glob("gpusignal/rules/*.yaml")
	if len(copies) != len(paths) {
		t.Errorf("the chart has %v, the repository %v", copies, paths)
	}
	for _, path := range paths {
		file := strings.TrimSuffix(filepath.Base(path), ".yaml")
		rule := the[*monitoringv1.PrometheusRule](t, objects(t, "--set", "prometheusRule.enabled=true,prometheusRule.files={"+file+"}"))
		if rule.Name != "gpusignal-"+file || len(rule.Spec.Groups) == 0 {
			t.Errorf("%s: %s has %d groups", file, rule.Name, len(rule.Spec.Groups))
		}
		var want monitoringv1.PrometheusRuleSpec
		if err := yaml.UnmarshalStrict([]byte(read(t, path)), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rule.Spec); diff != "" {
			t.Errorf("%s (-file +chart):\n%s", file, diff)
		}
	}
}
