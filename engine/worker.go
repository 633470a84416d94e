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
	// seldom is the interval at which a page is looked at again that turned out to be no engine's, where nothing but
	// prometheus.io/scrape says that it might be one.
	seldom = 30 * time.Second
)

// worker reads one endpoint. One goroutine runs it; latest is what it hands out.
type worker struct {
	endpoint Endpoint
	guess    bool
	interval time.Duration
	deadline time.Duration
	fetch    fetcher
	counts   *counts
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
	// quiet says that the endpoint is most likely no model server.
	quiet bool
}

// start gives the worker its first state; run does the work.
func (w *worker) start(f facts) {
	w.facts.Store(&f)
	w.state = node.Server{Pod: f.pod, URL: w.endpoint.URL, Fault: FaultUnread, Detail: explain("page not read yet", FaultUnread)}
	w.latest.Store(&report{server: w.state, quiet: w.guess})
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
	if w.guess && w.state.Fault == FaultNoEngine && w.state.At.IsZero() {
		return max(w.interval, seldom)
	}
	return max(w.interval, min(share*w.state.Took, slowest))
}

// visit the page once.
func (w *worker) visit(ctx context.Context) {
	began := time.Now()
	fetching, cancel := context.WithTimeout(ctx, w.deadline)
	defer w.buffer.release()
	body, err := w.fetch(fetching, w.endpoint.URL, &w.buffer)
	cancel()
	if ctx.Err() != nil {
		return
	}
	at := time.Now()
	f := w.facts.Load()
	w.server.container(f.started)
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
			w.logger.Info("reading metrics page", "url", w.endpoint.URL, "engine", w.server.spoken.dialect.Name)
		}
		return
	}
	kind := faultOf(err, FaultMalformed)
	w.state.Fault, w.state.Detail = kind, explain(err.Error(), kind)
	w.state.Failures++
	if before == kind {
		return
	}
	level := slog.LevelWarn
	if w.guess && w.state.At.IsZero() {
		level = slog.LevelDebug
	}
	w.logger.Log(context.Background(), level, "cannot read metrics page",
		"url", w.endpoint.URL, "fault", kind, "err", err, "hint", wayOut(kind))
}

func (w *worker) publish(f *facts) {
	w.state.Pod = f.pod
	w.state.Models, w.state.Lost, w.state.Span = nil, nil, 0
	w.server.write(&w.state, f.maxRunning)
	w.latest.Store(&report{
		server: w.state,
		keys:   w.server.keys(),
		quiet:  w.guess && w.state.At.IsZero() && (w.state.Fault == FaultNoEngine || w.state.Fault == FaultUnread),
	})
}
