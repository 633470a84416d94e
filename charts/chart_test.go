package charts_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

func podSpec(t *testing.T, args ...string) corev1.PodSpec {
	t.Helper()
	return the[*appsv1.DaemonSet](t, objects(t, args...)).Spec.Template.Spec
}

func TestVersionsAreTheRepositorys(t *testing.T) {
	var chart struct{ Version, AppVersion string }
	if err := yaml.Unmarshal([]byte(read(t, "gpusignal/Chart.yaml")), &chart); err != nil {
		t.Fatal(err)
	}
	if version := strings.TrimSpace(read(t, "../VERSION")); chart.Version != version || chart.AppVersion != version {
		t.Errorf("the chart has versions %+v, the repository has %s", chart, version)
	}
}

func TestImage(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	tests := map[string][]string{
		"ghcr.io/gpusignal/gpusignal:" + strings.TrimSpace(read(t, "../VERSION")): nil,
		"here/gpusignal:v2":                     {"--set", "image.repository=here/gpusignal,image.tag=v2"},
		"ghcr.io/gpusignal/gpusignal@" + digest: {"--set", "image.tag=v2,image.digest=" + digest},
	}
	for want, args := range tests {
		if got := podSpec(t, args...).Containers[0].Image; got != want {
			t.Errorf("%v: image %s, want %s", args, got, want)
		}
	}
}

// A pod has no right that it does not use: no role and no token where nothing is asked of the API server.
func TestRights(t *testing.T) {
	watch := []string{"get", "list", "watch"}
	pods := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: watch}
	slices := rbacv1.PolicyRule{APIGroups: []string{"resource.k8s.io"}, Resources: []string{"resourceslices"}, Verbs: watch}
	tests := []struct {
		pods, dra string
		want      []rbacv1.PolicyRule
	}{
		{"auto", "false", []rbacv1.PolicyRule{pods}},
		{"auto", "true", []rbacv1.PolicyRule{pods, slices}},
		{"api", "false", []rbacv1.PolicyRule{pods}},
		{"kubelet", "false", nil},
		{"kubelet", "true", []rbacv1.PolicyRule{slices}},
		{"off", "false", nil},
	}
	for _, test := range tests {
		made := objects(t, "--set", "kubernetes.pods="+test.pods+",kubernetes.dra="+test.dra)
		var got []rbacv1.PolicyRule
		if role := the[*rbacv1.ClusterRole](t, made); role != nil {
			got = role.Rules
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("pods=%s dra=%s: rules (-want +got):\n%s", test.pods, test.dra, diff)
		}
		if bound := the[*rbacv1.ClusterRoleBinding](t, made) != nil; bound != (test.want != nil) {
			t.Errorf("pods=%s dra=%s: bound is %v", test.pods, test.dra, bound)
		}
		spec := the[*appsv1.DaemonSet](t, made).Spec.Template.Spec
		if token := *spec.AutomountServiceAccountToken; token != (test.want != nil) {
			t.Errorf("pods=%s dra=%s: a token is mounted: %v", test.pods, test.dra, token)
		}
	}
}

