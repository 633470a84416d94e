// Package engine reads the metrics pages of model servers: it finds them by what their pods announce, fetches, scans and
// maps them by dialects, which are data, and keeps windows over what they say.
package engine

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gpusignal/node"
)

// Config of an Engine. Zero durations and sizes are the defaults.
type Config struct {
	// Interval from one fetch of a page to the next, 2 s.
	Interval time.Duration
	// Deadline of a fetch, 5 s.
	Deadline time.Duration
	// Window over which rates and means are taken, 15 s.
	Window time.Duration
	// MaxBytes that a page may have, 8 MiB.
	MaxBytes int64
	// Pods of this node; nil where none are known.
	Pods func(at time.Time) []node.Pod
	// Claims say which containers hold a GPU; nil where none are known.
	Claims func(at time.Time) ([]node.Claim, []node.Unmapped)
	// Access says how the pages of a namespace are read over https; nil for no namespace.
	Access func(namespace string) (Access, bool)
	// Static are endpoints that no pod announces; nil for none.
	Static func() []Endpoint
	// Dialects of the servers that can be read.
	Dialects []Dialect
	// Own are dialects that users wrote, which may change; nil for none. They shadow those of the same names.
	Own func() []Dialect
	// Logger takes changes of state.
	Logger *slog.Logger
}

// Engine reads every endpoint, each on a goroutine of its own.
type Engine struct {
	config Config
	// plans of the dialects as they stand: built-in ones, and users' own.
	plans atomic.Pointer[[]*plan]
	// clients are of the workers, asking of the probes.
	clients, asking *clients
	fetch, ask      fetcher

	great  great
	counts counts
	// wake has a token once a probe found a page.
	wake chan struct{}

	// idle are targets that are not tried, with the reason.
	idle    atomic.Pointer[[]node.Server]
	mu      sync.Mutex
	workers map[key]*worker
	probes  map[key]*probe
}

// key of a worker, or without a URL of a probe. The pod's UID is apart, for it is learnt after its names.
type key struct{ url, namespace, name string }

// New returns an engine that does nothing before Run.
func New(c Config) *Engine {
	c.Interval = orDefault(c.Interval, 2*time.Second)
	c.Deadline = orDefault(c.Deadline, 5*time.Second)
	c.Window = orDefault(c.Window, 15*time.Second)
	c.MaxBytes = orDefault(c.MaxBytes, 8<<20)
	e := &Engine{
		config: c, great: newGreat(), wake: make(chan struct{}, 1), workers: make(map[key]*worker), probes: make(map[key]*probe),
	}
	e.over((&net.Dialer{Timeout: c.Deadline, KeepAlive: 30 * time.Second}).DialContext)
	plans := plansOf(c.Dialects, nil)
	e.plans.Store(&plans)
	e.idle.Store(&[]node.Server{})
	return e
}

// over makes the engine read over a network.
func (e *Engine) over(dial dialer) {
	e.clients = newClients(dial, e.config.Deadline, e.config.Access)
	e.asking = newClients(within(connect, dial), e.config.Deadline, e.config.Access)
	e.fetch, e.ask = newFetcher(e.clients, e.config.MaxBytes), newFetcher(e.asking, e.config.MaxBytes)
}

func orDefault[T ~int64](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Run reads the endpoints until ctx ends, and follows the pods as they come and go.
func (e *Engine) Run(ctx context.Context) error {
	defer e.clients.close()
	defer e.asking.close()
	ticker := time.NewTicker(min(e.config.Interval, time.Second))
	defer ticker.Stop()
	for {
		e.follow(ctx, time.Now())
		select {
		case <-ctx.Done():
			e.keep(nil)
			return nil
		case <-ticker.C:
		case <-e.wake:
		}
	}
}
