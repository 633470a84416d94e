package scaling

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

var at = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return at.Add(-d) }

func gauge(v float64) node.Opt[node.Gauge] {
	return node.Some(node.Gauge{Last: v, Mean: v, Peak: v + 1})
}

func increase(v float64) node.Opt[node.Counter] {
	return node.Some(node.Counter{Total: 1000, Increase: v})
}

func latencyOf(sum, count float64) node.Opt[node.Latency] {
	return node.Some(node.Latency{Sum: node.Counter{Increase: sum}, Count: node.Counter{Increase: count}})
}

// buckets returns a histogram of bounds and counts in turn.
func buckets(pairs ...float64) []node.Bucket {
	var out []node.Bucket
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, node.Bucket{Upper: pairs[i], Increase: pairs[i+1]})
	}
	return out
}

var chat = node.PodID{UID: "u1", Namespace: "chat", Name: "llm-0"}

// tokenServer returns a busy token engine that has been read for an hour, changed by the given functions.
func tokenServer(change ...func(*node.Server)) node.Server {
	s := node.Server{
		Pod: chat, Engine: "vllm", At: ago(time.Second), FirstPage: ago(time.Hour), InHandSince: ago(time.Minute),
		EndedAt: ago(time.Second), ProgressSince: ago(time.Second), BusyAt: ago(time.Second), Span: 10 * time.Second,
		Models: []node.Model{{
			Name: "llama", Ranks: 1, Running: gauge(4), Waiting: gauge(0), KVCache: gauge(0.35),
			Requests:     map[string]node.Counter{"success": {Increase: 20}},
			PromptTokens: increase(500), GenerationTokens: increase(900),
			Queue: latencyOf(2, 20), FirstToken: latencyOf(4, 20), InterToken: latencyOf(9, 900),
		}},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func model(change func(*node.Model)) func(*node.Server) {
	return func(s *node.Server) { change(&s.Models[0]) }
}

func snapshot(servers ...node.Server) *node.Snapshot {
	return &node.Snapshot{
		At:      at,
		Pods:    []node.Pod{{ID: chat, Workload: node.Workload{Kind: "Deployment", Name: "llm"}, Phase: "Running"}},
		Servers: servers,
	}
}

// kinds of servers by their containers.
func kinds() []node.Kind {
	return []node.Kind{
		{Name: "triton", Images: []string{"tritonserver"}, Commands: []string{"tritonserver"}},
		{Name: "vllm", Images: []string{"vllm"}, Commands: []string{"vllm serve", "vllm.entrypoints.openai.api_server"}},
	}
}

// one returns the only pod of a snapshot.
func one(t *testing.T, s *node.Snapshot, rules ...Rule) Pod {
	t.Helper()
	pods := Derive(s, Targets{Rules: rules, Kinds: kinds()})
	if len(pods) != 1 {
		t.Fatalf("got %d pods, want 1: %+v", len(pods), pods)
	}
	return pods[0]
}

func values(p Pod) map[Name]float64 {
	out := make(map[Name]float64)
	for _, v := range p.Values {
		out[v.Name] = v.Value
	}
	return out
}

func component(p Pod, name string) (Component, bool) {
	for _, c := range p.Components {
		if c.Name == name {
			return c, true
		}
	}
	return Component{}, false
}

var near = cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a)) })

func TestSignalsOfATokenEngine(t *testing.T) {
	got := one(t, snapshot(tokenServer()))
	want := map[Name]float64{
		RequestsRunning: 4, RequestsWaiting: 0, RequestsWaitingPeak: 1, Requests: 2, QueueTime: 0.1, PromptTokens: 50,
		GenerationTokens: 90, KVCacheUsage: 0.35, FirstTokenMean: 0.2, InterTokenMean: 0.01, Idle: 0, Saturation: 0.5,
	}
	if diff := cmp.Diff(want, values(got), near); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}
	if got.State != Ready || got.Evidence != ByPage || got.Engine != "vllm" || got.Workload.Name != "llm" {
		t.Errorf("got state %q, evidence %q, engine %q, workload %+v", got.State, got.Evidence, got.Engine, got.Workload)
	}
	wantComponents := []Component{
		{Name: "queue", Value: 0, Input: 0, Target: 5, Source: "default", Age: time.Second},
		{Name: "kv_cache", Value: 0.5, Input: 0.35, Target: 0.7, Source: "default", Age: time.Second},
	}
	if diff := cmp.Diff(wantComponents, got.Components, near); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
}

