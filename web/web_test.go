package web

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
	"gpusignal/scaling"
)

var at = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return at.Add(-d) }

// busyNode has a GPU held by a vLLM server with ten requests waiting, and one that nobody holds.
func busyNode() *node.Snapshot {
	pod := node.PodID{UID: "u1", Namespace: "chat", Name: "llm-0"}
	container := node.ContainerID{Pod: pod, Name: "server"}
	device := node.DeviceState{
		Device: node.Device{ID: "GPU-1", Model: "NVIDIA H200"}, At: ago(time.Second), Utilization: node.Some(0.8), XIDs: map[int]node.XID{79: {Count: 1, Last: ago(time.Minute)}},
		Activity: [node.Units]node.Opt[float64]{node.UnitTensor: node.Some(0.25)}, Lacks: node.Features(0).With(node.FeatureFan).With(node.FeatureNVLink),
		Slowed: 4, Busy: node.Some(0.004), Refresh: node.Some(time.Second / 8),
		Last: node.Reading{Utilization: node.Some(0.9), Memory: node.Some(node.Memory{Total: 80, Used: 60}), Power: node.Some(math.NaN())},
	}
	free := device
	free.Device = node.Device{ID: "GPU-2", Minor: 1, Model: "NVIDIA H200"}
	return &node.Snapshot{
		At: at, Devices: []node.DeviceState{device, free},
		Totals:   []node.Total{{Device: "GPU-1", Busy: 90 * time.Second, Observed: 100 * time.Second, Energy: 2_500_000, EnergyKnown: true}},
		Accounts: []node.Account{{Container: container, Device: "GPU-1", Attribution: node.Exclusive, Busy: 90 * time.Second, Utilization: node.Some(0.8), Memory: node.Some(uint64(60))}},
		Claims:   []node.Claim{{Container: container, Device: "GPU-1", Weight: 1}},
		Unmapped: []node.Unmapped{{Device: "GPU-2", Reason: "unclaimed"}},
		Pods: []node.Pod{{
			ID: pod, Workload: node.Workload{Kind: "Deployment", Name: "llm"}, Phase: "Running", IPs: []netip.Addr{netip.MustParseAddr("10.0.0.7")},
			Containers: []node.Container{{Name: "server", Image: "vllm/vllm-openai", Args: []string{"--api-key=secret-key"}}},
		}},
		Servers: []node.Server{{
			Pod: pod, Engine: "vllm", URL: "http://reader:secret-word@10.0.0.7:8000/metrics", At: ago(time.Second), FirstPage: ago(time.Hour),
			WaitingSince: ago(time.Minute), InHandSince: ago(time.Minute), ProgressSince: ago(time.Second), Span: 15 * time.Second,
			Models: []node.Model{{
				Name: "llama", Ranks: 1, Running: node.Some(node.Gauge{Last: 4, Mean: 4, Peak: math.Inf(1)}), Waiting: node.Some(node.Gauge{Last: 10, Mean: 10, Peak: 12}),
				KVCache: node.Some(node.Gauge{Mean: 0.35}), GenerationTokens: node.Some(node.Counter{Total: 10, Increase: 5}),
				Queue: node.Some(node.Latency{Buckets: []node.Bucket{{Upper: math.Inf(1), Increase: 3}}}), Requests: map[string]node.Counter{"success": {Total: 7}},
			}},
		}},
		Health: []node.SourceHealth{
			{Source: "nvml", Up: true, Success: ago(time.Second), Attempts: 5},
			{Source: "kubelet", Up: true, Success: ago(time.Second)},
			{Source: "pods", Detail: "no right to <list> pods"},
		},
	}
}

func text(s string) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { writeText(out, http.StatusOK, s) })
}

