package web

import (
	"strings"
	"testing"
	"time"

	"gpusignal/node"
)

func TestReady(t *testing.T) {
	unheard := func(s *node.Snapshot) {
		s.Health = []node.SourceHealth{{Source: "kubelet", Detail: "dial kubelet.sock: no such file"}}
	}
	server := func(change func(*node.Server)) func(*node.Snapshot) {
		return func(s *node.Snapshot) {
			s.Health = s.Health[:2]
			change(&s.Servers[0])
		}
	}
	for _, test := range []struct {
		name   string
		since  time.Duration
		change func(*node.Snapshot)
		want   string // empty: ready
	}{
		{"all there", time.Second, func(s *node.Snapshot) { s.Health = s.Health[:2] }, ""},
		{"pods have not come", time.Second, func(*node.Snapshot) {}, "source pods: no right to <list> pods"},
		{"pods do not come", 31 * time.Second, func(*node.Snapshot) {}, ""},
		{"no kubelet yet", time.Second, unheard, "source kubelet: dial kubelet.sock"},
		{"no driver yet", time.Second, func(s *node.Snapshot) { s.Devices = nil }, "no GPU has been found yet"},
		{"no driver", 31 * time.Second, func(s *node.Snapshot) { s.Devices = nil }, ""},
		{"not read yet", time.Second, func(s *node.Snapshot) { s.Devices[1].At = time.Time{} }, "GPU 1 has not been read yet"},
		{"window not full, however long", time.Hour, func(s *node.Snapshot) { s.Devices[1].Utilization = node.Opt[float64]{} }, "window of GPU 1 is not full"},
		{"a device that tells no utilisation", time.Hour, func(s *node.Snapshot) {
			s.Devices[1].Utilization, s.Devices[1].Last.Utilization = node.Opt[float64]{}, node.Opt[float64]{}
		}, ""},
		{"a sick device holds nobody up", time.Second, func(s *node.Snapshot) {
			s.Health, s.Devices[0] = s.Health[:2], node.DeviceState{Down: "lost"}
		}, ""},
		{"a page that is being read", 29 * time.Second, server(func(s *node.Server) { *s = node.Server{Pod: s.Pod, Fault: "unread"} }), "metrics page of chat/llm-0 has not been read yet"},
		{"a page that nobody has read", 30 * time.Second, server(func(s *node.Server) { *s = node.Server{Pod: s.Pod, Fault: "unread"} }), ""},
		{"a server that loads", time.Second, server(func(s *node.Server) { *s = node.Server{Pod: s.Pod, Fault: "refused"} }), ""},
		{"window of a server not full", 29 * time.Second, server(func(s *node.Server) { s.Span = 0 }), "first signal window of chat/llm-0 is not full"},
		{"window of a server that is slow just now", 29 * time.Second, server(func(s *node.Server) { s.Span, s.Fault = 0, "timeout" }), "window of chat/llm-0 is not full"},
		{"window of a server never full", 30 * time.Second, server(func(s *node.Server) { s.Span = 0 }), ""},
		{"a page twice", time.Second, server(func(s *node.Server) { s.Models, s.Span, s.Fault = nil, 0, "duplicate" }), ""},
		{"an endpoint without a pod", time.Second, server(func(s *node.Server) { s.Span, s.Pod = 0, node.PodID{Name: "10.0.0.7:8000"} }), "window of 10.0.0.7:8000 is not full"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := busyNode()
			test.change(s)
			got := ask(handlerOf(s, ago(test.since)), "GET", "/-/ready")
			if test.want == "" && got.Code != 200 || test.want != "" && (got.Code != 503 || !strings.Contains(got.Body.String(), test.want)) {
				t.Errorf("status %d, body %q, want %q", got.Code, got.Body, test.want)
			}
		})
	}
}

func TestOnceReadyAlwaysReady(t *testing.T) {
	s := busyNode()
	h := handlerOf(s, ago(time.Hour))
	if got := ask(h, "GET", "/-/ready"); got.Code != 200 {
		t.Fatalf("status %d", got.Code)
	}
	// A device that is found later has no window yet, and a server that starts later has none: that must not take the daemon out of its Service.
	s.Devices = append(s.Devices, node.DeviceState{Device: node.Device{ID: "GPU-3", Minor: 2}, At: at, Last: node.Reading{Utilization: node.Some(0.1)}})
	s.Servers[0].Span = 0
	if got := ask(h, "GET", "/-/ready"); got.Code != 200 {
		t.Errorf("status %d: %s", got.Code, got.Body)
	}
}

// A longer window takes longer to be full.
func TestReadinessFollowsTheWindow(t *testing.T) {
	s := busyNode()
	s.Health, s.Servers[0].Span = s.Health[:2], 0
	for since, want := range map[time.Duration]int{74 * time.Second: 503, 75 * time.Second: 200} {
		h := New(Config{Snapshot: func() *node.Snapshot { return s }, Started: ago(since), Window: time.Minute}).Handler(text(""), text(""))
		if got := ask(h, "GET", "/-/ready"); got.Code != want {
			t.Errorf("after %v: status %d, want %d: %s", since, got.Code, want, got.Body)
		}
	}
}
