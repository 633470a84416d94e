package examples_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"gpusignal/scaling"
)

// scaledObject is what our files use of KEDA's keda.sh/v1alpha1, as its reference of 2.21 names it.
type scaledObject struct {
	APIVersion string
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Spec       struct {
		ScaleTargetRef                   struct{ Name string }
		MinReplicaCount, MaxReplicaCount int
		PollingInterval, CooldownPeriod  int
		Triggers                         []trigger
		Fallback                         *struct {
			FailureThreshold, Replicas int
			Behavior                   string
		}
		Advanced struct {
			HorizontalPodAutoscalerConfig struct {
				Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
			}
		}
	}
}

type trigger struct {
	Type             string
	MetricType       string
	UseCachedMetrics bool
	Metadata         map[string]string
}

func scaledObjects(t *testing.T) map[string]scaledObject {
	t.Helper()
	found := make(map[string]scaledObject)
	for _, path := range files(t) {
		for _, object := range objects[scaledObject](t, path, "ScaledObject") {
			found[path] = object
		}
	}
	if len(found) == 0 {
		t.Fatal("no ScaledObject")
	}
	return found
}

func TestScaledObjectsSurviveALostExporter(t *testing.T) {
	starts := coldStarts(t)
	for path, object := range scaledObjects(t) {
		spec := object.Spec
		start, ok := starts[spec.ScaleTargetRef.Name]
		if !ok || object.APIVersion != "keda.sh/v1alpha1" {
			t.Errorf("%s scales %s of %s", path, spec.ScaleTargetRef.Name, object.APIVersion)
		}
		shrinksSlowly(t, path, spec.Advanced.HorizontalPodAutoscalerConfig.Behavior, start)
		// A fleet that loads as a whole has no answer either, and must not grow by it.
		if spec.Fallback == nil || spec.Fallback.Behavior != "currentReplicasIfHigher" || spec.Fallback.Replicas != max(1, spec.MinReplicaCount) {
			t.Errorf("%s: without an answer it falls back to %+v, at least are %d", path, spec.Fallback, spec.MinReplicaCount)
		}
		// KEDA 2.21 polls for who may go to zero alone, and warns of an interval elsewhere.
		if polls := spec.PollingInterval > 0; polls != (spec.MinReplicaCount == 0) {
			t.Errorf("%s: polls each %d s, and has %d pods at least", path, spec.PollingInterval, spec.MinReplicaCount)
		}
		for _, trigger := range spec.Triggers {
			// A kept answer of the fallback is no error, so it ends the fallback.
			if trigger.UseCachedMetrics {
				t.Errorf("%s: %s keeps answers", path, trigger.Type)
			}
			switch trigger.Type {
			case "prometheus":
				asksForOneElement(t, path, trigger.Metadata)
			case "metrics-api":
				asksForAWorkload(t, path, object, trigger.Metadata)
			case "cron":
			default:
				t.Errorf("%s: this test does not know the trigger %s", path, trigger.Type)
			}
		}
	}
}

// asksForOneElement holds that a query adds up or averages everything, at the outermost, in each of the ways that or tries in turn;
// that no answer is an error; and that the target is whole: older fallbacks cut its decimals.
func asksForOneElement(t *testing.T, path string, metadata map[string]string) {
	t.Helper()
	if metadata["ignoreNullValues"] != "false" {
		t.Errorf("%s: an empty answer would be 0", path)
	}
	if n, err := strconv.Atoi(metadata["threshold"]); err != nil || n < 1 {
		t.Errorf("%s: threshold %s", path, metadata["threshold"])
	}
	for way := range strings.SplitSeq(metadata["query"], " or ") {
		if !regexp.MustCompile(`^(0 \* )?(sum|avg|max)\(.*\)$`).MatchString(strings.TrimSpace(way)) {
			t.Errorf("%s: %s may answer several elements", path, way)
		}
	}
}

// asksForAWorkload holds that a path is one of ours, for the workload that is scaled, and that the Service has its port. KEDA 2.21
// finds no endpoints for <service>.<namespace>:<port>: it takes <namespace>:<port> for the namespace.
func asksForAWorkload(t *testing.T, path string, object scaledObject, metadata map[string]string) {
	t.Helper()
	services := objects[corev1.Service](t, "keda/service.yaml", "Service")
	if len(services) != 1 || len(services[0].Spec.Ports) != 1 {
		t.Fatalf("keda/service.yaml: %d Services", len(services))
	}
	service := services[0]
	want := "http://" + service.Name + "." + service.Namespace + ".svc:" + strconv.Itoa(int(service.Spec.Ports[0].Port)) + "/api/v1/workloads/" +
		object.Metadata.Namespace + "/Deployment/" + object.Spec.ScaleTargetRef.Name + "/"
	signal, ok := strings.CutPrefix(metadata["url"], want)
	if !ok {
		t.Errorf("%s asks %s, not %s…", path, metadata["url"], want)
	}
	known := false
	for _, info := range scaling.Names() {
		known = known || string(info.Name) == signal
	}
	if !known || metadata["valueLocation"] != "value" || metadata["aggregateFromKubeServiceEndpoints"] != "true" || metadata["aggregationType"] != "average" {
		t.Errorf("%s: %v does not read the mean of a signal", path, metadata)
	}
	daemonSet := read(t, "../daemonset.yaml")
	port := service.Spec.Ports[0]
	if !strings.Contains(daemonSet, "- {name: "+port.TargetPort.StrVal+", containerPort: "+strconv.Itoa(int(port.Port))+"}") {
		t.Errorf("daemonset.yaml has no port %s with number %d, and KEDA asks the pods at that", port.TargetPort.StrVal, port.Port)
	}
}

// Zero is left by a gateway and by the clock alone, and reached only after longer than a cold start.
func TestZeroHasAFloorAndAnAlarmClock(t *testing.T) {
	for path, object := range scaledObjects(t) {
		spec := object.Spec
		if spec.MinReplicaCount > 0 {
			continue
		}
		var floor, gateway, held bool
		for _, trigger := range spec.Triggers {
			query := trigger.Metadata["query"]
			replicas, _ := strconv.Atoi(trigger.Metadata["desiredReplicas"])
			floor = floor || trigger.Type == "cron" && replicas > 0 && trigger.Metadata["timezone"] != ""
			held = held || strings.HasPrefix(query, "sum(max by (pod) (gpusignal_pod_state{") && strings.Contains(query, `state="loading"`)
			if query != "" && !strings.Contains(query, "gpusignal_") {
				gateway = true
				// A gateway has no series before its first request. One that nobody can read is an error.
				if !regexp.MustCompile(`or 0 \* sum\(up\{.+\} == 1\)$`).MatchString(query) {
					t.Errorf("%s: %s is an error while nobody asks", path, query)
				}
			}
			// With no pods there are no series of ours: that is 0, and every other silence an error.
			if strings.Contains(query, "gpusignal_") && !strings.Contains(query, "or 0 * sum(kube_deployment_status_replicas{") {
				t.Errorf("%s: %s is an error at zero", path, query)
			}
		}
		if !floor || !gateway || !held {
			t.Errorf("%s: floor %v, gateway %v, held while loading %v", path, floor, gateway, held)
		}
		if start := int(coldStarts(t)[spec.ScaleTargetRef.Name].Seconds()); spec.CooldownPeriod <= start {
			t.Errorf("%s: cooldown %d s, a cold start may take %d s", path, spec.CooldownPeriod, start)
		}
	}
}