// What may be done on the node, by default and in every preset: exactly this.
func TestSecurity(t *testing.T) {
	no, yes, root := false, true, int64(0)
	confined := &corev1.SecurityContext{
		RunAsUser: &root, AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	privileged := &corev1.SecurityContext{RunAsUser: &root, ReadOnlyRootFilesystem: &yes, Privileged: &yes}
	unconfined := confined.DeepCopy()
	unconfined.SELinuxOptions = &corev1.SELinuxOptions{Type: "spc_t"}
	sockets := []string{"/var/lib/kubelet/pod-resources", "/var/lib/kubelet/pods-api"}

	type rights struct {
		Security         *corev1.SecurityContext
		HostPaths        []string
		PID, Network, IP bool
	}
	want := map[string]rights{"": {Security: confined, HostPaths: sockets}}
	for _, path := range presets(t) {
		want[path] = want[""]
	}
	want["gpusignal/presets/bottlerocket.yaml"] = rights{Security: confined, HostPaths: append(slices.Clone(sockets), "/dev/null")}
	want["gpusignal/presets/gke.yaml"] = rights{Security: privileged, HostPaths: append(slices.Clone(sockets), "/home/kubernetes/bin/nvidia/lib64", "/dev")}
	want["gpusignal/presets/openshift.yaml"] = rights{Security: unconfined, HostPaths: sockets}
	for path, want := range want {
		var args []string
		if path != "" {
			args = []string{"--values", path}
		}
		spec := podSpec(t, args...)
		got := rights{Security: spec.Containers[0].SecurityContext, PID: spec.HostPID, Network: spec.HostNetwork, IP: spec.HostIPC}
		for _, volume := range spec.Volumes {
			if volume.HostPath != nil {
				got.HostPaths = append(got.HostPaths, volume.HostPath.Path)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: rights (-want +got):\n%s", path, diff)
		}
	}
}

func TestGPUAccess(t *testing.T) {
	type access struct{ Class, Visible, Annotation string }
	tests := map[string]access{
		"mode=runtimeClass":                                 {Class: "nvidia", Visible: "all"},
		"mode=runtimeClass,runtimeClassName=":               {Visible: "all"},
		"mode=volumeMounts":                                 {Class: "nvidia", Visible: "/var/run/nvidia-container-devices"},
		"mode=cdi,cdi.nri=true":                             {Visible: "void", Annotation: "nvidia.cdi.k8s.io/container.gpusignal=management.nvidia.com/gpu=all"},
		"mode=cdi,cdi.nri=true,cdi.device=nvidia.com/gpu=0": {Visible: "void", Annotation: "nvidia.cdi.k8s.io/container.gpusignal=nvidia.com/gpu=0"},
		"mode=hostPath":                                     {Visible: "void"},
	}
	for set, want := range tests {
		template := the[*appsv1.DaemonSet](t, objects(t, "--set", "gpuAccess."+strings.ReplaceAll(set, ",", ",gpuAccess."))).Spec.Template
		var got access
		if template.Spec.RuntimeClassName != nil {
			got.Class = *template.Spec.RuntimeClassName
		}
		for _, env := range template.Spec.Containers[0].Env {
			if env.Name == "NVIDIA_VISIBLE_DEVICES" {
				got.Visible = env.Value
			}
		}
		for key, value := range template.Annotations {
			if strings.Contains(key, "cdi") {
				got.Annotation = key + "=" + value
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", set, diff)
		}
	}
}

// The kubelet has no password and no certificate.
func TestProbes(t *testing.T) {
	tests := []struct{ web, want string }{
		{"", "/-/ready HTTP, /-/healthy HTTP, wait 5"},
		{"web.secret=s,web.tls=true", "/-/ready HTTPS, /-/healthy HTTPS, wait 5"},
		{"network.mode=host", "/-/ready HTTP, /-/healthy HTTP, wait 0"},
		{"web.secret=s,web.authentication=basic", "tcp, tcp, wait 30"},
		{"web.secret=s,web.tls=true,web.authentication=certificate,minReadySeconds=5", "tcp, tcp, wait 5"},
	}
	for _, test := range tests {
		daemons := the[*appsv1.DaemonSet](t, objects(t, "--set", test.web)).Spec
		var probes []string
		for _, probe := range []*corev1.Probe{daemons.Template.Spec.Containers[0].ReadinessProbe, daemons.Template.Spec.Containers[0].LivenessProbe} {
			switch {
			case probe.TCPSocket != nil:
				probes = append(probes, "tcp")
			case probe.HTTPGet.Scheme == "":
				probes = append(probes, probe.HTTPGet.Path+" HTTP")
			default:
				probes = append(probes, probe.HTTPGet.Path+" "+string(probe.HTTPGet.Scheme))
			}
		}
		if got := fmt.Sprintf("%s, wait %d", strings.Join(probes, ", "), daemons.MinReadySeconds); got != test.want {
			t.Errorf("%q: %s, want %s", test.web, got, test.want)
		}
	}
}

// A flag is known to the schema unless the chart sets it, so that a misspelt one is refused before it ends a daemon.
func TestFlagsAreTheDaemons(t *testing.T) {
	ours := []string{"config.file", "node-name", "simulate.log", "nvml.library", "kubelet.pod-resources-socket", "kubelet.pods-socket", "kubernetes.pods"}
	var want []string
	for _, match := range regexp.MustCompile(`app\.Flag\("([^"]+)"`).FindAllStringSubmatch(read(t, "../flags.go"), -1) {
		if !slices.Contains(ours, match[1]) {
			want = append(want, match[1])
		}
	}
	var schema struct {
		Properties struct {
			Flags struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "gpusignal/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(schema.Properties.Flags.Properties))); diff != "" {
		t.Errorf("flags of values.schema.json (-flags.go +schema):\n%s", diff)
	}
}

// Every value has a default with its explanation, and every preset says why.
func TestValuesAreExplained(t *testing.T) {
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal([]byte(read(t, "gpusignal/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	delete(schema.Properties, "global") // Helm's own
	var values map[string]any
	if err := yaml.UnmarshalStrict([]byte(read(t, "gpusignal/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(schema.Properties)), slices.Sorted(maps.Keys(values))); diff != "" {
		t.Errorf("values (-schema +values.yaml):\n%s", diff)
	}
	for _, path := range presets(t) {
		before := ""
		for line := range strings.Lines(read(t, path)) {
			if regexp.MustCompile(`^\w+:`).MatchString(line) && !strings.HasPrefix(before, "#") && !strings.HasPrefix(line, "gpuAccess:") {
				t.Errorf("%s does not say why %s", path, line)
			}
			before = line
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	tests := []struct{ set, want string }{
		{"image.tags=2", "tags"},
		{"gpuAccess.mode=magic", "gpuAccess/mode"},
		{"gpuAccess.mode=cdi", "needs gpuAccess.cdi.nri=true"},
		{"flags.signal\\.windows=30s", "signal.windows"},
		{"flags.signal\\.window=30", "signal.window"},
		{"network.mode=host,networkPolicy.enabled=true", "a NetworkPolicy does not hold for pods on the node's network"},
		{"web.tls=true", "give web.secret"},
		{"web.authentication=basic", "give web.secret"},
		{"priorityQuota=true,priorityClassName=", "give priorityClassName"},
		{"serviceAccount.create=false", "give serviceAccount.name"},
		{"access[0].namespace=chat,access[0].secret=s", "access/0"},
		{"nodeSelectorTerms=null", "nodeSelectorTerms"},
		{"image.digest=sha256:12", "image/digest"},
		{"prometheusRule.enabled=true,prometheusRule.files={none}", "the chart has no rules/none.yaml"},
	}
	for _, test := range tests {
		if got := refused(t, "--set", test.set); !strings.Contains(got, test.want) {
			t.Errorf("%s: %s, want %q", test.set, got, test.want)
		}
	}
}

// What the daemon is started with, and its file: tests of the daemon read both.
func TestWhatTheDaemonReads(t *testing.T) {
	made := objects(t, append([]string{"--set", "port=9479,kubernetes.pods=api,gpuAccess.mode=hostPath,hostPID=false"}, everythingOn[2:]...)...)
	golden(t, "testdata/args", strings.Join(the[*appsv1.DaemonSet](t, made).Spec.Template.Spec.Containers[0].Args, "\n")+"\n")
	golden(t, "testdata/gpusignal.yaml", the[*corev1.ConfigMap](t, made).Data["gpusignal.yaml"])
}