func handlerOf(s *node.Snapshot, started time.Time) http.Handler {
	return New(Config{
		Snapshot: func() *node.Snapshot { return s }, Targets: func() scaling.Targets {
			return scaling.Targets{Kinds: []node.Kind{{Name: "vllm", Images: []string{"vllm"}}}}
		},
		Started: started, Window: 15 * time.Second, Version: "1.2.3", Links: []Link{{"https://example.org/book", "handbook", "what to do at night"}},
	}).Handler(text("the metrics"), text("the signals"))
}

func ask(h http.Handler, method, path string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequest(method, path, nil))
	return recorder
}

func TestPaths(t *testing.T) {
	const html, plain, object = "text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json; charset=utf-8"
	for _, test := range []struct {
		method, path string
		code         int
		kind         string
		want         []string
	}{
		{"GET", "/metrics", 200, plain, []string{"the metrics"}},
		{"GET", "/signals", 200, plain, []string{"the signals"}},
		{"GET", "/-/healthy", 200, plain, []string{"ok\n"}},
		{"GET", "/-/ready", 200, plain, []string{"ready\n"}},
		{"GET", "/", 200, html, []string{
			"1.2.3", `href="metrics"`, "2 devices, 1 metrics page", `href="api/v1/explain/chat/llm-0"`, "2.00", "queue", "nobody (unclaimed)", "chat/llm-0",
			"nvlink, fan", "read 4 times less often", "1s ago", "no right to &lt;list&gt; pods", `class="down"`, `href="https://example.org/book"`,
		}},
		{"GET", "/api/v1/node", 200, object, []string{
			`"id": "GPU-1"`, `"utilization_ratio": 0.8`, `"reason": "unclaimed"`, `"energy_joules": 2.5`, `"tensor": 0.25`, `"nvlink"`,
			`"slowdown_ratio": 4`, `"driver_time_ratio": 0.004`, `"utilization_refresh_seconds": 0.125`, `"79": 1`, `"79": "2026-11-23T02:59:00Z"`,
		}},
		{"GET", "/api/v1/explain/chat/llm-0", 200, object, []string{`"saturation": 2`, `"target": 5`, `"target_source": "default"`, `"decides": true`}},
		{"GET", "/api/v1/explain/chat/llm-1", 404, object, []string{`no signals of pod \"llm-1\" in namespace \"chat\"`, "/api/v1/node lists"}},
		{"GET", "/api/v1/explain/chat", 404, "", nil},
		{"GET", "/metric", 404, "", nil},
		{"GET", "/index.html", 404, "", nil},
		{"POST", "/metrics", 405, "", nil},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			got := ask(handlerOf(busyNode(), ago(time.Hour)), test.method, test.path)
			if got.Code != test.code {
				t.Errorf("status %d, want %d", got.Code, test.code)
			}
			if kind := got.Header().Get("Content-Type"); test.kind != "" && kind != test.kind {
				t.Errorf("content type %q, want %q", kind, test.kind)
			}
			for _, part := range test.want {
				if !strings.Contains(got.Body.String(), part) {
					t.Errorf("no %q in:\n%s", part, got.Body)
				}
			}
		})
	}
}

func TestNoSecretLeaves(t *testing.T) {
	h := handlerOf(busyNode(), ago(time.Hour))
	for _, path := range []string{"/", "/api/v1/node", "/api/v1/explain/chat/llm-0"} {
		if body := ask(h, "GET", path).Body.String(); strings.Contains(body, "secret") {
			t.Errorf("%s shows a secret:\n%s", path, body)
		}
	}
}

