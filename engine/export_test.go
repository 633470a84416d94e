package engine

import "context"

// SetFetch replaces the engine's HTTP client, for tests in a bubble of synctest, which real sockets cannot enter.
func (e *Engine) SetFetch(f func(ctx context.Context, url string, buffer []byte) ([]byte, error)) {
	e.fetch = func(ctx context.Context, url string, b *buffer) ([]byte, error) {
		page, err := f(ctx, url, b.own)
		b.own = page
		return page, err
	}
}
