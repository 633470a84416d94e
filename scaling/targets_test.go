package scaling

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func podOf(namespace, kind, workload string, annotations map[string]string) node.Pod {
	return node.Pod{ID: node.PodID{Namespace: namespace, Name: "p"}, Workload: node.Workload{Kind: kind, Name: workload}, Annotations: annotations}
}

func TestTheFirstRuleThatFitsHolds(t *testing.T) {
	targets := Targets{Rules: []Rule{
		{Namespace: "chat", Workload: "Deployment/llm", Queue: new(1.0)},
		{Namespace: "chat", Workload: "llm", Queue: new(2.0), GPU: new(0.5)},
		{Namespace: "chat", Queue: new(3.0)},
		{Workload: "StatefulSet/llm", Queue: new(4.0)},
		{QueueTime: new(0.5)},
	}}
	if err := targets.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		pod    node.Pod
		queue  float64
		source string
	}{
		{podOf("chat", "Deployment", "llm", nil), 1, "target 1 (namespace chat, workload Deployment/llm)"},
		{podOf("chat", "StatefulSet", "llm", nil), 2, "target 2 (namespace chat, workload llm)"},
		{podOf("chat", "", "", nil), 3, "target 3 (namespace chat, workload *)"},
		{podOf("other", "StatefulSet", "llm", nil), 4, "target 4 (namespace *, workload StatefulSet/llm)"},
		{podOf("other", "", "", nil), 5, "default"},
	} {
		got := targets.For(test.pod)
		if got.Queue != (Setting{test.queue, test.source}) {
			t.Errorf("%+v: queue %+v, want %v of %s", test.pod.Workload, got.Queue, test.queue, test.source)
		}
	}
	if got := targets.For(podOf("other", "", "", nil)).QueueTime.Value; got != 0.5 {
		t.Errorf("queue time %v, want 0.5", got)
	}
}

