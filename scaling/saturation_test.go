package scaling

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// An HPA acts only 10 % above its target, so a component that cannot pass 1.1 would be none.
func TestEveryComponentCanPassItsTarget(t *testing.T) {
	passed := make(map[string]bool)
	rejecting := model(func(m *node.Model) { m.Requests["rejected"] = node.Counter{Increase: 4} })
	for _, test := range []struct {
		component string
		change    func(*node.Server)
		rule      Rule
		want      float64
	}{
		{"queue", model(func(m *node.Model) { m.Waiting = gauge(6) }), Rule{Concurrency: new(1000.0)}, 1.2},
		{"queue", model(func(m *node.Model) { m.Waiting, m.Capacity, m.Ranks = gauge(60), gauge(24), 2 }), Rule{Queue: new(8.0)}, 1.5},
		{"slots", model(func(m *node.Model) { m.MaxRunning, m.Running, m.Waiting = node.Some(4.0), gauge(4), gauge(0) }), Rule{Queue: new(5.0)}, 1.25},
		{"slots", model(func(m *node.Model) { m.Ranks, m.Running = 2, gauge(8) }), Rule{MaxRunning: new(4.0)}, 1.25},
		{"kv_cache", model(func(m *node.Model) { m.KVCache = gauge(1) }), Rule{Queue: new(5.0)}, 1 / 0.7},
		{"rejected", rejecting, Rule{Queue: new(5.0)}, 1.2},
		{"concurrency", func(*node.Server) {}, Rule{Concurrency: new(2.0)}, 2},
		{"queue_time", func(*node.Server) {}, Rule{QueueTime: new(0.05)}, 2},
		{"time_to_first_token", func(*node.Server) {}, Rule{TimeToFirstToken: new(0.1)}, 2},
		{"inter_token_latency", func(*node.Server) {}, Rule{InterTokenLatency: new(0.005)}, 2},
		{"gpu", func(*node.Server) {}, Rule{GPU: new(0.9)}, 1 / 0.9},
	} {
		t.Run(test.component, func(t *testing.T) {
			s := snapshot(tokenServer(test.change))
			s.Devices = []node.DeviceState{board("GPU-a", 1, 100)}
			s.Accounts = []node.Account{exclusive(chat, "GPU-a", 1, 10)}
			pod := one(t, s, test.rule)
			c, ok := component(pod, test.component)
			if !ok || math.Abs(c.Value-test.want) > 1e-9 || c.Value <= 1.1 {
				t.Errorf("component %+v (%v), want %v and more than 1.1", c, ok, test.want)
			}
			if got, _ := pod.Value(Saturation); got < c.Value {
				t.Errorf("saturation %v is less than its component %v", got, c.Value)
			}
			passed[test.component] = true
		})
	}
	for _, name := range ComponentNames() {
		if !passed[name] {
			t.Errorf("nothing shows that %s can pass its target", name)
		}
	}
}

func TestSaturationIsCapped(t *testing.T) {
	pod := one(t, snapshot(tokenServer(model(func(m *node.Model) { m.Waiting = gauge(500) }))))
	if c, _ := component(pod, "queue"); c.Value != 100 {
		t.Errorf("component is %v, want 100: it says how bad it is", c.Value)
	}
	if got, _ := pod.Value(Saturation); got != 4 {
		t.Errorf("saturation is %v, want 4", got)
	}
}

func TestRejected(t *testing.T) {
	for _, test := range []struct {
		name              string
		rejected, success float64
		want              float64
	}{{"none", 0, 20, 0}, {"some", 5, 20, 1.25}, {"all", 5, 0, 4}, {"nothing at all", 0, 0, 0}} {
		t.Run(test.name, func(t *testing.T) {
			pod := one(t, snapshot(tokenServer(model(func(m *node.Model) {
				m.Requests = map[string]node.Counter{"success": {Increase: test.success}, "rejected": {Increase: test.rejected}}
			}))))
			if c, ok := component(pod, "rejected"); !ok || c.Value != test.want {
				t.Errorf("got %v (%v), want %v", c.Value, ok, test.want)
			}
		})
	}
}

// plainTriton has no tokens, and so no default target.
func plainTriton(change ...func(*node.Server)) node.Server {
	return tokenServer(append([]func(*node.Server){func(s *node.Server) {
		s.Engine = "triton"
		s.Models = []node.Model{{
			Name: "resnet", Ranks: 1, Running: gauge(2), Waiting: gauge(3), Queue: latencyOf(1, 10), ComputeInput: latencyOf(0.5, 10),
			Requests: map[string]node.Counter{"success": {Increase: 10}, "error": {}, "rejected": {Increase: 1}},
		}}
	}}, change...)...)
}