func TestValuesKeepTheOrderOfNames(t *testing.T) {
	s := snapshot(tokenServer(model(func(m *node.Model) {
		m.ComputeInput = latencyOf(1, 20)
		m.Requests["error"] = node.Counter{}
		m.FirstToken.Value.Buckets = buckets(1, 5, math.Inf(1), 5)
		m.InterToken.Value.Buckets = buckets(1, 5, math.Inf(1), 5)
	})))
	s.Servers[0].Startup = node.Some(time.Minute)
	s.Devices = []node.DeviceState{board("GPU-a", 0.5, 100)}
	s.Accounts = []node.Account{exclusive(chat, "GPU-a", 0.5, 40)}
	pod := one(t, s, Rule{
		Queue: new(5.0), MaxRunning: new(10.0), Concurrency: new(9.0), QueueTime: new(1.0), TimeToFirstToken: new(1.0),
		InterTokenLatency: new(1.0), GPU: new(0.9),
	})
	var got, want []Name
	for _, v := range pod.Values {
		got = append(got, v.Name)
	}
	for _, info := range Names() {
		want = append(want, info.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a pod that can tell everything (-want +got):\n%s", diff)
	}
	var components []string
	for _, c := range pod.Components {
		components = append(components, c.Name)
	}
	without := []string{"queue", "slots", "kv_cache", "concurrency", "queue_time", "time_to_first_token", "inter_token_latency", "gpu"}
	if diff := cmp.Diff(without, components); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
}

func TestQueueTime(t *testing.T) {
	ended := func(sum, count float64) func(*node.Server) {
		return model(func(m *node.Model) { m.Queue = latencyOf(sum, count) })
	}
	waiting := func(since, endedAt time.Duration) func(*node.Server) {
		return func(s *node.Server) { s.WaitingSince, s.EndedAt = ago(since), ago(endedAt) }
	}
	idle := func(s *node.Server) { s.InHandSince = time.Time{} }
	two := tokenServer(ended(0, 0), waiting(40*time.Second, 30*time.Second), func(s *node.Server) { s.URL = "second" })
	for _, test := range []struct {
		name    string
		servers []node.Server
		want    float64
	}{
		{"ended", []node.Server{tokenServer(ended(3, 6))}, 0.5},
		{"sums, not means of means", []node.Server{tokenServer(ended(10, 1)), tokenServer(ended(0, 99))}, 0.1},
		{"idle", []node.Server{tokenServer(ended(0, 0), idle)}, 0},
		{"none waits", []node.Server{tokenServer(ended(0, 0))}, 0},
		{"waits since before the last ended", []node.Server{tokenServer(ended(0, 0), waiting(50*time.Second, 20*time.Second))}, 20},
		{"waits since after the last ended", []node.Server{tokenServer(ended(0, 0), waiting(12*time.Second, 20*time.Second))}, 12},
		{"waits and ends", []node.Server{tokenServer(ended(3, 6), waiting(50*time.Second, time.Second))}, 0.5},
		{"one server ends, another hangs", []node.Server{tokenServer(ended(3, 6)), two}, 30},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := one(t, snapshot(test.servers...))
			got, ok := pod.Value(QueueTime)
			if !ok || math.Abs(got-test.want) > 1e-9 {
				t.Errorf("got %v (%v), want %v", got, ok, test.want)
			}
		})
	}
}

