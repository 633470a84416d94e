package e2e

import (
	"sync"
	"testing"
	"time"
)

// stalls tells when the machine did not run what was due: other work on it, or on the host of it, delays the clients' answers, and
// the server hears nothing of that. It is found out by a timer of 5 ms that rings late.
type stalls struct {
	mu   sync.Mutex
	late []stall
}

type stall struct {
	at time.Time
	by time.Duration
}

// watchStalls begins to watch, until the test ends.
func watchStalls(t *testing.T) *stalls {
	t.Helper()
	w := &stalls{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		const pause = 5 * time.Millisecond
		for last := time.Now(); ; {
			select {
			case <-stop:
				return
			case <-time.After(pause):
			}
			now := time.Now()
			if by := now.Sub(last) - pause; by > pause {
				w.mu.Lock()
				w.late = append(w.late, stall{now, by})
				w.mu.Unlock()
			}
			last = now
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return w
}

// in says how much time was lost in a span, in all.
func (w *stalls) in(from, to time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lost time.Duration
	for _, s := range w.late {
		if s.at.After(from) && !s.at.After(to) {
			lost += s.by
		}
	}
	return lost
}
