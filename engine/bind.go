package engine

import (
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxModels bounds how many models of one server are told apart; the rest are one, named otherModels.
const (
	maxModels   = 200
	otherModels = "_other"
	maxName     = 256
	maxBuckets  = 256
	maxTwins    = 1024
)

// bind a new series to what it feeds.
func (s *server) bind(id int) {
	for len(s.cells) <= id {
		s.cells = append(s.cells, cell{})
	}
	text := &s.scanner.series[id]
	c := &s.cells[id]
	*c = cell{born: text.born}
	if text.name == s.plan.start {
		c.start = len(text.labels) == 0
		return
	}
	for i := range s.plan.rules[text.name] {
		s.tap(c, text, &s.plan.rules[text.name][i])
	}
	if c.model != nil && len(c.taps) > 0 {
		if len(s.plan.dialect.Ranks) > 0 {
			c.rank = c.model.rank(text, s.plan.dialect.Ranks)
		}
		s.inherit(id, text)
	}
	text.labels = nil // They have said all they had to say, and are most of what a series weighs.
}

// inherit what a counter's series had counted before one of its noisy labels changed: the series that had the same other
// labels, was on the page before this one and is not on it.
func (s *server) inherit(id int, text *series) {
	c := &s.cells[id]
	noise := s.plan.dialect.Noise
	if len(noise) == 0 || !c.taps[0].counter {
		return
	}
	key := s.kin.key(text, noise)
	if len(s.kin.ids) > 2*len(s.cells) {
		s.kin.forget(s.cells)
	}
	last, found := s.kin.ids[key]
	s.kin.ids[key] = relative{int32(id), c.born}
	if !found || !s.now.follows || int(last.id) == id {
		return
	}
	before := &s.cells[last.id]
	if before.born == last.born && before.known && s.scanner.seen[last.id] == s.now.number-1 {
		c.last, c.known = before.last, true
	}
}

// tap binds the series to what one rule says it feeds.
func (s *server) tap(c *cell, text *series, r *rule) {
	if r.series.Label != "" {
		if v, _ := text.label(r.series.Label); v != r.series.Value {
			return
		}
	}
	name, named := text.label(s.plan.dialect.Model...)
	candidate := s.plan.dialect.Readings[r.measure][r.candidate]
	if r.role == roleOutcome {
		o := candidate.Outcomes[r.part]
		as := o.as(text)
		if answerOf(as) != 0 || !named && o.answers() {
			if !slices.ContainsFunc(c.taps, func(t tap) bool { return t.sum == nil }) {
				s.answers.tells(&o)
				c.taps = append(c.taps, tap{counter: true, scale: 1, answer: answerOf(as)})
			}
			return
		}
	}
	m := c.model
	if m == nil {
		m = s.model(s.bounded(name))
	}
	slot := m.slot(r, candidate)
	t := tap{counter: r.counter, scale: r.scale}
	switch r.role {
	case rolePart:
		t.sum = s.plan.once(&slot.parts[r.part], text, r.counter)
	case roleBucket:
		le, ok := text.label("le")
		upper, err := strconv.ParseFloat(le, 64)
		if !ok || err != nil || math.IsNaN(upper) || len(slot.buckets) >= maxBuckets {
			return
		}
		t.sum, t.scale = s.plan.once(&slot.bucket(upper*r.scale).sum, text, true), 1
	case roleOutcome:
		t.present = &slot.present
		t.sum = &sum{}
		if as := candidate.Outcomes[r.part].as(text); as != Ignored {
			t.sum = s.plan.once(slot.outcome(as), text, true)
		}
	}
	c.model = m
	c.taps = append(c.taps, t)
}

// once returns the sum that a series feeds where others say the same as it does: see Dialect.Copies.
func (p *plan) once(s *sum, text *series, counter bool) *sum {
	copied := func(name string) bool {
		return name == "pid" && !counter || slices.Contains(p.dialect.Copies, name)
	}
	if !slices.ContainsFunc(text.labels, func(l label) bool { return copied(l.name) }) {
		return s
	}
	return s.twin(text.without(copied))
}

// bounded returns the name under which a model goes, which a foreign page cannot make too many or too long.
func (s *server) bounded(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	if _, ok := s.models[name]; !ok && len(s.models) >= maxModels {
		if len(s.merged) < maxSeries {
			s.merged[maphash.String(s.seed, name)] = struct{}{}
		}
		return otherModels
	}
	return name
}

// rank returns the newest page that had the series' rank, nil where the series speaks of all ranks.
func (m *model) rank(text *series, labels []string) *uint32 {
	var key strings.Builder
	ranked := false
	for _, l := range labels {
		v, _ := text.label(l)
		ranked = ranked || v != ""
		key.WriteString(v)
		key.WriteByte(0)
	}
	if !ranked {
		return nil
	}
	r, ok := m.ranks[key.String()]
	if !ok {
		r = new(uint32)
		m.ranks[key.String()] = r
	}
	return r
}

// as returns the outcome that a series counts.
func (o *Outcomes) as(text *series) string {
	if o.Label != "" {
		if v, ok := text.label(o.Label); ok {
			if as, ok := o.By[v]; ok {
				return as
			}
		}
	}
	return o.Otherwise
}

// answers says whether the outcomes are the HTTP server's.
func (o *Outcomes) answers() bool {
	for _, as := range o.By {
		if answerOf(as) != 0 {
			return true
		}
	}
	return answerOf(o.Otherwise) != 0
}