func TestQueueAndComputeInputTime(t *testing.T) {
	told := func(queue, input, count float64) node.Model {
		m := node.Model{Ranks: 1, Queue: latencyOf(queue, count), ComputeInput: latencyOf(input, count)}
		m.ComputeInput.Value.Mean = node.Some(7.0) // of requests that ended before the window
		return m
	}
	queueAlone, inputAlone := told(3, 0, 6), told(0, 3, 6)
	queueAlone.ComputeInput, inputAlone.Queue = node.Opt[node.Latency]{}, node.Opt[node.Latency]{}
	server := func(models ...node.Model) node.Server {
		return tokenServer(func(s *node.Server) { s.Models = models })
	}
	hangs := server(told(0, 0, 0))
	hangs.WaitingSince, hangs.EndedAt = ago(40*time.Second), ago(30*time.Second)
	idle := server(told(0, 0, 0))
	idle.InHandSince = time.Time{}
	absent := node.Opt[float64]{}
	for _, test := range []struct {
		name    string
		servers []node.Server
		want    node.Opt[float64]
	}{
		{"ended", []node.Server{server(told(3, 1.5, 6))}, node.Some(0.75)},
		{"sums over models, not means of means", []node.Server{server(told(10, 2, 1), told(0, 0, 99))}, node.Some(0.12)},
		{"sums over servers", []node.Server{server(told(10, 2, 1)), server(told(0, 0, 99))}, node.Some(0.12)},
		{"idle", []node.Server{idle}, node.Some(0.0)},
		{"runs, and none waits or ends", []node.Server{server(told(0, 0, 0))}, node.Some(0.0)},
		{"waits, and none ends", []node.Server{hangs}, node.Some(30.0)},
		{"one server ends, another hangs", []node.Server{server(told(3, 1.5, 6)), hangs}, node.Some(30.0)},
		{"queue time alone is told", []node.Server{server(queueAlone)}, absent},
		{"compute-input time alone is told", []node.Server{server(inputAlone)}, absent},
		{"one model of two tells its queue time alone", []node.Server{server(told(3, 1.5, 6), queueAlone)}, absent},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := one(t, snapshot(test.servers...))
			var got node.Opt[float64]
			got.Value, got.Known = pod.Value(QueueComputeInputTime)
			if diff := cmp.Diff(test.want, got, near); diff != "" {
				t.Errorf("seconds (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFirstTokenWhileNoneComes(t *testing.T) {
	none := model(func(m *node.Model) {
		m.FirstToken = node.Some(node.Latency{Mean: node.Some(0.3), Buckets: buckets(1, 0, math.Inf(1), 0)})
		m.InterToken = node.Some(node.Latency{Mean: node.Some(0.02)})
	})
	flat := model(func(m *node.Model) { m.GenerationTokens = increase(0) })
	for _, test := range []struct {
		name              string
		change            func(*node.Server)
		wantFirst, wantIn float64
	}{
		{"nothing in hand", func(s *node.Server) { s.InHandSince = time.Time{} }, 0, 0},
		{"a long answer flows", func(*node.Server) {}, 0.3, 0.02},
		{"requests wait behind a long answer", func(s *node.Server) { s.WaitingSince, s.EndedAt = ago(8*time.Second), ago(time.Minute) }, 8, 0.02},
		{"nothing moves", func(s *node.Server) { flat(s); s.EndedAt, s.ProgressSince = ago(time.Minute), ago(25*time.Second) }, 25, 25},
		{"nothing has moved yet", func(s *node.Server) { flat(s); s.InHandSince = ago(100 * time.Millisecond) }, 0.3, 0.1},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := values(one(t, snapshot(tokenServer(none, test.change))))
			want := map[Name]float64{FirstTokenMean: test.wantFirst, FirstTokenP95: test.wantFirst, InterTokenMean: test.wantIn}
			for name, v := range want {
				if math.Abs(got[name]-v) > 1e-9 {
					t.Errorf("%s is %v, want %v", name, got[name], v)
				}
			}
			if _, ok := got[InterTokenP95]; ok {
				t.Error("a percentile without buckets")
			}
		})
	}
}

func TestErrorsLeaveOutCancelled(t *testing.T) {
	got := values(one(t, snapshot(tokenServer(model(func(m *node.Model) {
		m.Requests = map[string]node.Counter{
			"success": {Increase: 10}, "error": {Increase: 3}, "rejected": {Increase: 2}, "cancelled": {Increase: 5},
		}
	})))))
	if got[Requests] != 2 || got[RequestErrors] != 0.5 {
		t.Errorf("got %v requests and %v errors a second, want 2 and 0.5", got[Requests], got[RequestErrors])
	}
	got = values(one(t, snapshot(tokenServer())))
	if v, ok := got[RequestErrors]; ok {
		t.Errorf("a server that cannot tell errors has %v", v)
	}
}

func TestStates(t *testing.T) {
	read := func(change ...func(*node.Server)) *node.Snapshot { return snapshot(tokenServer(change...)) }
	pod := func(change func(*node.Pod), servers ...node.Server) *node.Snapshot {
		s := snapshot(servers...)
		change(&s.Pods[0])
		return s
	}
	image := func(p *node.Pod) { p.Containers = []node.Container{{Image: "docker.io/vllm/vllm-openai:v0.21.0"}} }
	unread := tokenServer(func(s *node.Server) { *s = node.Server{Pod: chat, URL: "http://x", Fault: "refused"} })
	for _, test := range []struct {
		name   string
		s      *node.Snapshot
		state  State
		values bool
	}{
		{"ready", read(), Ready, true},
		{"loading, known by image", pod(image, unread), Loading, false},
		{"loading, nothing found yet", pod(image), Loading, false},
		{"loading, known by annotation", pod(func(p *node.Pod) { p.Annotations = map[string]string{"gpusignal/engine": "vllm"} }), Loading, false},
		{"sleeping", read(func(s *node.Server) { s.Sleeping = true }), Sleeping, true},
		{"draining", pod(func(p *node.Pod) { p.Deleted = at }, tokenServer()), Draining, false},
		{"stuck hides nothing", read(func(s *node.Server) { s.InHandSince, s.ProgressSince = ago(time.Hour), ago(6*time.Minute) }), Stuck, true},
		{"work after long idleness is not stuck", read(func(s *node.Server) { s.ProgressSince = ago(time.Hour) }), Ready, true},
		{"unreachable for long", read(func(s *node.Server) { s.Models, s.Span, s.Fault = nil, 0, "timeout" }), "", false},
		{"unreachable for a moment", read(func(s *node.Server) { s.Fault = "timeout" }), Ready, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := one(t, test.s)
			if got.State != test.state {
				t.Errorf("state %q, want %q", got.State, test.state)
			}
			if (len(got.Values) > 0) != test.values || (len(got.Components) > 0) != test.values {
				t.Errorf("got values %v and components %v, want any: %v", got.Values, got.Components, test.values)
			}
		})
	}
}

