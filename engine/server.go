package engine

import (
	"errors"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"gpusignal/node"
)

// page is one good page's place in time.
type page struct {
	number uint32
	// at is when its last byte arrived, prev when that of the good page before did, zero where this is the first.
	at, prev time.Time
	// from is since when its levels stand.
	from time.Time
	span time.Duration
	// follows says that the page before this one was good: a series that is new on it began at 0 since then.
	follows bool
	// restarted says that the server's process began after the page before: all its counters began at 0 since then.
	restarted bool
	// another says that the page is of another process than the one before, and no new one: nobody knows what it counted since.
	another bool
	// fell says that a counter of the page began anew, so that the process may have.
	fell bool
}

// facts are what the pod says of an endpoint.
type facts struct {
	pod node.PodID
	// announced is the kind of server that was announced, empty where none was.
	announced string
	// started is when the server's container started, zero when that is not known.
	started time.Time
	// waited says that it was asked in vain since then.
	waited bool
	// maxRunning by the container's arguments, by name of the engine.
	maxRunning map[string]float64
}

// server is the state of one model server: what its pages have said. It is pure but for its memory: no I/O, no clock.
type server struct {
	plans    []*plan
	span     time.Duration
	interval time.Duration

	// plan of the dialect that the page speaks, nil while that is to be found out; spoken is the one of the scanner.
	plan    *plan
	spoken  *plan
	scanner *scanner
	cells   []cell
	models  map[string]*model
	names   []string // Sorted.

	at      time.Time
	failed  bool
	begun   float64   // The process' start, Unix seconds; 0 when not known.
	newest  float64   // The latest start that any page told.
	handled time.Time // The container's start that the state belongs to.
	fresh   bool      // The container started after the newest page.
	waited  bool      // It was asked in vain since the container started, before its first page.
	stamps  stamps
	now     page

	// answers of the HTTP server, counted for answerer.
	answers  answers
	answerer *model
	// kin finds the series that a counter had before a noisy label changed.
	kin kin
	// merged are the names of models, hashed with the seed, that are summed in otherModels.
	merged map[uint64]struct{}
	seed   maphash.Seed
}

func newServer(plans []*plan, span, interval time.Duration) *server {
	return &server{
		plans: plans, span: span, interval: interval,
		models: make(map[string]*model), kin: newKin(), merged: make(map[uint64]struct{}), seed: maphash.MakeSeed(),
	}
}

// fail says that a page could not be read.
func (s *server) fail() {
	s.failed = true
	s.waited = s.waited || s.stamps.firstPage.IsZero()
}

// container tells when the server's container started. Where it is another container than before, loading begins anew:
// nothing is known of it before its first page. Counters go on.
func (s *server) container(started time.Time) {
	if started.IsZero() || started.Equal(s.handled) {
		return
	}
	known := !s.handled.IsZero()
	s.handled = started
	s.waited = s.waited && !known
	if s.stamps.firstPage.IsZero() || !known && !started.After(s.stamps.firstPage) {
		return
	}
	// A container's start is told in whole seconds: a page of the same second may already be the new one's.
	s.fresh = started.After(s.at)
	s.stamps = stamps{}
	for _, m := range s.models {
		m.restart()
	}
	if s.fresh {
		s.plan = nil
	}
}

// read a page that arrived at the instant at.
func (s *server) read(body []byte, at time.Time) error {
	if err := s.scan(body); err != nil {
		s.fail()
		return err
	}
	s.begin(at)
	loaded := s.collect()
	if !loaded && s.stamps.firstPage.IsZero() {
		s.fail()
		return &fault{FaultNoEngine, errors.New("the page of " + s.plan.dialect.Name + " has no numbers of a model yet")}
	}
	s.turn()
	s.at, s.failed, s.fresh = at, false, false
	return nil
}

// begin a page.
func (s *server) begin(at time.Time) {
	s.now = page{number: s.scanner.page, at: at, prev: s.at, span: s.span, follows: !s.failed && !s.at.IsZero()}
	s.now.restarted = s.fresh && !s.at.IsZero()
	// What stood while pages could not be read is not known; and the windows of a new container begin with its first page.
	s.now.from = at.Add(-s.interval)
	if s.now.follows && !s.stamps.firstPage.IsZero() {
		s.now.from = s.at
	}
}

