package scaling

import (
	"math"
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
