package sim

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// server is a model server, where it listens and who sends to it.
type server struct {
	run       func(context.Context) error
	endpoints []*endpoint
	clients   []*client
	// prepare, when there is one, is what has to happen before the server listens.
	prepare func(context.Context)
}

// endpoint is an HTTP server. Its listener is nil while connections have to be refused.
type endpoint struct {
	address  string
	listener net.Listener
	handler  http.Handler
}

// serve runs a model server, its endpoints and its clients until ctx ends.
func (n *Node) serve(ctx context.Context, s *server) error {
	if s.prepare != nil {
		s.prepare(ctx)
	}
	if ctx.Err() != nil {
		return nil
	}
	with, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	run := func(f func(context.Context) error) {
		wg.Go(func() {
			if err := f(with); err != nil {
				cancel(err)
			}
		})
	}
	run(s.run)
	for _, e := range s.endpoints {
		run(e.run)
	}
	for _, c := range s.clients {
		wg.Go(func() { c.run(with) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(with)
}

// run serves an endpoint until ctx ends.
func (e *endpoint) run(ctx context.Context) error {
	if e.listener == nil {
		listener, err := net.Listen("tcp", e.address)
		if err != nil {
			return fmt.Errorf("listen on %q: %w", e.address, err)
		}
		e.listener = listener
	}
	s := &http.Server{
		Handler: e.handler, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	down := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(down)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if s.Shutdown(grace) != nil {
			_ = s.Close()
		}
	})
	err := s.Serve(e.listener)
	if stop() { // ctx has not ended, so nothing else closes the server.
		_ = s.Close()
		return fmt.Errorf("serve %q: %w", e.address, err)
	}
	<-down
	return nil
}
