package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// endless is a page without an end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func TestEndlessPageTakesNoMoreThanTheLimit(t *testing.T) {
	const limit = 8 << 20
	b := buffer{great: newGreat()}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	page := &endless{}
	_, err := readAll(t.Context(), page, "http://a/", &b, limit)
	runtime.ReadMemStats(&after)
	if faultOf(err, "") != FaultTooBig {
		t.Fatalf("error %v, want it too big", err)
	}
	if page.read != limit+1 {
		t.Errorf("%d bytes were asked for, want one over the limit of %d", page.read, limit)
	}
	// The sizes double from 64 KiB, so that all of them together are less than twice the last one.
	if got := after.TotalAlloc - before.TotalAlloc; got > 2*limit+1<<20 {
		t.Errorf("%d bytes were allocated for a limit of %d", got, limit)
	}
	b.release()
	if got := <-b.great; b.own != nil || got != nil {
		t.Errorf("%d and %d bytes are kept", cap(b.own), cap(got))
	}
}

func TestOnlyOneGreatPageAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 8 << 20
		shared := newGreat()
		great, small := bytes.Repeat([]byte{'a'}, 3*ownSize), make([]byte, ownSize)
		first, second, third := buffer{great: shared}, buffer{great: shared}, buffer{great: shared}
		page, err := readAll(t.Context(), bytes.NewReader(great), "http://a/", &first, limit)
		if err != nil || !bytes.Equal(page, great) {
			t.Fatalf("%d bytes, error %v", len(page), err)
		}
		if cap(first.own) > ownSize {
			t.Errorf("%d bytes are its own", cap(first.own))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = readAll(ctx, bytes.NewReader(great), "http://b/", &second, limit)
		if faultOf(err, "") != FaultTimeout || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v while another holds the great buffer, want a timeout", err)
		}
		second.release()
		if _, err := readAll(t.Context(), bytes.NewReader(small[:ownSize-1]), "http://c/", &third, limit); err != nil {
			t.Errorf("a small page waits for the great one: %v", err)
		}
		done := make(chan error)
		go func() {
			got, err := readAll(t.Context(), bytes.NewReader(great), "http://b/", &second, limit)
			if !bytes.Equal(got, great) {
				err = errors.Join(err, errors.New("the page is another"))
			}
			second.release()
			done <- err
		}()
		synctest.Wait()
		if !bytes.Equal(page, great) {
			t.Error("the page changed while it was held")
		}
		first.release()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestTooBigIsReadSeldom counts how often a page that is too big is asked for within a minute.
func TestTooBigIsReadSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Config{
			Logger: slog.New(slog.DiscardHandler),
			Static: func() []Endpoint { return []Endpoint{{URL: "http://a/metrics", Engine: "vllm"}} },
		})
		calls := 0
		e.fetch = func(ctx context.Context, at place, b *buffer) ([]byte, error) {
			calls++
			return readAll(ctx, &endless{}, at.url, b, 4*ownSize)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
		if calls != 6 {
			t.Errorf("%d readings within a minute, want one in ten seconds", calls)
		}
		select {
		case <-e.great:
		default:
			t.Error("the great buffer was not given back")
		}
	})
}

func TestHTML(t *testing.T) {
	malformed := &fault{FaultMalformed, errors.New("line 1")}
	for _, tt := range []struct {
		name, body string
		called     bool
		err        error
		html       bool
	}{
		{"a page for browsers", "\n <!DOCTYPE html><html>", false, malformed, true},
		{"called so", "Not here.", true, malformed, true},
		{"rubbish", "Not here.", false, malformed, false},
		{"metrics called so", "a 1\n", true, &fault{FaultNoEngine, errors.New("no series")}, false},
	} {
		err := orHTML(tt.err, []byte(tt.body), tt.called)
		if got := strings.Contains(err.Error(), "HTML") && strings.Contains(err.Error(), "gpusignal/path"); got != tt.html {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.html && faultOf(err, "") != FaultMalformed {
			t.Errorf("%s: fault %q", tt.name, faultOf(err, ""))
		}
	}
}