func TestNodeIsJSONWhateverTheNumbers(t *testing.T) {
	var got snapshotView
	if err := json.Unmarshal(ask(handlerOf(busyNode(), at), "GET", "/api/v1/node").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	readBack, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(nodeView(busyNode()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(readBack)); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if got.Devices[0].Power != nil || got.Servers[0].Models[0].Running.Peak != nil {
		t.Error("what is no number is not null")
	}
	if got.Servers[0].EndedAt != nil || got.Servers[0].Models[0].PromptTokens != nil {
		t.Error("what is not known is not null")
	}
	var empty map[string]any
	if err := json.Unmarshal(ask(handlerOf(&node.Snapshot{At: at}, at), "GET", "/api/v1/node").Body.Bytes(), &empty); err != nil {
		t.Fatal(err)
	}
	for name, v := range empty {
		if v == nil {
			t.Errorf("%s of an empty node is null, want []", name)
		}
	}
}

func TestExplain(t *testing.T) {
	var got explanation
	if err := json.Unmarshal(ask(handlerOf(busyNode(), at), "GET", "/api/v1/explain/chat/llm-0").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []componentView{
		{Name: "queue", Value: 2, Input: 10, Target: new(5.0), TargetSource: "default", AgeSeconds: 1, Decides: true},
		{Name: "kv_cache", Value: 0.5, Input: 0.35, Target: new(0.7), TargetSource: "default", AgeSeconds: 1},
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
	if diff := cmp.Diff(want, got.Components, near); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
	if got.State == nil || *got.State != "ready" || got.Evidence != "page" || got.Workload != "llm" || len(got.Problems) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestExplainSaysWhyThereIsNone(t *testing.T) {
	server := func(change func(*node.Server)) func(*node.Snapshot) {
		return func(s *node.Snapshot) { change(&s.Servers[0]) }
	}
	for _, test := range []struct {
		name   string
		change func(*node.Snapshot)
		want   string
	}{
		{"draining", func(s *node.Snapshot) { s.Pods[0].Deleted = at }, "being deleted"},
		{"loading", server(func(s *node.Server) { s.FirstPage = time.Time{} }), "no metrics page of the server has been read"},
		{"unreachable", server(func(s *node.Server) { s.Models, s.Span = nil, 0 }), "for too long"},
		{"no target", func(s *node.Snapshot) { s.Servers, s.Pods[0].Containers = nil, nil }, "set a target"},
		{"window not full", func(s *node.Snapshot) {
			s.Servers[0].Span = 0
			s.Pods[0].Annotations = map[string]string{"gpusignal/gpu-target": "0.8"}
		}, "first signal window is not full"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := busyNode()
			test.change(s)
			var got explanation
			if err := json.Unmarshal(ask(handlerOf(s, at), "GET", "/api/v1/explain/chat/llm-0").Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got.Saturation != nil || !strings.Contains(strings.Join(got.Problems, "\n"), test.want) {
				t.Errorf("saturation %v, problems %q, want %q", got.Saturation, got.Problems, test.want)
			}
		})
	}
}

func TestExplainOfAPodWithoutANamespace(t *testing.T) {
	s := busyNode()
	s.Servers[0].Pod = node.PodID{Name: "10.0.0.7:8000"}
	if got := ask(handlerOf(s, at), "GET", "/api/v1/explain/-/10.0.0.7:8000"); got.Code != 200 {
		t.Errorf("status %d: %s", got.Code, got.Body)
	}
}

// A pod with an endpoint is explained before its first page, whether its kind was given or not.
func TestExplainOfAnEndpointNeverRead(t *testing.T) {
	for announced, want := range map[string]string{"vllm": "no metrics page of the server has been read", "": "refused: nobody listens"} {
		s := busyNode()
		s.Servers = []node.Server{{Pod: node.PodID{Name: "10.0.0.9:8000"}, Announced: announced, Fault: "refused", Detail: "nobody listens"}}
		answer := ask(handlerOf(s, at), "GET", "/api/v1/explain/-/10.0.0.9:8000")
		var got explanation
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != 200 {
			t.Fatalf("status %d, error %v: %s", answer.Code, err, answer.Body)
		}
		if announced != "" && (got.State == nil || *got.State != "loading" || got.Evidence != "configuration") {
			t.Errorf("announced %q: got %+v", announced, got)
		}
		if got.Saturation != nil || !strings.Contains(strings.Join(got.Problems, "\n"), want) {
			t.Errorf("announced %q: problems %q, want %q", announced, got.Problems, want)
		}
	}
}
