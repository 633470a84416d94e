package engine

import "strings"

// role is what a sample is to a candidate.
type role uint8

const (
	rolePart role = iota
	roleBucket
	roleOutcome
)

// rule says what the samples of one name feed.
type rule struct {
	measure   Measure
	candidate int
	role      role
	// part is the index into the candidate's parts, or into its Outcomes.
	part    int
	series  Series
	counter bool
	scale   float64
}

// plan is a dialect made ready: what each sample name feeds.
type plan struct {
	dialect Dialect
	names   map[string]int32
	rules   [][]rule
	// start is the index of processStart, -1 where it is none of the server's.
	start int32
}

func newPlan(d Dialect) *plan {
	p := &plan{dialect: d, names: make(map[string]int32)}
	if p.start = -1; !d.NoStart {
		p.start = p.name(processStart)
	}
	for m := range measures {
		for i, c := range d.Readings[m] {
			p.candidate(m, i, c)
		}
	}
	return p
}

// name returns the index of a sample name.
func (p *plan) name(name string) int32 {
	index, ok := p.names[name]
	if !ok {
		index = int32(len(p.rules))
		p.names[name] = index
		p.rules = append(p.rules, nil)
	}
	return index
}

func (p *plan) add(name string, r rule) {
	index := p.name(name)
	p.rules[index] = append(p.rules[index], r)
}

func (p *plan) candidate(m Measure, index int, c Candidate) {
	scale := c.Scale
	if scale == 0 {
		scale = 1
	}
	base := rule{measure: m, candidate: index, scale: scale}
	switch c.Kind {
	case Histogram:
		for part, suffix := range [...]string{"_sum", "_count"} {
			r := base
			r.series, r.part, r.counter = c.Of[0], part, true
			if part == 1 {
				r.scale = 1
			}
			p.add(c.Of[0].Name+suffix, r)
		}
		// Triton's documentation shows buckets without the suffix.
		for _, suffix := range [...]string{"_bucket", ""} {
			r := base
			r.series, r.role, r.counter = c.Of[0], roleBucket, true
			p.add(c.Of[0].Name+suffix, r)
		}
	case Outcome:
		for part, o := range c.Outcomes {
			r := base
			r.series, r.role, r.part, r.counter = o.Of, roleOutcome, part, true
			p.add(o.Of.Name, r)
		}
	case Gauge, Counter, Quotient, Ratio, Little:
		for part, s := range c.Of {
			r := base
			r.series, r.part = s, part
			r.counter = c.Kind != Gauge && c.Kind != Ratio
			if c.Kind == Quotient && part == 1 {
				r.scale = 1
			}
			p.add(s.Name, r)
		}
	}
}

// label returns the first of the labels' values that the series has.
func (s *series) label(names ...string) (string, bool) {
	for _, name := range names {
		for _, l := range s.labels {
			if l.name == name {
				return l.value, true
			}
		}
	}
	return "", false
}

// without returns the labels but some, as a key.
func (s *series) without(these func(name string) bool) string {
	var b strings.Builder
	for _, l := range s.labels {
		if !these(l.name) {
			b.WriteString(l.name)
			b.WriteByte('=')
			b.WriteString(l.value)
			b.WriteByte(0)
		}
	}
	return b.String()
}