func TestNoSignalBeforeAWholeWindow(t *testing.T) {
	got := one(t, snapshot(tokenServer(func(s *node.Server) { s.Span = 0 })))
	if diff := cmp.Diff(map[Name]float64{Idle: 0}, values(got)); diff != "" || got.State != Ready {
		t.Errorf("state %q, signals (-want +got):\n%s", got.State, diff)
	}
}

func TestIdle(t *testing.T) {
	idle := func(s *node.Server) { s.InHandSince, s.BusyAt = time.Time{}, ago(7*time.Minute) }
	if got := values(one(t, snapshot(tokenServer(idle))))[Idle]; got != 420 {
		t.Errorf("idle for %v s, want 420", got)
	}
	if got := values(one(t, snapshot(tokenServer(idle), tokenServer())))[Idle]; got != 0 {
		t.Errorf("idle for %v s beside a busy server, want 0", got)
	}
}

// The start of a pod is that of its slowest server, and told before the first window is full.
func TestStartup(t *testing.T) {
	took := func(d time.Duration) func(*node.Server) {
		return func(s *node.Server) { s.Startup, s.Span = node.Some(d), 0 }
	}
	if got := values(one(t, snapshot(tokenServer(took(time.Minute)), tokenServer(took(2*time.Minute)))))[Startup]; got != 120 {
		t.Errorf("started in %v s, want 120", got)
	}
	if got, known := values(one(t, snapshot(tokenServer(took(time.Minute)), tokenServer())))[Startup]; known {
		t.Errorf("started in %v s beside a server of which nobody knows", got)
	}
}