func TestWhenSaturationIsThere(t *testing.T) {
	with := func(s *node.Snapshot, annotations map[string]string) *node.Snapshot {
		s.Pods[0].Annotations = annotations
		return s
	}
	gpu := func(s *node.Snapshot, accounts ...node.Account) *node.Snapshot {
		s.Devices, s.Accounts = []node.DeviceState{board("GPU-a", 0.45, 100)}, accounts
		return s
	}
	known := exclusive(chat, "GPU-a", 0.45, 10)
	unknown := known
	unknown.Utilization = node.Opt[float64]{}
	target := map[string]string{"gpusignal/gpu-target": "0.9"}
	for _, test := range []struct {
		name       string
		s          *node.Snapshot
		want       node.Opt[float64]
		components string
		problem    string
	}{
		{"plain Triton without a target", snapshot(plainTriton()), node.Opt[float64]{}, "", ""},
		{
			"plain Triton with one", with(snapshot(plainTriton()), map[string]string{"gpusignal/queue-time-target": "0.2"}),
			node.Some(0.5), "queue_time", "",
		},
		{"GPU pod without a target", gpu(snapshot(), known), node.Opt[float64]{}, "", ""},
		{"GPU pod with one", with(gpu(snapshot(), known), target), node.Some(0.5), "gpu", ""},
		{"its utilisation is not known", with(gpu(snapshot(), unknown), target), node.Opt[float64]{}, "", "keeps saturation unpublished"},
		{"a GPU that is not known is not left out", with(gpu(snapshot(tokenServer()), unknown), target), node.Opt[float64]{}, "queue kv_cache", "keeps saturation unpublished"},
		{
			"never a fallback for a server that cannot be read", with(gpu(snapshot(tokenServer(func(s *node.Server) { s.Models, s.Span = nil, 0 })), known), target),
			node.Opt[float64]{},
			"gpu", "",
		},
		{
			"nor for one that loads", with(gpu(snapshot(), known), map[string]string{"gpusignal/gpu-target": "0.9", "gpusignal/engine": "vllm"}),
			node.Opt[float64]{},
			"gpu", "",
		},
		{
			"a target that no page ever told", with(snapshot(plainTriton()), map[string]string{"gpusignal/time-to-first-token-target": "1"}),
			node.Opt[float64]{},
			"", "no page of the pod has told its input",
		},
		{
			"a level that the page has lost", snapshot(tokenServer(func(s *node.Server) { s.Lost, s.Models[0].Waiting = []string{"waiting"}, node.Opt[node.Gauge]{} })),
			node.Opt[float64]{},
			"kv_cache", "told waiting and tell it no more",
		},
		{"rubbish on a page", snapshot(tokenServer(model(func(m *node.Model) { m.KVCache = gauge(math.NaN()) }))), node.Opt[float64]{}, "queue", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := one(t, test.s)
			var got node.Opt[float64]
			got.Value, got.Known = pod.Value(Saturation)
			if diff := cmp.Diff(test.want, got, near); diff != "" {
				t.Errorf("saturation (-want +got):\n%s", diff)
			}
			var names []string
			for _, c := range pod.Components {
				names = append(names, c.Name)
			}
			if strings.Join(names, " ") != test.components {
				t.Errorf("components %q, want %q", names, test.components)
			}
			if problems := strings.Join(pod.Problems, "\n"); !strings.Contains(problems, test.problem) || test.problem == "" && problems != "" {
				t.Errorf("problems %q, want %q", problems, test.problem)
			}
		})
	}
}

func TestALostLevelIsNotSummedOverTheRest(t *testing.T) {
	lost := tokenServer(func(s *node.Server) {
		s.Lost, s.Models[0].Waiting, s.Models[0].Running = []string{"running", "waiting"}, node.Opt[node.Gauge]{}, node.Opt[node.Gauge]{}
	})
	got := values(one(t, snapshot(tokenServer(), lost)))
	for _, name := range []Name{RequestsRunning, RequestsWaiting, RequestsWaitingPeak, Saturation} {
		if v, ok := got[name]; ok {
			t.Errorf("%s is %v of one server of two", name, v)
		}
	}
	if got[Requests] != 4 || got[KVCacheUsage] != 0.35 {
		t.Errorf("what is not lost: %v", got)
	}
}

func TestComponentOfGPUHasTheAgeOfItsBooking(t *testing.T) {
	s := snapshot()
	s.Accounts = []node.Account{exclusive(chat, "GPU-a", 0.45, 10)}
	c, _ := component(one(t, s, Rule{GPU: new(0.5)}), "gpu")
	want := Component{Name: "gpu", Value: 0.9, Input: 0.45, Target: 0.5, Source: "target 1 (namespace *, workload *)", Age: 2 * time.Second}
	if diff := cmp.Diff(want, c, near); diff != "" {
		t.Errorf("component (-want +got):\n%s", diff)
	}
}

// A level that pages told and tell no more must not leave saturation to the rest: the queue would seem empty.
func TestSaturationIsNotComputedWithoutALostLevel(t *testing.T) {
	pod := one(t, snapshot(tokenServer(func(s *node.Server) { s.Lost = []string{"waiting"} })))
	if got, ok := pod.Value(Saturation); ok {
		t.Errorf("saturation is %v, want none", got)
	}
	if len(pod.Problems) != 1 || !strings.Contains(pod.Problems[0], "waiting") {
		t.Errorf("problems %q, want one that names the lost level", pod.Problems)
	}
}
