package engine

import "context"

const (
	// firstSize is how many bytes a buffer begins with.
	firstSize = 64 << 10
	// ownSize is how many bytes a worker may keep for itself. Pages above it share one buffer, and wait for each other.
	ownSize = 1 << 20
)

// great is the one buffer that may be over ownSize. It is a semaphore at the same time: who has taken the buffer out puts
// it back in.
type great chan []byte

func newGreat() great {
	g := make(great, 1)
	g <- nil
	return g
}

// buffer is the memory that one worker reads its pages into. Its own part stays from page to page.
type buffer struct {
	great great
	own   []byte
	// lent is the great buffer while held says that this one has it.
	lent []byte
	held bool
	// html says that the server called the newest page HTML.
	html bool
}

// begin returns the memory for a page of at most limit bytes.
func (b *buffer) begin(limit int64) []byte {
	if b.own == nil {
		b.own = make([]byte, 0, min(firstSize, limit+1))
	}
	return b.own[:0]
}

// grow returns the page in memory of twice the size, at most one byte over the limit. Above ownSize it waits for the great
// buffer; then it fails only when ctx ends.
func (b *buffer) grow(ctx context.Context, page []byte, limit int64) ([]byte, error) {
	size := 2 * cap(page)
	if int64(size) >= limit {
		size = int(limit + 1)
	}
	if size <= ownSize {
		b.own = append(make([]byte, 0, size), page...)
		return b.own, nil
	}
	if !b.held {
		select {
		case b.lent = <-b.great:
			b.held = true
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if cap(b.lent) > len(page) {
			return append(b.lent[:0], page...), nil
		}
	}
	b.lent = append(make([]byte, 0, size), page...)
	return b.lent, nil
}

// drop the memory of a page that was too big: it is not worth keeping.
func (b *buffer) drop() { b.own, b.lent = nil, nil }

// release gives the great buffer back, if this one has it. The page is used up by then.
func (b *buffer) release() {
	if b.held {
		b.great <- b.lent[:0]
		b.lent, b.held = nil, false
	}
}
