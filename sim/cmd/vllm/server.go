package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// server is an inference server in a pod: it ends only when it has answered all, and its page can be slow.
type server struct {
	engine    func(context.Context) error
	handler   http.Handler
	pageDelay atomic.Int64 // ns

	mu      sync.Mutex
	inHand  int  // requests under /v1/
	ending  bool // since the first signal
	drained chan struct{}
}

// newServer returns a server of an API whose requests an engine answers. It starts neither.
func newServer(engine func(context.Context) error, api http.Handler) *server {
	s := &server{engine: engine, drained: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.Handle("/v1/", s.counted(api))
	mux.Handle("GET /health", s.healthy(api))
	mux.Handle("GET /metrics", s.delayed(api))
	mux.HandleFunc("POST /sim/page-delay", s.setPageDelay)
	s.handler = mux
	return s
}

// serve runs the server. From the first signal on it is unhealthy, and goes on until no request is in hand, as a pod with a
// preStop hook does; the second signal ends it at once, which is an error.
func (s *server) serve(listener net.Listener, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	h := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx },
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	failed := make(chan error, 2)
	for _, f := range []func() error{func() error { return h.Serve(listener) }, func() error { return s.engine(ctx) }} {
		wg.Go(func() {
			if err := f(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	end := func(err error) error {
		cancel()
		return errors.Join(err, h.Close())
	}
	select {
	case err := <-failed:
		return end(err)
	case <-signals:
	}
	down := make(chan error, 1)
	wg.Go(func() {
		<-s.drain()
		down <- h.Shutdown(ctx)
	})
	select {
	case err := <-failed:
		return end(err)
	case <-signals:
		return end(fmt.Errorf("a second signal came; requests in hand: %d", s.requests()))
	case err := <-down:
		return end(err)
	}
}

// drain makes the server unhealthy; the channel is closed once no request is in hand.
func (s *server) drain() <-chan struct{} {
	s.count(0, true)
	return s.drained
}

// count adds to the requests in hand, and notes that the server is to end.
func (s *server) count(n int, ending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inHand += n
	s.ending = s.ending || ending
	if !s.ending || s.inHand > 0 {
		return
	}
	select {
	case <-s.drained:
	default:
		close(s.drained)
	}
}

func (s *server) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inHand
}

// counted handles requests that the server does not end without.
func (s *server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.count(1, false)
		defer s.count(-1, false)
		next.ServeHTTP(w, r)
	})
}

// healthy refuses once the server is to end.
func (s *server) healthy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		ending := s.ending
		s.mu.Unlock()
		if ending {
			http.Error(w, "the server is about to end", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// delayed makes the page, once its delay is over.
func (s *server) delayed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Duration(s.pageDelay.Load())):
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// setPageDelay sets how late later pages come: d, as Go writes durations.
func (s *server) setPageDelay(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.URL.Query().Get("d"))
	if err == nil && d < 0 {
		err = errors.New("a negative time")
	}
	if err != nil {
		http.Error(w, fmt.Sprintf("d: %v; write it as in /sim/page-delay?d=4s", err), http.StatusBadRequest)
		return
	}
	s.pageDelay.Store(int64(d))
}
