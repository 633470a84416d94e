package charts_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// heading is what a rendered file begins with; the namespace is what Helm leaves to its user.
const (
	heading   = "# Rendered from charts/gpusignal by make manifests.\n"
	namespace = `# gpusignal on every GPU node. Apply with: kubectl apply -f daemonset.yaml
` + heading + `apiVersion: v1
kind: Namespace
metadata:
  name: gpusignal
  labels:
    # The kubelet's sockets are hostPath mounts, which only this level lets a pod have.
    pod-security.kubernetes.io/enforce: privileged
`
)

// manifest is what the chart makes of these arguments, without the names of its templates.
func manifest(t *testing.T, args ...string) string {
	t.Helper()
	return regexp.MustCompile(`(?m)^# Source: .*\n|^\n(---)`).ReplaceAllString(render(t, args...), "$1")
}

// daemonset.yaml has every right that some cluster needs, for who applies it gives it no values.
func TestManifestsAreTheCharts(t *testing.T) {
	golden(t, "../daemonset.yaml", namespace+manifest(t, "--set", "kubernetes.dra=true"))
	const release = "monitor.labels.release=kube-prometheus-stack,prometheusRule.labels.release=kube-prometheus-stack"
	for path, args := range map[string][]string{
		"../kustomize/prometheus-operator/podmonitor.yaml":      {"--show-only", "templates/monitor.yaml", "--set", release + ",monitor.kind=PodMonitor"},
		"../kustomize/prometheus-operator/prometheusrules.yaml": {"--show-only", "templates/prometheusrule.yaml", "--set", release + ",prometheusRule.enabled=true"},
		"../kustomize/network-policy/networkpolicy.yaml":        {"--show-only", "templates/networkpolicy.yaml", "--set", "networkPolicy.enabled=true"},
	} {
		golden(t, path, heading+manifest(t, args...))
	}
}

// overlaid is what kustomize makes of the base with every component, as docs/install.md shows it.
func overlaid(t *testing.T) string {
	t.Helper()
	overlay := `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: gpusignal
resources: [../gpusignal]
components: [../gpusignal/kustomize/prometheus-operator, ../gpusignal/kustomize/network-policy, ../gpusignal/kustomize/host-pid]
images: [{name: ghcr.io/gpusignal/gpusignal, newName: registry.example/gpusignal, newTag: "2"}]
`
	memory := filesys.MakeFsInMemory()
	write := func(path, content string) {
		if err := memory.WriteFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	write("/mine/kustomization.yaml", overlay)
	for _, path := range []string{
		"kustomization.yaml", "daemonset.yaml", "kustomize/host-pid/kustomization.yaml",
		"kustomize/prometheus-operator/kustomization.yaml", "kustomize/prometheus-operator/podmonitor.yaml", "kustomize/prometheus-operator/prometheusrules.yaml",
		"kustomize/network-policy/kustomization.yaml", "kustomize/network-policy/networkpolicy.yaml",
	} {
		write("/gpusignal/"+path, read(t, "../"+path))
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, "/mine")
	if err != nil {
		t.Fatal(err)
	}
	content, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestKustomize(t *testing.T) {
	content := overlaid(t)
	made, err := decode(scheme(t), content)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults(made) {
		t.Error(fault)
	}
	spec := the[*appsv1.DaemonSet](t, made).Spec.Template.Spec
	if image := spec.Containers[0].Image; image != "registry.example/gpusignal:2" || !spec.HostPID {
		t.Errorf("image %s, hostPID %v", image, spec.HostPID)
	}
	if the[*monitoringv1.PodMonitor](t, made) == nil || the[*networkingv1.NetworkPolicy](t, made) == nil {
		t.Error("no PodMonitor or no NetworkPolicy")
	}
	rules := slices.ContainsFunc(strings.Split(content, "\n"), func(line string) bool { return line == "kind: PrometheusRule" })
	if !rules {
		t.Error("no PrometheusRule")
	}
}
