// Package engine reads the metrics pages of model servers: it finds them by what their pods announce, fetches, scans and
// maps them by dialects, which are data, and keeps windows over what they say.
package engine

import (
	"context"
	"log/slog"
	"net/http"
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
	// Static are endpoints that no pod announces; nil for none.
	Static func() []Endpoint
	// Dialects of the servers that can be read.
	Dialects []Dialect
	// Logger takes changes of state.
	Logger *slog.Logger
}

// Engine reads every endpoint, each on a goroutine of its own.
type Engine struct {
	config Config
	plans  []*plan
	client *http.Client
	fetch  fetcher
	great  great
	counts counts

	// idle are targets that are not tried, with the reason.
	idle    atomic.Pointer[[]node.Server]
	mu      sync.Mutex
	workers map[key]*worker
}

// key of a worker. The pod's UID is apart, for it is learnt after its names.
type key struct{ url, namespace, name string }

// New returns an engine that does nothing before Run.
func New(c Config) *Engine {
	c.Interval = orDefault(c.Interval, 2*time.Second)
	c.Deadline = orDefault(c.Deadline, 5*time.Second)
	c.Window = orDefault(c.Window, 15*time.Second)
	c.MaxBytes = orDefault(c.MaxBytes, 8<<20)
	client := newClient(c.Deadline)
	e := &Engine{config: c, client: client, fetch: newFetcher(client, c.MaxBytes), great: newGreat(), workers: make(map[key]*worker)}
	for _, d := range c.Dialects {
		e.plans = append(e.plans, newPlan(d))
	}
	e.idle.Store(&[]node.Server{})
	return e
}

func orDefault[T ~int64](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Run reads the endpoints until ctx ends, and follows the pods as they come and go.
func (e *Engine) Run(ctx context.Context) error {
	defer e.client.CloseIdleConnections()
	ticker := time.NewTicker(min(e.config.Interval, time.Second))
	defer ticker.Stop()
	for {
		e.follow(ctx, time.Now())
		select {
		case <-ctx.Done():
			e.keep(nil)
			return nil
		case <-ticker.C:
		}
	}
}

// follow starts and ends workers until there is one for each target.
func (e *Engine) follow(ctx context.Context, at time.Time) {
	wanted := make(map[key]bool)
	idle := []node.Server{}
	for _, t := range e.targets(at, wanted) {
		t.facts.announced = t.Engine
		if t.fault != "" {
			idle = append(idle, node.Server{Pod: t.Pod, Announced: t.Engine, URL: t.URL, Fault: t.fault, Detail: explain(t.detail, t.fault)})
			continue
		}
		k := key{t.URL, t.Pod.Namespace, t.Pod.Name}
		if wanted[k] {
			continue
		}
		wanted[k] = true
		w := e.workers[k]
		if w != nil && another(w.facts.Load().pod.UID, t.facts.pod.UID) {
			e.end(k)
			w = nil
		}
		if w == nil {
			e.start(ctx, k, t)
			continue
		}
		w.facts.Store(&t.facts)
	}
	e.idle.Store(&idle)
	e.keep(wanted)
}

// another says whether two UIDs are of different pods. An empty one is not known.
func another(a, b string) bool { return a != "" && b != "" && a != b }

// targets of the pods and the static ones. A pod of which nothing but its names is known any more, because its sources are
// gone, keeps the workers it has: they are put into wanted.
func (e *Engine) targets(at time.Time, wanted map[key]bool) []target {
	var targets []target
	if e.config.Static != nil {
		for _, s := range e.config.Static() {
			targets = append(targets, target{Endpoint: s, facts: facts{pod: s.Pod}})
		}
	}
	if e.config.Pods == nil {
		return targets
	}
	pods := e.config.Pods(at)
	for i := range pods {
		if pods[i].Phase != "" {
			continue
		}
		for k, w := range e.workers {
			id := pods[i].ID
			if k.namespace == id.Namespace && k.name == id.Name && !another(w.facts.Load().pod.UID, id.UID) {
				wanted[k] = true
			}
		}
	}
	return append(targets, find(pods, e.plans)...)
}

func (e *Engine) start(ctx context.Context, k key, t target) {
	ctx, stop := context.WithCancel(ctx)
	w := &worker{
		endpoint: t.Endpoint, guess: t.guess, interval: e.config.Interval, deadline: e.config.Deadline,
		fetch: e.fetch, buffer: buffer{great: e.great}, counts: &e.counts, logger: e.config.Logger, stop: stop, done: make(chan struct{}),
		server: newServer(e.plans, e.config.Window, e.config.Interval),
	}
	w.start(t.facts)
	e.mu.Lock()
	e.workers[k] = w
	e.mu.Unlock()
	go func() {
		defer close(w.done)
		w.run(ctx)
	}()
}

// end a worker and wait for it.
func (e *Engine) end(k key) {
	w := e.workers[k]
	w.stop()
	<-w.done
	e.mu.Lock()
	delete(e.workers, k)
	e.mu.Unlock()
}

// keep only the wanted workers.
func (e *Engine) keep(wanted map[key]bool) {
	for k, w := range e.workers {
		if !wanted[k] {
			w.stop() // All at once; the waiting comes after.
		}
	}
	for k := range e.workers {
		if !wanted[k] {
			e.end(k)
		}
	}
}
