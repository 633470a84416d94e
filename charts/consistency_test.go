package charts_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// everythingOn makes every object and every part that go together.
var everythingOn = []string{
	"--set", "hostPID=true,priorityQuota=true,kubernetes.dra=true,securityContextConstraints.create=true,service.enabled=true",
	"--set", "monitor.kind=PodMonitor,monitor.labels.release=prometheus,prometheusRule.enabled=true,networkPolicy.enabled=true",
	"--set", "web.secret=web,web.tls=true,web.authentication=basic,image.pullSecrets[0].name=registry",
	"--set-json", `config={"targets":[{"namespace":"chat","queue":8}]}`,
	"--set-json", `access=[{"namespace":"chat","secret":"access-chat","token":"token","ca":"ca.crt","serverName":"llm.chat.svc"},{"namespace":"b","secret":"b","token":"t"}]`,
	"--set-json", `flags={"signal.window":"30s","collector.dcgm":true,"collector.detail":false,"simulate.seed":1000000,"engine.endpoint":["http://10.0.0.7/metrics,engine=vllm"]}`,
	"--set-json", `monitor.endpoint={"basicAuth":{"username":{"name":"web-client","key":"user"},"password":{"name":"web-client","key":"password"}},"tlsConfig":{"insecureSkipVerify":true}}`,
}

// combinations are the arguments under which every rendering has to be one that an API server takes.
func combinations(t *testing.T) map[string][]string {
	t.Helper()
	c := map[string][]string{
		"defaults":        nil,
		"everything":      everythingOn,
		"service monitor": {"--set", "monitor.kind=ServiceMonitor,prometheusRule.enabled=true,prometheusRule.files={shadow}"},
		"host network":    {"--set", "network.mode=host,port=9479"},
		"volume mounts":   {"--set", "gpuAccess.mode=volumeMounts,gpuAccess.runtimeClassName="},
		"cdi by nri":      {"--set", "gpuAccess.mode=cdi,gpuAccess.cdi.nri=true"},
		"host path":       {"--set", "gpuAccess.mode=hostPath,securityContextConstraints.create=true"},
		"kubelet alone":   {"--set", "kubernetes.pods=kubelet,networkPolicy.enabled=true"},
		"names alone":     {"--set", "kubernetes.pods=off"},
		"dra alone":       {"--set", "kubernetes.pods=off,kubernetes.dra=true"},
		"own accounts":    {"--set", "serviceAccount.create=false,serviceAccount.name=mine,rbac.create=false"},
		"own file":        {"--set", "existingConfigMap=mine", "--set-json", `access=[{"namespace":"chat","secret":"access-chat","ca":"ca.crt"}]`},
		"bare": {
			"--set", "priorityClassName=,goMemLimit=,resources=null,tolerations=null,networkPolicy.enabled=true,networkPolicy.from=null,networkPolicy.apiServer.cidrs=null",
		},
		"two pools": {"--set", "fullnameOverride=gpusignal-a,updateStrategy.type=OnDelete,minReadySeconds=5,nodeSelector.pool=a"},
	}
	for _, path := range presets(t) {
		c[path] = []string{"--values", path}
	}
	return c
}

func TestEveryCombinationIsOneAnAPIServerTakes(t *testing.T) {
	conformer := newConformer(t)
	for name, args := range combinations(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out, err := runHelm(append([]string{"lint", "--strict", "gpusignal"}, args...)...); err != nil {
				t.Errorf("helm lint: %v\n%s", err, out)
			}
			manifests := render(t, args...)
			made, err := decode(scheme(t), manifests)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range append(faults(made), unfit(conformer, manifests)...) {
				t.Error(fault)
			}
		})
	}
}

