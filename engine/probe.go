package engine

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"gpusignal/node"
)

// seldom is the interval that a pod which answers with something else than an engine's page is never asked less often than.
const seldom = 30 * time.Second

// connect is how long a probe waits for a connection: on one node it is there at once, or packets are dropped, and there are
// more ports to ask.
const connect = time.Second

// probe searches the pages of one pod. One goroutine runs it and asks for one page at a time. A page that it found is a
// worker's to read, and is not asked for again.
type probe struct {
	deadline time.Duration
	interval time.Duration
	fetch    fetcher
	great    great
	// speaks returns nil where a page is an engine's, else why it is not.
	speaks func(page []byte) error
	// wake has the engine look at what was found.
	wake   func()
	logger *slog.Logger
	// changed has a token once the pod changed.
	changed chan struct{}
	// stop and done are of the goroutine.
	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex
	search search
	// found are the URLs of an engine's pages; false where the page turned out to be of the same server as another.
	found map[string]bool
	// vain are the places that were asked in vain, each with the start of the container that it was.
	vain map[string]time.Time
	// state is how the search goes, nil where that is nothing to tell.
	state *node.Server

	pause time.Duration // Of the goroutine.
}

// answer is what a pod said that was not an engine's page.
type answer struct {
	target
	kind, detail string
}

// silent says that nobody listens.
func (a answer) silent() bool {
	return a.kind == FaultRefused || a.kind == FaultReset || a.kind == FaultUnreachable || a.kind == FaultTimeout
}

// begin with a search.
func (p *probe) begin(s search) {
	p.search, p.found, p.vain = s, make(map[string]bool), make(map[string]time.Time)
	if s.told() {
		p.state = &node.Server{Pod: s.pod, Quiet: !s.sure, Fault: FaultUnread, Detail: explain("pod not asked yet", FaultUnread)}
	}
}

// follow the pod: where to search, and whether it changed.
func (p *probe) follow(s search) {
	p.mu.Lock()
	changed := p.search.state != s.state || !slices.Equal(p.search.places(), s.places())
	p.search = s
	p.mu.Unlock()
	if changed {
		select {
		case p.changed <- struct{}{}:
		default:
		}
	}
}

// drop a found page for good.
func (p *probe) drop(url string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found[url] {
		p.found[url] = false
	}
}

// pages that were found and are still where the pod may have them, with what the pod says of them now.
func (p *probe) pages() []target {
	p.mu.Lock()
	defer p.mu.Unlock()
	var pages []target
	for _, st := range p.search.steps {
		for _, t := range st.targets {
			if t.fault == "" && p.found[t.URL] {
				t.facts.waited = !t.facts.started.IsZero() && p.vain[t.URL].Equal(t.facts.started)
				pages = append(pages, t)
			}
		}
	}
	return pages
}

// latest is how the search goes, nil where that is nothing to tell.
func (p *probe) latest() *node.Server {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *probe) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.changed:
			p.pause = 0
		case <-timer.C:
		}
		timer.Stop()
		began := time.Now()
		if p.round(ctx) {
			timer.Reset(time.Until(began.Add(p.pause)))
		}
	}
}

// round asks the pod once at each place, and says whether anything is left to ask.
func (p *probe) round(ctx context.Context) bool {
	p.mu.Lock()
	s := p.search
	p.mu.Unlock()
	steps := s.steps
	if i := slices.IndexFunc(steps, p.won); i >= 0 {
		steps = steps[i : i+1]
	}
	var answers []answer
	won := false
	for i := range steps {
		here := p.step(ctx, &steps[i])
		if ctx.Err() != nil {
			return false
		}
		if won = p.won(steps[i]); won {
			answers = here
			break
		}
		answers = append(answers, here...)
	}
	p.slow(answers)
	p.tell(&s, won, answers)
	return !won || len(answers) > 0
}

// won says whether a page of the step was found.
func (p *probe) won(st step) bool {
	return slices.ContainsFunc(st.targets, func(t target) bool { return p.known(t.URL) })
}

func (p *probe) known(url string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.found[url]
	return ok
}

// step asks at the places of one step that have no engine's page yet, until it has all that it wants.
func (p *probe) step(ctx context.Context, st *step) []answer {
	var answers []answer
	for _, t := range st.targets {
		if st.one && p.won(*st) {
			return nil
		}
		if p.known(t.URL) {
			continue
		}
		a := answer{t, t.fault, t.detail}
		if t.fault == "" {
			a.kind, a.detail = p.ask(ctx, &t)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case a.kind == "":
			p.add(t.URL)
		default:
			answers = append(answers, a)
			p.mu.Lock()
			p.vain[t.URL] = t.facts.started
			p.mu.Unlock()
		}
	}
	return answers
}

// ask for a page. The kind is empty where it is an engine's.
func (p *probe) ask(ctx context.Context, t *target) (kind, detail string) {
	ctx, cancel := context.WithTimeout(ctx, p.deadline)
	defer cancel()
	b := buffer{great: p.great} // It is seldom needed again.
	defer b.release()
	page, err := p.fetch(ctx, t.place(), &b)
	if err == nil {
		err = p.speaks(page)
	}
	if err != nil {
		return faultOf(err, FaultUnreachable), err.Error()
	}
	return "", ""
}

// add a page that was found.
func (p *probe) add(url string) {
	p.mu.Lock()
	p.found[url] = true
	p.mu.Unlock()
	p.wake()
}

// slow down. A server that loads is silent, so into silence it is asked again after 10 s at most.
func (p *probe) slow(answers []answer) {
	most := slowest
	if slices.ContainsFunc(answers, func(a answer) bool { return !a.silent() }) {
		most = seldom
	}
	p.pause = max(p.interval, min(2*p.pause, most))
}

// tell how the search goes, and log where that changes.
func (p *probe) tell(s *search, won bool, answers []answer) {
	var state *node.Server
	if !won && s.told() && len(answers) > 0 {
		state = s.report(answers)
	}
	p.mu.Lock()
	before := p.state
	p.state = state
	p.mu.Unlock()
	if state == nil || before != nil && before.Fault == state.Fault {
		return
	}
	level := slog.LevelDebug
	if s.sure {
		level = slog.LevelWarn
	}
	p.logger.Log(context.Background(), level, "found no metrics page of an engine", "pod", nameOf(s.pod), "fault", state.Fault, "detail", state.Detail)
}
