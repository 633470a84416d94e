package engine

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"gpusignal/node"
)

// counts of all fetches since the process started, of endpoints that are gone as well.
type counts struct {
	mu                 sync.Mutex
	attempts, failures uint64
	success            time.Time
	took               time.Duration
}

func (c *counts) fetched(at time.Time, took time.Duration, good bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts++
	c.took = took
	if good {
		c.success = at
	} else {
		c.failures++
	}
}

// Servers returns one server an endpoint, sorted by pod and URL, those never read included: their At is zero and their
// Fault says why. A pod that is searched is one as long as no page of it is found; left out is one that neither holds a GPU
// nor has a model server's image.
func (e *Engine) Servers(time.Time) []node.Server {
	reports := e.reports()
	servers := slices.Clone(*e.idle.Load())
	for i, r := range reports {
		s := r.server
		if first := duplicate(reports[:i], r); first != nil {
			s.Models, s.Lost, s.Span = nil, nil, 0
			s.Fault = FaultDuplicate
			s.Detail = explain(fmt.Sprintf("page %q has the same models and ranks as %q of the same pod", s.URL, first.server.URL), FaultDuplicate)
		}
		servers = append(servers, s)
	}
	slices.SortStableFunc(servers, compare)
	return servers
}

// reports of all workers, sorted.
func (e *Engine) reports() []*report {
	e.mu.Lock()
	reports := make([]*report, 0, len(e.workers))
	for _, w := range e.workers {
		r := *w.latest.Load()
		f := w.facts.Load()
		r.server.Pod, r.server.Announced = f.pod, f.announced // They may have been learnt since.
		reports = append(reports, &r)
	}
	for _, p := range e.probes {
		if s := p.latest(); s != nil {
			reports = append(reports, &report{server: *s})
		}
	}
	e.mu.Unlock()
	slices.SortFunc(reports, func(a, b *report) int { return compare(a.server, b.server) })
	return reports
}

func compare(a, b node.Server) int {
	return cmp.Or(
		cmp.Compare(a.Pod.Namespace, b.Pod.Namespace), cmp.Compare(a.Pod.Name, b.Pod.Name), cmp.Compare(a.URL, b.URL),
	)
}

// duplicate returns the page before r that is of the same server: of the same pod, with a model and rank that r has too.
func duplicate(before []*report, r *report) *report {
	for _, b := range before {
		if b.server.Pod != r.server.Pod || b.server.Engine != r.server.Engine || b.server.Engine == "" {
			continue
		}
		if slices.ContainsFunc(r.keys, func(k string) bool { return slices.Contains(b.keys, k) }) {
			return b
		}
	}
	return nil
}

// Health of the source "engine": up unless every endpoint fails. Detail names the first that does, and the way out.
func (e *Engine) Health(at time.Time) []node.SourceHealth {
	e.counts.mu.Lock()
	health := node.SourceHealth{
		Source: "engine", Up: true, Success: e.counts.success, Took: e.counts.took,
		Attempts: e.counts.attempts, Failures: e.counts.failures,
	}
	e.counts.mu.Unlock()
	servers := e.Servers(at)
	failing, loud := 0, 0
	for i := range servers {
		s := &servers[i]
		if s.Quiet {
			continue
		}
		loud++
		if s.Fault == "" || s.Fault == FaultUnread || s.Fault == FaultDuplicate {
			continue
		}
		if failing++; failing == 1 {
			name := cmp.Or(s.URL, s.Pod.Namespace+"/"+s.Pod.Name)
			health.Detail = fmt.Sprintf("%s: %s: %s", name, s.Fault, s.Detail)
		}
	}
	health.Up = failing == 0 || failing < loud
	return []node.SourceHealth{health}
}
