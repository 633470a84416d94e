package examples_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// knativeService is what our files use of serving.knative.dev/v1.
type knativeService struct {
	APIVersion string
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Spec       struct {
		Template struct {
			Metadata struct{ Annotations map[string]string }
			Spec     struct {
				ContainerConcurrency, TimeoutSeconds, ResponseStartTimeoutSeconds int
				corev1.PodSpec
			}
		}
	}
}

const (
	autoscaling = "autoscaling.knative.dev/"
	// stabilisation of an HPA that has no behaviour.
	stabilisation = 300 * time.Second
)

func knativeServices(t *testing.T) map[string]knativeService {
	t.Helper()
	found := make(map[string]knativeService)
	for _, path := range files(t) {
		if !strings.HasPrefix(path, "knative/") {
			continue
		}
		for _, service := range objects[knativeService](t, path, "Service") {
			found[path] = service
		}
	}
	if len(found) == 0 {
		t.Fatal("no Service of Knative")
	}
	return found
}

func TestKnativeServices(t *testing.T) {
	metrics := served(t)
	for path, service := range knativeServices(t) {
		annotations, pod := service.Spec.Template.Metadata.Annotations, service.Spec.Template.Spec
		if service.APIVersion != "serving.knative.dev/v1" || annotations["gpusignal/port"] != strconv.Itoa(int(pod.Containers[0].Ports[0].ContainerPort)) {
			t.Errorf("%s: %s with %v", path, service.APIVersion, annotations)
		}
		start := allowed(t, path, pod.PodSpec)
		if deadline, err := time.ParseDuration(annotations["serving.knative.dev/progress-deadline"]); err != nil || deadline <= start {
			t.Errorf("%s: the revision is given up after %v, a cold start may take %v: %v", path, deadline, start, err)
		}
		// Knative refuses a revision whose answers may begin after they have to end.
		if first := time.Duration(pod.ResponseStartTimeoutSeconds) * time.Second; first <= start || pod.ResponseStartTimeoutSeconds > pod.TimeoutSeconds {
			t.Errorf("%s: an answer has to begin within %v and to end within %d s, a cold start may take %v", path, first, pod.TimeoutSeconds, start)
		}
		least, _ := strconv.Atoi(annotations[autoscaling+"min-scale"])
		target, err := strconv.Atoi(annotations[autoscaling+"target"])
		if err != nil || target < 1 {
			t.Errorf("%s: Knative passes whole numbers, not %q", path, annotations[autoscaling+"target"])
		}
		switch class := annotations[autoscaling+"class"]; class {
		case "hpa.autoscaling.knative.dev":
			metric := annotations[autoscaling+"metric"]
			if _, ok := metrics[metric]; !ok || !strings.HasSuffix(metric, "_percent") {
				t.Errorf("%s: the adapter serves no percent %s", path, metric)
			}
			if _, ok := annotations[autoscaling+"window"]; ok || least < 1 || start >= stabilisation {
				t.Errorf("%s: the way up waits for a window (%v), or zero (%d), or a cold start of %v", path, ok, least, start)
			}
		case "kpa.autoscaling.knative.dev":
			for _, name := range []string{"scale-down-delay", "scale-to-zero-pod-retention-period"} {
				if held, err := time.ParseDuration(annotations[autoscaling+name]); err != nil || held <= start {
					t.Errorf("%s: %s %v is not longer than a cold start, which may take %v: %v", path, name, held, start, err)
				}
			}
			if least != 0 {
				t.Errorf("%s: at least %d pods", path, least)
			}
		default:
			t.Errorf("%s: this test does not know the class %q", path, class)
		}
	}
}
