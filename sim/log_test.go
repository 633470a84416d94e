package sim

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// logBuffer is a truth log in memory.
type logBuffer struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	grown  chan struct{}
	served map[string]int // requests that succeeded, by namespace
}

func newLogBuffer() *logBuffer {
	return &logBuffer{grown: make(chan struct{}, 1), served: map[string]int{}}
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, after, ok := bytes.Cut(p, []byte(" request pod=")); ok && bytes.Contains(after, []byte("outcome=success")) {
		namespace, _, _ := bytes.Cut(after, []byte("/"))
		b.served[string(namespace)]++
		select {
		case b.grown <- struct{}{}:
		default:
		}
	}
	return b.buf.Write(p)
}

func (b *logBuffer) lines(t *testing.T) []line {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	return parseLog(t, b.buf.String())
}

// count is how many requests the pods of a namespace have served.
func (b *logBuffer) count(namespace string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.served[namespace]
}

// line is a line of the truth log, read by its documented format alone.
type line struct {
	at     int64
	event  string
	fields map[string]string
}

func (l line) int(key string) int64 {
	n, err := strconv.ParseInt(l.fields[key], 10, 64)
	if err != nil {
		panic("field " + key + " of " + l.event + ": " + err.Error())
	}
	return n
}

func parseLog(t *testing.T, s string) []line {
	t.Helper()
	var out []line
	for text := range strings.Lines(s) {
		words := strings.Split(strings.TrimSuffix(text, "\n"), " ")
		at, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil || len(words) < 2 {
			t.Fatalf("line %q: %v", text, err)
		}
		l := line{at: at, event: words[1], fields: map[string]string{}}
		for _, w := range words[2:] {
			key, value, ok := strings.Cut(w, "=")
			if !ok {
				t.Fatalf("line %q: field %q", text, w)
			}
			l.fields[key] = value
		}
		if n := len(out); n > 0 && out[n-1].at > at {
			t.Fatalf("line %q is older than the one above it", text)
		}
		out = append(out, l)
	}
	return out
}

// busyBetween is the busy time of a device between two instants, by the log.
func busyBetween(lines []line, gpu string, from, to int64) int64 {
	var busy int64
	for _, l := range lines {
		if l.event == "busy" && l.fields["gpu"] == gpu {
			busy += max(0, min(l.int("to"), to)-max(l.int("from"), from))
		}
	}
	return busy
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestTruthLogStopsAtAnError(t *testing.T) {
	log := newTruth(brokenWriter{})
	log.event("start", "seed", int64(1))
	log.event("stop")
	if err := log.fault(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("fault is %v, want the writer's", err)
	}
	newTruth(nil).event("nothing happens")
}
