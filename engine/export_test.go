package engine

import (
	"context"
	"net"
	"syscall"
	"testing"
)

// ClosedPort returns a port of 127.0.0.1 that refuses connections and that nobody else gets until the test ends.
func ClosedPort(t *testing.T) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return bound.(*syscall.SockaddrInet4).Port
}

// SetFetch replaces the engine's HTTP clients, for tests in a bubble of synctest, which real sockets cannot enter.
func (e *Engine) SetFetch(f func(ctx context.Context, url string, buffer []byte) ([]byte, error)) {
	e.fetch = func(ctx context.Context, at place, b *buffer) ([]byte, error) {
		page, err := f(ctx, at.url, b.own)
		b.own = page
		return page, err
	}
	e.ask = e.fetch
}

// SetDial replaces the network, before the engine runs.
func (e *Engine) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	e.over(dial)
}

// Reader returns what reads the page at a URL once, as a worker does each time.
func (e *Engine) Reader(url string) func(context.Context) {
	return e.worker(target{Endpoint: Endpoint{URL: url}}).visit
}
