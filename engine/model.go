package engine

import (
	"slices"
	"time"

	"gpusignal/node"
	"gpusignal/window"
)

// grace is how long a level that a page told, and the next ones do not, is held. After that it is not known.
const grace = time.Minute

// level is a gauge over the window.
type level struct {
	window *window.Gauge
	last   float64
}

// set the level to v for the time since the page before.
func (l *level) set(v float64, p *page) {
	l.last = v
	if l.window == nil {
		l.window = window.NewGauge(p.span)
	}
	l.window.Add(p.from, p.at, v)
}

func (l *level) gauge() node.Gauge {
	stats := l.window.Stats()
	return node.Gauge{Last: l.last, Mean: stats.Mean, Peak: stats.Peak}
}

// tally is a count over the window.
type tally struct {
	window *window.Counter
	total  float64
}

func (t *tally) add(increase float64, p *page) {
	if t.window == nil {
		t.window = window.NewCounter(p.span)
		if p.follows && !p.restarted {
			t.window.Add(p.prev, t.total)
		}
	}
	t.total += increase
	t.window.Add(p.at, t.total)
}

func (t *tally) counter() node.Counter {
	if t.window == nil {
		return node.Counter{Total: t.total}
	}
	increase, _, _ := t.window.Increase()
	return node.Counter{Total: t.total, Increase: increase}
}

// latency is a sum of seconds and a count, and buckets where the server has them.
type latency struct {
	sum, count tally
	mean       node.Opt[float64]
	// slot is where the buckets come from; they ascend by upper bound.
	slot    *slot
	buckets []*boundedTally
}

type boundedTally struct {
	tally
	upper float64
}

// model is the state of one model of a server.
type model struct {
	name string
	// page is the newest that had any series of the model.
	page  uint32
	ranks map[string]*uint32
	// rankCount of the newest page that had the model.
	rankCount int
	slots     [measures][]*slot

	// told says what the pages have told since the container started, and toldAt when they last did. A model that is gone
	// from the page tells that nothing of it is in hand and that it counts no further.
	told      [measures]bool
	toldAt    [measures]time.Time
	estimated bool
	levels    [Awake + 1]level
	tokens    [2]tally
	latencies [InterToken - Queue + 1]latency
	// raw counts of requests by outcome as the pages have them, and what is published.
	raw      map[string]float64
	requests map[string]*tally
	// outcomeAt is when the pages last told an outcome.
	outcomeAt map[string]time.Time
}

func newModel(name string) *model {
	return &model{
		name: name, ranks: make(map[string]*uint32), rankCount: 1,
		raw: make(map[string]float64), requests: make(map[string]*tally), outcomeAt: make(map[string]time.Time),
	}
}

// restart forgets what belongs to a container: what it has told, and the windows. Totals go on.
func (m *model) restart() {
	m.told, m.toldAt, m.estimated, m.levels = [measures]bool{}, [measures]time.Time{}, false, [Awake + 1]level{}
	for i := range m.tokens {
		m.tokens[i].window = nil
	}
	for i := range m.latencies {
		l := &m.latencies[i]
		l.sum.window, l.count.window, l.mean = nil, nil, node.Opt[float64]{}
		for _, b := range l.buckets {
			b.window = nil
		}
	}
	for _, t := range m.requests {
		t.window = nil
	}
	clear(m.outcomeAt)
}

// slot of a rule, made when it is the first of its candidate.
func (m *model) slot(r *rule, c Candidate) *slot {
	for len(m.slots[r.measure]) <= r.candidate {
		m.slots[r.measure] = append(m.slots[r.measure], nil)
	}
	s := m.slots[r.measure][r.candidate]
	if s == nil {
		n := len(c.Of)
		if c.Kind == Histogram {
			n = 2
		}
		s = &slot{kind: c.Kind, parts: make([]sum, n)}
		for i := range s.parts {
			s.parts[i].max = c.Aggregation == Greatest
		}
		m.slots[r.measure][r.candidate] = s
	}
	return s
}