// collect the values of the page into the models' sums. It says whether there is a number of a model.
func (s *server) collect() bool {
	for id := range s.scanner.series {
		if s.scanner.has(id) && (id >= len(s.cells) || s.cells[id].born != s.scanner.series[id].born) {
			s.bind(id)
		}
	}
	s.process()
	loaded := false
	for id := range s.cells {
		c := &s.cells[id]
		v := s.scanner.values[id]
		if !s.scanner.has(id) || c.start || !usable(v) || len(c.taps) == 0 {
			continue
		}
		increase := v
		if c.taps[0].counter {
			increase = c.increase(v, &s.now)
		}
		if c.model != nil {
			loaded = true
			c.model.page = s.now.number
		}
		if c.rank != nil {
			*c.rank = s.now.number
		}
		for _, t := range c.taps {
			if t.sum == nil { // An answer of the HTTP server, of no model.
				s.answers.counts[t.answer] += increase
				s.answers.page = s.now.number
				continue
			}
			t.sum.add(s.now.number, increase*t.scale)
			if t.present != nil {
				t.present.page = s.now.number
			}
		}
	}
	return loaded
}

// turn the models and the stamps to the page.
func (s *server) turn() {
	var ended, moved, waiting, inHand bool
	for _, name := range s.names {
		e, m := s.models[name].turn(&s.now)
		ended, moved = ended || e, moved || m
	}
	answered := s.answering()
	for _, name := range s.names {
		m := s.models[name]
		if m == answered {
			m.settle(&s.now, &s.answers)
		} else {
			m.settle(&s.now, nil)
		}
		queued := m.known(Waiting, &s.now) && m.levels[Waiting].last > 0
		waiting = waiting || queued
		inHand = inHand || queued || m.known(Running, &s.now) && m.levels[Running].last > 0
	}
	s.stamps.turn(s.now.at, waiting, inHand, ended, moved)
}

// answering is the model that the HTTP server's answers belong to, which carry no model: the only one there is, else one
// without a name.
func (s *server) answering() *model {
	if s.answers.page != s.now.number || len(s.names) == 0 {
		return nil
	}
	m := s.models[s.names[0]]
	if len(s.names) > 1 {
		m = s.model("")
	}
	if s.answerer != nil && s.answerer != m {
		s.answers.counts = [3]float64{} // What was answered before stays with the other.
	}
	s.answerer = m
	return m
}

// model of the name, made when it is new.
func (s *server) model(name string) *model {
	m, ok := s.models[name]
	if !ok {
		m = newModel(name)
		s.models[name] = m
		s.names = slices.Sorted(maps.Keys(s.models))
	}
	return m
}

// write what the pages have said into out.
func (s *server) write(out *node.Server, maxRunning map[string]float64) {
	out.At = s.at
	s.stamps.write(out)
	if out.Startup = s.stamps.startup(s.handled); !s.waited {
		out.Startup = node.Opt[time.Duration]{}
	}
	if s.at.IsZero() {
		return
	}
	out.Engine = s.spoken.dialect.Name
	var argument node.Opt[float64]
	if v, ok := maxRunning[out.Engine]; ok {
		argument = node.Some(v)
	}
	if !s.stamps.firstPage.IsZero() && s.at.Sub(s.stamps.firstPage) >= s.span {
		out.Span = s.span
	}
	asleep, awake := false, false
	for _, name := range s.names {
		m := s.models[name]
		if !m.toldAny() {
			continue
		}
		out.Models = append(out.Models, m.publish(&s.now, argument, s.spoken.dialect.MaxOfAll))
		out.Lost = append(out.Lost, m.lost(&s.now)...)
		if m.known(Awake, &s.now) {
			asleep = asleep || m.levels[Awake].last == 0
			awake = awake || m.levels[Awake].last > 0
		}
	}
	slices.Sort(out.Lost)
	out.Lost = slices.Compact(out.Lost)
	out.Sleeping = asleep && !awake
	out.Merged = len(s.merged)
}

// keys of the models and ranks that the newest page had, to tell whether another page is of the same server.
func (s *server) keys() []string {
	var keys []string
	for _, name := range s.names {
		m := s.models[name]
		if m.page != s.now.number {
			continue
		}
		for rank, page := range m.ranks {
			if *page == s.now.number {
				keys = append(keys, name+"\x00"+rank)
			}
		}
		if len(m.ranks) == 0 {
			keys = append(keys, name)
		}
	}
	return keys
}
