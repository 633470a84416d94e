package engine

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxModels bounds how many models of one server are told apart; the rest are one, named otherModels.
const (
	maxModels   = 500
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
	if c.model == nil || len(c.taps) == 0 {
		return
	}
	if len(s.plan.dialect.Ranks) > 0 {
		c.rank = c.model.rank(text, s.plan.dialect.Ranks)
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
		if as == Answered5xx || !named && o.answers() {
			if !slices.ContainsFunc(c.taps, func(t tap) bool { return t.sum == nil }) {
				c.taps = append(c.taps, tap{counter: true, scale: scaleOf(as)})
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
		t.sum = &slot.parts[r.part]
		if _, ok := text.label("pid"); ok && !r.counter {
			t.sum = t.sum.twin(text.without("pid"))
		}
	case roleBucket:
		le, ok := text.label("le")
		upper, err := strconv.ParseFloat(le, 64)
		if !ok || err != nil || math.IsNaN(upper) || len(slot.buckets) >= maxBuckets {
			return
		}
		t.sum, t.scale = &slot.bucket(upper*r.scale).sum, 1
	case roleOutcome:
		t.present = &slot.present
		t.sum = &sum{}
		if as := candidate.Outcomes[r.part].as(text); as != Ignored {
			t.sum = slot.outcome(as)
		}
	}
	c.model = m
	c.taps = append(c.taps, t)
}

// scaleOf an answer of the HTTP server: one 5xx counts one, others none.
func scaleOf(as string) float64 {
	if as == Answered5xx {
		return 1
	}
	return 0
}

// bounded returns the name under which a model goes, which a foreign page cannot make too many or too long.
func (s *server) bounded(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	if _, ok := s.models[name]; !ok && len(s.models) >= maxModels {
		return otherModels
	}
	return name
}

// rank returns the newest page that had the series' rank.
func (m *model) rank(text *series, labels []string) *uint32 {
	var key strings.Builder
	for _, l := range labels {
		v, _ := text.label(l)
		key.WriteString(v)
		key.WriteByte(0)
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
		if as == Answered5xx {
			return true
		}
	}
	return false
}