// faults are what an API server, or the cluster later, would refuse though every field is one: names that lead nowhere, selectors
// that select nothing, fields that exclude each other.
func faults(objects []runtime.Object) []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	names := map[string]bool{}
	var pods *corev1.PodTemplateSpec
	for _, object := range objects {
		meta := object.(metav1.Object)
		kind := object.GetObjectKind().GroupVersionKind().Kind
		if names[kind+"/"+meta.GetName()] {
			fault("%s %s is there twice", kind, meta.GetName())
		}
		names[kind+"/"+meta.GetName()] = true
		if daemons, ok := object.(*appsv1.DaemonSet); ok {
			pods = &daemons.Spec.Template
		}
	}
	if pods == nil {
		return append(out, "no DaemonSet")
	}
	selects := func(what string, matchLabels map[string]string) {
		if len(matchLabels) == 0 || !labels.SelectorFromSet(matchLabels).Matches(labels.Set(pods.Labels)) {
			fault("%s selects %v, the pods have %v", what, matchLabels, pods.Labels)
		}
	}
	refers := func(what, kind, name string) {
		if !names[kind+"/"+name] {
			fault("%s names %s %s, which is not there", what, kind, name)
		}
	}
	port := func(what string, name intstr.IntOrString) {
		if ports := pods.Spec.Containers[0].Ports; len(ports) != 1 || name != intstr.FromString(ports[0].Name) {
			fault("%s names port %s, the container has %v", what, name.String(), ports)
		}
	}
	for _, object := range objects {
		switch o := object.(type) {
		case *appsv1.DaemonSet:
			selects("the DaemonSet", o.Spec.Selector.MatchLabels)
			if rolling := o.Spec.UpdateStrategy.RollingUpdate; rolling != nil && o.Spec.Template.Spec.HostNetwork && rolling.MaxSurge.String() != "0" {
				fault("a second pod cannot have the port of the node that the first one has: maxSurge %s", rolling.MaxSurge)
			}
		case *rbacv1.ClusterRoleBinding:
			refers("the binding", o.RoleRef.Kind, o.RoleRef.Name)
			if len(o.Subjects) != 1 || o.Subjects[0].Name != pods.Spec.ServiceAccountName || o.Subjects[0].Namespace != "gpusignal" {
				fault("the binding is of %v, the pods are of %s", o.Subjects, pods.Spec.ServiceAccountName)
			}
		case *rbacv1.RoleBinding:
			refers("the binding", o.RoleRef.Kind, o.RoleRef.Name)
		case *corev1.Service:
			selects("the Service", o.Spec.Selector)
			port("the Service", o.Spec.Ports[0].TargetPort)
		case *networkingv1.NetworkPolicy:
			selects("the NetworkPolicy", o.Spec.PodSelector.MatchLabels)
			for _, rule := range o.Spec.Ingress {
				port("the NetworkPolicy", *rule.Ports[0].Port)
			}
		case *monitoringv1.PodMonitor:
			selects("the PodMonitor", o.Spec.Selector.MatchLabels)
			for _, e := range o.Spec.PodMetricsEndpoints {
				port("the PodMonitor", intstr.FromString(*e.Port))
			}
		case *monitoringv1.ServiceMonitor:
			refers("the ServiceMonitor", "Service", "gpusignal")
		}
	}
	return append(out, podFaults(pods.Spec, names)...)
}

// podFaults are those of the pods, which may use what has these names.
func podFaults(pod corev1.PodSpec, names map[string]bool) []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	container := pod.Containers[0]
	if security := container.SecurityContext; security.Privileged != nil && *security.Privileged && security.AllowPrivilegeEscalation != nil {
		fault("a privileged container cannot do without privilege escalation")
	}
	mounted := map[string]bool{}
	for _, mount := range container.VolumeMounts {
		if mounted[mount.Name] || mounted[mount.MountPath] {
			fault("%s is mounted twice", mount.MountPath)
		}
		mounted[mount.Name], mounted[mount.MountPath] = true, true
		if !filepath.IsAbs(mount.MountPath) {
			fault("%s is mounted at %q", mount.Name, mount.MountPath)
		}
	}
	for _, volume := range pod.Volumes {
		if !mounted[volume.Name] {
			fault("volume %s is not mounted", volume.Name)
		}
		delete(mounted, volume.Name)
		if c := volume.ConfigMap; c != nil && c.Name == "gpusignal" && !names["ConfigMap/gpusignal"] {
			fault("volume %s is of a ConfigMap that is not there", volume.Name)
		}
	}
	for name := range mounted {
		if !strings.HasPrefix(name, "/") {
			fault("volume %s is mounted and is not there", name)
		}
	}
	return out
}

// faults itself has to see what it is there for.
func TestFaultsAreSeen(t *testing.T) {
	tests := []struct{ right, wrong, want string }{
		{"name: pod-resources\n", "name: pod-resource\n", "volume pod-resource is not mounted"},
		{"- {name: metrics, containerPort: 9478}", "- {name: web, containerPort: 9478}", "names port metrics"},
		{"kind: ClusterRole\n  name: gpusignal", "kind: ClusterRole\n  name: gpusignals", "names ClusterRole gpusignals"},
		{"hostPID: true", "hostNetwork: true", "maxSurge 10%"},
		{"app.kubernetes.io/instance: gpusignal\n  policyTypes", "app.kubernetes.io/instance: another\n  policyTypes", "the NetworkPolicy selects"},
		{"allowPrivilegeEscalation: false\n            capabilities", "allowPrivilegeEscalation: false\n            privileged: true\n            capabilities", "privileged"},
	}
	manifests := render(t, everythingOn...)
	for _, test := range tests {
		if !strings.Contains(manifests, test.right) {
			t.Errorf("nothing says %q", test.right)
			continue
		}
		objects, err := decode(scheme(t), strings.Replace(manifests, test.right, test.wrong, 1))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(faults(objects), "\n"); !strings.Contains(got, test.want) {
			t.Errorf("with %q: faults %q, want %q", test.wrong, got, test.want)
		}
	}
}
