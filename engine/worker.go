package engine

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"gpusignal/node"
)

const (
	// share is how much longer than a fetch the pause after it is at least: a page takes at most 2 % of wall time.
	share = 50
	// slowest is the interval that a slow server's page is never read less often than.
	slowest = 10 * time.Second
)

// worker reads one endpoint. One goroutine runs it; latest is what it hands out.
type worker struct {
	place    place
	by       string
	interval time.Duration
	deadline time.Duration
	fetch    fetcher
	counts   *counts
	plans    *atomic.Pointer[[]*plan] // the engine's
	logger   *slog.Logger

	facts  atomic.Pointer[facts]
	latest atomic.Pointer[report]
	// stop and done are of the goroutine.
	stop context.CancelFunc
	done chan struct{}

	server *server
	buffer buffer
	state  node.Server
}

// report is what a worker last found. Nobody changes it.
type report struct {
	server node.Server
	// keys of the models and ranks on the page.
	keys []string
}

// start gives the worker its first state; run does the work.
func (w *worker) start(f facts) {
	w.facts.Store(&f)
	w.state = node.Server{
		Pod: f.pod, URL: w.place.url, Found: w.by, Slowed: 1,
		Fault: FaultUnread, Detail: explain("page not read yet", FaultUnread),
	}
	w.latest.Store(&report{server: w.state})
}

func (w *worker) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		began := time.Now()
		w.visit(ctx)
		timer.Reset(time.Until(began.Add(w.pause())))
	}
}

// pause from one fetch's beginning to the next. A page that is too big costs its whole limit each time, so it is read seldom.
func (w *worker) pause() time.Duration {
	if w.state.Fault == FaultTooBig {
		return max(w.interval, slowest)
	}
	return max(w.interval, min(share*w.state.Took, slowest))
}

// visit the page once.
func (w *worker) visit(ctx context.Context) {
	began := time.Now()
	fetching, cancel := context.WithTimeout(ctx, w.deadline)
	defer w.buffer.release()
	body, err := w.fetch(fetching, w.place, &w.buffer)
	cancel()
	if ctx.Err() != nil {
		return
	}
	at := time.Now()
	f := w.facts.Load()
	w.server.container(f.started)
	w.server.waited = w.server.waited || f.waited
	w.server.use(*w.plans.Load())
	if err == nil {
		w.state.Bytes = len(body)
		if err = w.server.read(body, at); err != nil {
			err = orHTML(err, body, w.buffer.html)
		}
	} else {
		w.server.fail()
	}
	w.state.Took = at.Sub(began)
	w.counts.fetched(at, w.state.Took, err == nil)
	w.turn(err)
	w.publish(f)
}

// turn the state to good or bad, and log where it changes.
func (w *worker) turn(err error) {
	before := w.state.Fault
	if err == nil {
		w.state.Fault, w.state.Detail = "", ""
		w.state.Pages++
		if before != "" {
			w.logger.Info("reading metrics page", "url", w.place.url, "engine", w.server.spoken.dialect.Name)
		}
		return
	}
	kind := faultOf(err, FaultMalformed)
	w.state.Fault, w.state.Detail = kind, explain(err.Error(), kind)
	w.state.Failures++
	if before == kind {
		return
	}
	w.logger.Warn("cannot read metrics page", "url", w.place.url, "fault", kind, "err", err, "hint", wayOut(kind))
}

func (w *worker) publish(f *facts) {
	w.state.Pod = f.pod
	w.state.Slowed = float64(w.pause()) / float64(w.interval)
	w.state.Models, w.state.Lost, w.state.Span = nil, nil, 0
	w.server.write(&w.state, f.maxRunning)
	w.latest.Store(&report{server: w.state, keys: w.server.keys()})
}