// pick the first candidate of a measure that the page has.
func (m *model) pick(measure Measure, p *page) *slot {
	for _, s := range m.slots[measure] {
		if s != nil && s.on(p.number) {
			return s
		}
	}
	return nil
}

// turn takes over what the page says. It tells whether a request ended and whether any counter moved.
func (m *model) turn(p *page) (ended, moved bool) {
	here := m.page == p.number
	if here {
		m.rankCount = 0
		for key, r := range m.ranks {
			if *r == p.number {
				m.rankCount++
			} else if p.number-*r > 3*keepPages {
				delete(m.ranks, key)
			}
		}
		m.rankCount = max(1, m.rankCount)
	}
	for measure := Running; measure <= Awake; measure++ {
		m.turnLevel(measure, here, p)
	}
	for measure := PromptTokens; measure <= GenerationTokens; measure++ {
		n := m.turnTokens(measure, here, p)
		moved = moved || n > 0
	}
	for measure := Queue; measure <= InterToken; measure++ {
		n := m.turnLatency(measure, here, p)
		moved = moved || n > 0
		ended = ended || measure == Queue && n > 0
	}
	requests := m.turnRequests(here, p)
	return ended || requests, moved || ended || requests
}

func (m *model) turnLevel(measure Measure, here bool, p *page) {
	l := &m.levels[measure]
	s := m.pick(measure, p)
	if s == nil {
		// Of a model that is gone from the page nothing runs or waits. A level that alone is gone is held, see known.
		if m.told[measure] && !here {
			m.tells(measure, p)
			l.set(0, p)
		}
		return
	}
	v, ok := s.value(p.number), true
	switch s.kind {
	case Ratio:
		v, ok = s.ratio()
	case Little:
		elapsed := p.at.Sub(p.prev).Seconds()
		ok = !p.prev.IsZero() && elapsed > 0
		v = max(0, (s.parts[0].value-s.parts[1].value)/elapsed)
	case Gauge, Counter, Histogram, Quotient, Outcome:
	}
	if !ok || !usable(v) {
		return
	}
	if measure == Running {
		m.estimated = s.kind == Little
	}
	m.tells(measure, p)
	l.set(v, p)
}

// tells takes note that the page tells the measure.
func (m *model) tells(measure Measure, p *page) { m.told[measure], m.toldAt[measure] = true, p.at }

// turnTokens returns how many tokens the page added. A count that alone is gone from the page is held, see known.
func (m *model) turnTokens(measure Measure, here bool, p *page) float64 {
	s := m.pick(measure, p)
	if s == nil && (here || !m.told[measure]) {
		return 0
	}
	var increase float64
	if s != nil {
		increase = s.value(p.number)
	}
	m.tells(measure, p)
	m.tokens[measure-PromptTokens].add(increase, p)
	return increase
}

// turnLatency returns how many observations the page added. A latency that alone is gone from the page is held, see known.
func (m *model) turnLatency(measure Measure, here bool, p *page) float64 {
	l := &m.latencies[measure-Queue]
	s := m.pick(measure, p)
	if s == nil {
		if m.told[measure] && !here {
			m.tells(measure, p)
			l.sum.add(0, p)
			l.count.add(0, p)
			for _, b := range l.buckets {
				b.add(0, p)
			}
		}
		return 0
	}
	m.tells(measure, p)
	seconds, count := s.parts[0].value, s.parts[1].value
	l.sum.add(seconds, p)
	l.count.add(count, p)
	if mean := seconds / count; count > 0 && usable(mean) {
		l.mean = node.Some(mean)
	}
	l.turnBuckets(s, p)
	return count
}

// turnBuckets takes over the buckets of a slot. Those of another slot have other bounds: they do not mix.
func (l *latency) turnBuckets(s *slot, p *page) {
	if l.slot != s {
		l.slot, l.buckets = s, nil
	}
	for i, b := range s.buckets {
		if i == len(l.buckets) || l.buckets[i].upper != b.upper {
			l.buckets = slices.Insert(l.buckets, i, &boundedTally{upper: b.upper})
		}
		increase, ok := b.sum.on(p.number)
		if !ok {
			increase = 0
		}
		l.buckets[i].add(increase, p)
	}
}
