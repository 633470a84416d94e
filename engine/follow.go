package engine

import (
	"context"
	"time"

	"gpusignal/node"
)

// follow starts and ends workers and probes until there is a worker for each target and a probe for each search. What a new
// one reads nobody reads any more by then: no page is asked for twice at a time.
func (e *Engine) follow(ctx context.Context, at time.Time) {
	e.renew()
	e.drop()
	wanted := make(map[key]bool)
	targets, searches := e.targets(at, wanted)
	for _, s := range searches {
		k := key{"", s.pod.Namespace, s.pod.Name}
		p := e.probes[k]
		if p == nil || another(p.search.pod.UID, s.pod.UID) {
			continue // Ended below, and begun after that.
		}
		wanted[k] = true
		p.follow(s)
		targets = append(targets, p.pages()...)
	}
	idle := []node.Server{}
	reads := make(map[key]target)
	for _, t := range targets {
		if t.fault != "" {
			idle = append(idle, t.idle())
			continue
		}
		k := key{t.URL, t.Pod.Namespace, t.Pod.Name}
		if _, twice := reads[k]; twice {
			continue
		}
		t.facts.announced = t.Engine
		w := e.workers[k]
		wanted[k] = w == nil || !another(w.facts.Load().pod.UID, t.facts.pod.UID)
		reads[k] = t
	}
	e.idle.Store(&idle)
	e.keep(wanted)
	for k, t := range reads {
		if w := e.workers[k]; w != nil {
			w.facts.Store(&t.facts)
		} else {
			e.read(ctx, k, t)
		}
	}
	for _, s := range searches {
		if k := (key{"", s.pod.Namespace, s.pod.Name}); e.probes[k] == nil {
			e.probe(ctx, k, s)
		}
	}
}

// another says whether two UIDs are of different pods. An empty one is not known.
func another(a, b string) bool { return a != "" && b != "" && a != b }

// idle is the server of a target that is not tried.
func (t *target) idle() node.Server {
	return node.Server{
		Pod: t.Pod, Announced: t.Engine, URL: t.URL, Found: t.by, Quiet: t.quiet, Fault: t.fault, Detail: explain(t.detail, t.fault),
	}
}

// targets of the pods and the static ones, and what is to be searched. A pod of which nothing but its names is known any
// more, because its sources are gone, keeps the workers and the probe it has: they are put into wanted.
func (e *Engine) targets(at time.Time, wanted map[key]bool) ([]target, []search) {
	var static []target
	given := make(map[[2]string]bool)
	if e.config.Static != nil {
		for _, s := range e.config.Static() {
			static = append(static, target{Endpoint: s, facts: facts{pod: s.Pod}, by: byConfiguration})
			given[[2]string{s.Pod.Namespace, s.Pod.Name}] = true
		}
	}
	if e.config.Pods == nil {
		return static, nil
	}
	pods := e.config.Pods(at)
	e.keepNamed(pods, wanted)
	var claims []node.Claim
	if e.config.Claims != nil {
		claims, _ = e.config.Claims(at)
	}
	named, searches := find(pods, holdersOf(claims), *e.plans.Load(), given)
	settle(static, named, searches)
	return append(static, named...), searches
}

// keepNamed puts into wanted what reads the pods of which nothing but the names is known.
func (e *Engine) keepNamed(pods []node.Pod, wanted map[key]bool) {
	for i := range pods {
		if pods[i].Phase != "" {
			continue
		}
		id := pods[i].ID
		for k, w := range e.workers {
			if k.namespace == id.Namespace && k.name == id.Name && !another(w.facts.Load().pod.UID, id.UID) {
				wanted[k] = true
			}
		}
		k := key{"", id.Namespace, id.Name}
		if p := e.probes[k]; p != nil && !another(p.search.pod.UID, id.UID) {
			wanted[k] = true
		}
	}
}

// drop the pages that probes found and that are of the same server as another.
func (e *Engine) drop() {
	reports := e.reports()
	for i, r := range reports {
		p := e.probes[key{"", r.server.Pod.Namespace, r.server.Pod.Name}]
		if p != nil && duplicate(reports[:i], r) != nil {
			p.drop(r.server.URL)
		}
	}
}

// read a target from now on.
func (e *Engine) read(ctx context.Context, k key, t target) {
	ctx, stop := context.WithCancel(ctx)
	w := e.worker(t)
	w.stop = stop
	e.mu.Lock()
	e.workers[k] = w
	e.mu.Unlock()
	go func() {
		defer close(w.done)
		w.run(ctx)
	}()
}

// worker of a target, which does nothing yet.
func (e *Engine) worker(t target) *worker {
	w := &worker{
		place: t.place(), by: t.by, interval: e.config.Interval, deadline: e.config.Deadline,
		fetch: e.fetch, buffer: buffer{great: e.great}, counts: &e.counts, logger: e.config.Logger, done: make(chan struct{}),
		plans: &e.plans, server: newServer(*e.plans.Load(), e.config.Window, e.config.Interval),
	}
	w.start(t.facts)
	return w
}

// probe a pod from now on.
func (e *Engine) probe(ctx context.Context, k key, s search) {
	ctx, stop := context.WithCancel(ctx)
	p := &probe{
		interval: e.config.Interval, deadline: e.config.Deadline, fetch: e.ask, great: e.great,
		speaks: func(page []byte) error {
			return newServer(*e.plans.Load(), e.config.Window, e.config.Interval).scan(page)
		},
		wake: e.poke, logger: e.config.Logger, changed: make(chan struct{}, 1), stop: stop, done: make(chan struct{}),
	}
	p.begin(s)
	e.mu.Lock()
	e.probes[k] = p
	e.mu.Unlock()
	go func() {
		defer close(p.done)
		p.run(ctx)
	}()
}

func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// keep only the wanted workers and probes: end the others, and wait for them.
func (e *Engine) keep(wanted map[key]bool) {
	var ended []chan struct{}
	e.mu.Lock()
	for k, w := range e.workers {
		if !wanted[k] {
			w.stop()
			ended = append(ended, w.done)
			delete(e.workers, k)
		}
	}
	for k, p := range e.probes {
		if !wanted[k] {
			p.stop()
			ended = append(ended, p.done)
			delete(e.probes, k)
		}
	}
	e.mu.Unlock()
	for _, done := range ended {
		<-done
	}
}
