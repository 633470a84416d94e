package scaling

import (
	"testing"
	"time"

	"gpusignal/node"
)

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
