package scaling

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

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
