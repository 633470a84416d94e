package engine_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gpusignal/engine"
	"gpusignal/node"
)

// wires join the engine with HTTP servers in memory, so that both live in a bubble of synctest and time is the bubble's.
type wires struct {
	mu      sync.Mutex
	servers map[string]chan net.Conn // By "address:port".
	pods    []node.Pod
	claims  []node.Claim
	dials   []time.Duration // When each was made, since the beginning.
	dialed  []string
	began   time.Time
	fails   error // What every dial ends with, nil for none.
	drops   bool  // Packets to where nobody serves are dropped.
}

// bubble runs an engine against servers of its own. The script begins half a second in.
func bubble(t *testing.T, config engine.Config, script func(*wires, *engine.Engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &wires{servers: make(map[string]chan net.Conn), began: time.Now()}
		config.Dialects, config.Logger = dialects(), slog.New(slog.DiscardHandler)
		config.Pods = func(time.Time) []node.Pod {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.pods
		}
		config.Claims = func(time.Time) ([]node.Claim, []node.Unmapped) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.claims, nil
		}
		e := engine.New(config)
		e.SetDial(w.dial)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(time.Second / 2)
		script(w, e)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		goleak.VerifyNone(t, goleak.IgnoreCurrent())
	})
}

func (w *wires) dial(ctx context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	server, cause, drops := w.servers[address], w.fails, w.drops
	w.dials, w.dialed = append(w.dials, time.Since(w.began)), append(w.dialed, address)
	w.mu.Unlock()
	if server == nil && drops {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if server == nil && cause == nil {
		cause = syscall.ECONNREFUSED
	}
	if cause != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", cause)}
	}
	ours, theirs := net.Pipe()
	select {
	case server <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve a handler at an address; the function it returns ends that.
func (w *wires) serve(address string, h http.Handler) (stop func()) {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: h, ErrorLog: silent()}
	w.mu.Lock()
	w.servers[address] = l.conns
	w.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	return func() {
		w.mu.Lock()
		delete(w.servers, address)
		w.mu.Unlock()
		_ = server.Close()
		<-done
	}
}

// show these pods from now on. Their first containers hold a GPU where they are said to.
func (w *wires) show(hold bool, pods ...node.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pods, w.claims = pods, nil
	if hold {
		w.claims, _ = holding(pods...)(time.Now())
	}
}

// since returns when dials were made, in whole seconds from the first of them on, and forgets them.
func (w *wires) since() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var at []int
	for _, d := range w.dials {
		at = append(at, int((d-w.dials[0])/time.Second))
	}
	w.dials = nil
	return at
}

// to returns where dials were made to, sorted.
func (w *wires) to() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(slices.Values(w.dialed))
}

type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// wiredPod runs at 10.0.0.1 and declares port 9000 for its metrics.
func wiredPod(annotations ...string) node.Pod {
	p := localPod("a", annotations...)
	p.IPs = []netip.Addr{netip.MustParseAddr("10.0.0.1")}
	p.Containers[0].Ports = []node.Port{{Name: "metrics", Number: 9000}}
	return p
}
