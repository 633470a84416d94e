package examples_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// objects decodes each document of a file of one kind as the API server does; a field that its type lacks is an error.
func objects[T any](t *testing.T, path, kind string) []T {
	t.Helper()
	var found []T
	for decoder := yaml.NewDecoder(strings.NewReader(read(t, path))); ; {
		var document map[string]any
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if document["kind"] != kind {
			continue
		}
		content, err := json.Marshal(document)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		var object T
		strict := json.NewDecoder(bytes.NewReader(content))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&object); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		found = append(found, object)
	}
}

// autoscalers returns those of a folder by their file.
func autoscalers(t *testing.T) map[string]autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	found := make(map[string]autoscalingv2.HorizontalPodAutoscaler)
	for _, path := range files(t) {
		for _, hpa := range objects[autoscalingv2.HorizontalPodAutoscaler](t, path, "HorizontalPodAutoscaler") {
			found[path] = hpa
		}
	}
	if len(found) < 2 {
		t.Fatalf("%d autoscalers", len(found))
	}
	return found
}

// coldStarts returns how long each Deployment of hpa/ may take to start, by its name.
func coldStarts(t *testing.T) map[string]time.Duration {
	t.Helper()
	found := make(map[string]time.Duration)
	paths, _ := filepath.Glob("hpa/*.yaml")
	for _, path := range paths {
		for _, deployment := range objects[appsv1.Deployment](t, path, "Deployment") {
			found[deployment.Name] = allowed(t, path, deployment.Spec.Template.Spec)
		}
	}
	if len(found) == 0 {
		t.Fatal("hpa/ has no Deployment")
	}
	return found
}

// allowed is the longest cold start that the startup probe of a pod's first container lets be.
func allowed(t *testing.T, path string, pod corev1.PodSpec) time.Duration {
	t.Helper()
	if len(pod.Containers) == 0 || pod.Containers[0].StartupProbe == nil {
		t.Fatalf("%s: no startup probe says how long a cold start may take", path)
	}
	probe := pod.Containers[0].StartupProbe
	return time.Duration(probe.FailureThreshold*probe.PeriodSeconds) * time.Second
}

func TestEachAutoscalerScalesAServerHere(t *testing.T) {
	servers := coldStarts(t)
	for path, hpa := range autoscalers(t) {
		target := hpa.Spec.ScaleTargetRef
		if _, ok := servers[target.Name]; !ok || target.Kind != "Deployment" || target.APIVersion != "apps/v1" {
			t.Errorf("%s scales %s %s, which no file of hpa/ is", path, target.Kind, target.Name)
		}
		if hpa.Spec.MinReplicas == nil || *hpa.Spec.MinReplicas < 1 {
			t.Errorf("%s: a metric of pods cannot wake a server from zero", path)
		}
	}
}

func TestTheAdapterServesTheMetricsOfEachAutoscaler(t *testing.T) {
	metrics := served(t)
	smallest := resource.MustParse("10m")
	for path, hpa := range autoscalers(t) {
		for _, metric := range hpa.Spec.Metrics {
			if metric.Type != autoscalingv2.PodsMetricSourceType || metric.Pods == nil {
				t.Errorf("%s: a metric of %s, where one of pods is meant", path, metric.Type)
				continue
			}
			name, target := metric.Pods.Metric.Name, metric.Pods.Target
			if _, ok := metrics[name]; !ok {
				t.Errorf("%s: no rule of the adapter serves %s", path, name)
			}
			// An HPA counts in thousandths.
			if target.Type != autoscalingv2.AverageValueMetricType || target.AverageValue == nil || target.AverageValue.Cmp(smallest) < 0 {
				t.Errorf("%s: the target of %s is %+v", path, name, target)
			}
		}
	}
}

// A cache is a stock: a server can queue while its cache is nearly empty.
func TestTheCacheIsNeverAlone(t *testing.T) {
	for path, hpa := range autoscalers(t) {
		for _, metric := range hpa.Spec.Metrics {
			if strings.Contains(metric.Pods.Metric.Name, "kv_cache") && len(hpa.Spec.Metrics) < 2 {
				t.Errorf("%s scales on the KV cache alone", path)
			}
		}
	}
}

func TestAutoscalersShrinkSlowly(t *testing.T) {
	starts := coldStarts(t)
	for path, hpa := range autoscalers(t) {
		shrinksSlowly(t, path, hpa.Spec.Behavior, starts[hpa.Spec.ScaleTargetRef.Name])
		for direction, rules := range map[string]*autoscalingv2.HPAScalingRules{"up": hpa.Spec.Behavior.ScaleUp, "down": hpa.Spec.Behavior.ScaleDown} {
			if rules.Tolerance == nil {
				t.Errorf("%s: no tolerance on the way %s", path, direction)
			}
		}
	}
}

// What make e2e proves of the autoscaler that is copied from everywhere is the snippet itself: the file up to its behavior.
func TestTheWellKnownSnippetIsTheFileWithoutItsPace(t *testing.T) {
	const path = "hpa/triton-queue-time.yaml"
	snippet, _, found := strings.Cut(read(t, path), "\n  behavior:\n")
	if !found {
		t.Fatalf("%s has no behavior", path)
	}
	var got, want map[string]any
	for text, object := range map[string]*map[string]any{snippet: &got, read(t, path): &want} {
		if err := yaml.Unmarshal([]byte(text), object); err != nil {
			t.Fatal(err)
		}
	}
	delete(want["spec"].(map[string]any), "behavior")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s has more than a behavior after its snippet (-file +snippet):\n%s", path, diff)
	}
}

// shrinksSlowly holds that at most one pod goes in 180 s, after a stabilisation longer than a cold start, and that nothing delays
// the way up.
func shrinksSlowly(t *testing.T, path string, behavior *autoscalingv2.HorizontalPodAutoscalerBehavior, coldStart time.Duration) {
	t.Helper()
	if behavior == nil || behavior.ScaleUp == nil || behavior.ScaleDown == nil {
		t.Fatalf("%s gives no pace for both directions", path)
	}
	up, down := behavior.ScaleUp, behavior.ScaleDown
	if up.StabilizationWindowSeconds == nil || *up.StabilizationWindowSeconds > 30 {
		t.Errorf("%s: the way up waits", path)
	}
	if down.StabilizationWindowSeconds == nil || time.Duration(*down.StabilizationWindowSeconds)*time.Second <= coldStart {
		t.Errorf("%s: the stabilisation is not longer than a cold start, which may take %v", path, coldStart)
	}
	if len(down.Policies) != 1 || down.Policies[0].Type != autoscalingv2.PodsScalingPolicy || down.Policies[0].Value != 1 || down.Policies[0].PeriodSeconds < 180 {
		t.Errorf("%s: shrinks by %+v, faster than a pod in 180 s", path, down.Policies)
	}
}