func TestAnnotationsOverrideWithinBounds(t *testing.T) {
	targets := Targets{Rules: []Rule{{Queue: new(3.0), Concurrency: new(7.0), GPU: new(0.5)}}}
	got := targets.For(podOf("a", "", "", map[string]string{
		"gpusignal/queue-target":               " 8 ",
		"gpusignal/max-running":                "256",
		"gpusignal/concurrency-target":         "many",
		"gpusignal/queue-time-target":          "-1",
		"gpusignal/time-to-first-token-target": "NaN",
		"gpusignal/inter-token-latency-target": "+Inf",
		"gpusignal/gpu-target":                 "0.95",
		"gpusignal/engine":                     "vllm",
	}))
	rule := "target 1 (namespace *, workload *)"
	want := Target{
		Queue: Setting{8, "annotation gpusignal/queue-target"}, MaxRunning: Setting{256, "annotation gpusignal/max-running"},
		Concurrency: Setting{7, rule}, GPU: Setting{0.5, rule},
		Problems: []string{
			`annotation gpusignal/concurrency-target: "many" is ignored: set it to a number from 0.1 to 100000 requests`,
			`annotation gpusignal/queue-time-target: "-1" is ignored: set it to a number from 0.0001 to 3600 seconds`,
			`annotation gpusignal/time-to-first-token-target: "NaN" is ignored: set it to a number from 0.001 to 3600 seconds`,
			`annotation gpusignal/inter-token-latency-target: "+Inf" is ignored: set it to a number from 0.0001 to 60 seconds`,
			`annotation gpusignal/gpu-target: "0.95" is ignored: set it to a number from 0.01 to 0.9 as a ratio`,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules []Rule
		want  string
	}{
		{"good", []Rule{{Namespace: "a", Workload: "Deployment/x", Queue: new(1.0)}, {Namespace: "a", Workload: "x", Queue: new(2.0)}, {Queue: new(3.0)}}, ""},
		{"zero", []Rule{{Queue: new(0.0)}}, "target 1 (namespace *, workload *): queue is 0: set it from 0.1 to 10000 requests"},
		{"no number", []Rule{{Queue: new(1.0), GPU: new(math.NaN())}}, "gpu is NaN: set it from 0.01 to 0.9"},
		{"GPU could never pass 1.1", []Rule{{GPU: new(0.95)}}, "gpu is 0.95: set it from 0.01 to 0.9"},
		{"nothing set", []Rule{{Namespace: "a"}}, "sets no target: give it one of queue, max_running"},
		{"slashes", []Rule{{Workload: "apps/Deployment/x", Queue: new(1.0)}}, `write for example "Deployment/chat"`},
		{"hidden", []Rule{{Namespace: "a", Queue: new(1.0)}, {Namespace: "a", Workload: "x", Queue: new(1.0)}}, "target 2 (namespace a, workload x) can never hold: target 1"},
		{"hidden by name", []Rule{{Workload: "x", Queue: new(1.0)}, {Namespace: "a", Workload: "Job/x", Queue: new(1.0)}}, "put the narrower rule first"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Targets{Rules: test.rules}.Validate()
			if test.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestDetect(t *testing.T) {
	for _, test := range []struct {
		pod      node.Pod
		evidence Evidence
		engine   string
	}{
		{node.Pod{Containers: []node.Container{{Image: "nvcr.io/nvidia/tritonserver:26.10-vllm-python-py3"}}}, ByImage, "triton"},
		{node.Pod{Containers: []node.Container{{Image: "localhost:5000/vllm/vllm-openai@sha256:ab"}}}, ByImage, "vllm"},
		{node.Pod{Containers: []node.Container{{Image: "nginx"}, {Image: "rocm/vllm"}}}, ByImage, "vllm"},
		{node.Pod{Containers: []node.Container{{Image: "registry/own", Args: []string{"/usr/bin/vllm", "serve", "m"}}}}, ByArguments, "vllm"},
		{node.Pod{Containers: []node.Container{{Image: "own", Args: []string{"/opt/tritonserver/bin/tritonserver"}}}}, ByArguments, "triton"},
		{node.Pod{Containers: []node.Container{{Image: "own", Args: []string{"-m", "vllm.entrypoints.openai.api_server"}}}}, ByArguments, "vllm"},
		{node.Pod{Annotations: map[string]string{"gpusignal/engine": "triton"}, Containers: []node.Container{{Image: "vllm"}}}, ByAnnotation, "triton"},
		{node.Pod{Annotations: map[string]string{"gpusignal/scrape": "false"}, Containers: []node.Container{{Image: "vllm"}}}, "", ""},
		{node.Pod{Containers: []node.Container{{Image: "team/notvllm:vllm", Args: []string{"vllm"}}}}, "", ""},
	} {
		evidence, engine := detect(&subject{pod: test.pod}, kinds())
		if evidence != test.evidence || engine != test.engine {
			t.Errorf("%+v: got %q %q, want %q %q", test.pod, evidence, engine, test.evidence, test.engine)
		}
	}
}

func FuzzAnnotations(f *testing.F) {
	f.Add("8", "0.5")
	f.Add("1e400", "-0")
	f.Fuzz(func(t *testing.T, queue, gpu string) {
		got := Targets{}.For(podOf("a", "", "", map[string]string{"gpusignal/queue-target": queue, "gpusignal/gpu-target": gpu}))
		if v := got.Queue.Value; !(v >= 0.1 && v <= 10_000) {
			t.Errorf("queue target %v of %q", v, queue)
		}
		if v := got.GPU.Value; got.GPU.Set() && !(v >= 0.01 && v <= 0.9) {
			t.Errorf("gpu target %v of %q", v, gpu)
		}
		ignored := 0
		if got.Queue.Source == sourceDefault {
			ignored++
		}
		if !got.GPU.Set() {
			ignored++
		}
		if len(got.Problems) != ignored {
			t.Errorf("%d annotations ignored, %d told: %q", ignored, len(got.Problems), got.Problems)
		}
	})
}
