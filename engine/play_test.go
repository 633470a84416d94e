package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gpusignal/engine"
	"gpusignal/node"
)

// stage is a node whose pages and pods a test sets; time is the bubble's.
type stage struct {
	t      *testing.T
	engine *engine.Engine
	began  time.Time

	mu    sync.Mutex
	pages map[string]string // By URL; none: refused.
	took  time.Duration
	pods  []node.Pod
	calls map[string]int
}

var errRefused = errors.New("connection refused")

// play runs an engine in a bubble. The script begins half a second in: what it shows is read a half, two and a half …
// seconds later, once in every two seconds that it lets pass.
func play(t *testing.T, config engine.Config, script func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, began: time.Now(), pages: make(map[string]string), calls: make(map[string]int)}
		config.Interval, config.Window = 2*time.Second, 10*time.Second
		config.Dialects, config.Logger = dialects(), slog.New(slog.DiscardHandler)
		if config.Pods == nil {
			config.Pods = func(time.Time) []node.Pod {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.pods
			}
		}
		s.engine = engine.New(config)
		s.engine.SetFetch(s.fetch)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.engine.Run(ctx) }()
		time.Sleep(time.Second / 2)
		script(s)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, goleak.IgnoreCurrent())
	})
}

func (s *stage) fetch(ctx context.Context, url string, buffer []byte) ([]byte, error) {
	s.mu.Lock()
	page, ok := s.pages[url]
	took := s.took
	s.calls[url]++
	s.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return buffer, ctx.Err()
	}
	if !ok {
		return buffer, errRefused
	}
	return append(buffer[:0], page...), nil
}

const podURL = "http://10.0.0.1:8000/metrics"

// pod of the stage at podURL, its container begun at started.
func vllmPod(started time.Time, args ...string) node.Pod {
	return node.Pod{
		ID:          node.PodID{UID: "u1", Namespace: "ml", Name: "server-0"},
		Phase:       "Running",
		IPs:         []netip.Addr{netip.MustParseAddr("10.0.0.1")},
		Annotations: map[string]string{"gpusignal/engine": "vllm"},
		Containers: []node.Container{{
			Name: "server", Image: "vllm/vllm-openai:v0.11", Started: started, Args: args,
			Ports: []node.Port{{Name: "http", Number: 8000}},
		}},
	}
}

// show the page from now on, let the seconds pass, and return the server.
func (s *stage) show(page string, pass time.Duration) node.Server {
	s.t.Helper()
	s.mu.Lock()
	s.pages[podURL] = page
	s.mu.Unlock()
	return s.pass(pass)
}

// hide the page: it is refused from now on.
func (s *stage) hide(pass time.Duration) node.Server {
	s.t.Helper()
	s.mu.Lock()
	delete(s.pages, podURL)
	s.mu.Unlock()
	return s.pass(pass)
}

func (s *stage) setPods(pods ...node.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pods = pods
}

// pass lets time pass and returns the only server.
func (s *stage) pass(d time.Duration) node.Server {
	s.t.Helper()
	servers := s.servers(d)
	if len(servers) != 1 {
		s.t.Fatalf("%d servers, want 1: %+v", len(servers), servers)
	}
	return servers[0]
}

func (s *stage) servers(d time.Duration) []node.Server {
	time.Sleep(d)
	synctest.Wait()
	return s.engine.Servers(time.Now())
}