func TestWhichPodsAreThere(t *testing.T) {
	s := snapshot(tokenServer())
	s.Pods = append(s.Pods,
		node.Pod{ID: node.PodID{UID: "u2", Namespace: "a", Name: "web"}, Phase: "Running"},
		node.Pod{ID: node.PodID{UID: "u3", Namespace: "a", Name: "train"}, Phase: "Running"},
		node.Pod{ID: node.PodID{UID: "u4", Namespace: "a", Name: "done"}, Phase: "Succeeded"},
		node.Pod{ID: node.PodID{UID: "u5", Namespace: "a", Name: "leaving"}, Phase: "Running", Deleted: at},
	)
	s.Accounts = []node.Account{
		exclusive(node.PodID{UID: "u3", Namespace: "a", Name: "train"}, "GPU-a", 0.5, 10),
		exclusive(node.PodID{UID: "u4", Namespace: "a", Name: "done"}, "GPU-b", 0.5, 10),
		exclusive(node.PodID{UID: "u5", Namespace: "a", Name: "leaving"}, "GPU-c", 0.5, 10),
		exclusive(node.PodID{Namespace: "b", Name: "names-only"}, "GPU-d", 0.5, 10),
	}
	s.Servers = append(s.Servers, tokenServer(func(s *node.Server) { s.Pod = node.PodID{Name: "10.0.0.7:8000"} }))
	var got []string
	for _, p := range Derive(s, Targets{Kinds: kinds()}) {
		got = append(got, p.Pod.Namespace+"/"+p.Pod.Name)
	}
	if diff := cmp.Diff([]string{"/10.0.0.7:8000", "a/train", "b/names-only", "chat/llm-0"}, got); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
}

// An endpoint of a kind that was given is a server before its first page, also where no pod is known.
func TestConfiguredEndpointIsAServer(t *testing.T) {
	given := node.Server{Pod: node.PodID{Name: "10.0.0.7:8000"}, Announced: "triton", Fault: "refused"}
	got := one(t, &node.Snapshot{At: at, Servers: []node.Server{given}})
	if got.State != Loading || got.Evidence != ByConfiguration || got.Engine != "triton" || len(got.Values) != 0 {
		t.Errorf("got %+v, want a server that is loading", got)
	}
	given.Pod = chat
	for annotation, want := range map[string]Evidence{"gpusignal/engine=vllm": ByAnnotation, "gpusignal/scrape=false": ByConfiguration} {
		s := snapshot(given)
		key, value, _ := strings.Cut(annotation, "=")
		s.Pods[0].Annotations = map[string]string{key: value}
		s.Pods[0].Containers = []node.Container{{Image: "vllm/vllm-openai"}}
		if got := one(t, s); got.Evidence != want || got.State != Loading {
			t.Errorf("%s: evidence %q, state %q; want %q", annotation, got.Evidence, got.State, want)
		}
	}
}

func TestAPodOfTheSameNameTakesOver(t *testing.T) {
	next := node.PodID{UID: "u9", Namespace: chat.Namespace, Name: chat.Name}
	s := snapshot(tokenServer())
	s.Pods[0].Deleted = at
	s.Pods = append([]node.Pod{{ID: next, Phase: "Running"}}, s.Pods...)
	s.Accounts = []node.Account{exclusive(chat, "GPU-a", 0.9, 10), exclusive(next, "GPU-b", 0.2, 10)}
	got := one(t, s)
	if diff := cmp.Diff(map[Name]float64{GPUUtilization: 0.2, GPUUtilizationPeak: 0.2}, values(got)); diff != "" || got.State != "" {
		t.Errorf("state %q, signals (-want +got):\n%s", got.State, diff)
	}
}

func TestDeriveIsSorted(t *testing.T) {
	s := &node.Snapshot{At: at}
	for name := range strings.FieldsSeq("c/a a/c a/a b/b") {
		namespace, name, _ := strings.Cut(name, "/")
		s.Claims = append(s.Claims, node.Claim{Container: node.ContainerID{Pod: node.PodID{Namespace: namespace, Name: name}}, Device: "GPU-" + node.DeviceID(name)})
	}
	var got []string
	for _, p := range Derive(s, Targets{Kinds: kinds()}) {
		got = append(got, p.Pod.Namespace+"/"+p.Pod.Name)
	}
	if diff := cmp.Diff([]string{"a/a", "a/c", "b/b", "c/a"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
