package engine

import (
	"context"
	"net"
)

// SetFetch replaces the engine's HTTP clients, for tests in a bubble of synctest, which real sockets cannot enter.
func (e *Engine) SetFetch(f func(ctx context.Context, url string, buffer []byte) ([]byte, error)) {
	e.fetch = func(ctx context.Context, at place, b *buffer) ([]byte, error) {
		page, err := f(ctx, at.url, b.own)
		b.own = page
		return page, err
	}
}

// SetDial replaces the network, before the engine runs.
func (e *Engine) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	e.clients = newClients(dial, e.config.Deadline, e.config.Access)
	e.fetch = newFetcher(e.clients, e.config.MaxBytes)
}
