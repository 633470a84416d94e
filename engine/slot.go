package engine

import (
	"math"
	"slices"
)

// sum is what one page says of one part of a candidate, over all series that feed it.
type sum struct {
	page  uint32
	value float64
	max   bool
	// twins are series that differ only in the label pid. Several API servers of one engine each report its gauges, all but
	// one of them as 0: the greatest counts.
	twins map[string]*sum
	order []*sum
}

func (s *sum) add(page uint32, v float64) {
	switch {
	case s.page != page:
		s.page, s.value = page, v
	case s.max:
		s.value = max(s.value, v)
	default:
		s.value += v
	}
}

// twin returns the sum of series with the same labels but pid.
func (s *sum) twin(key string) *sum {
	if t, ok := s.twins[key]; ok {
		return t
	}
	if len(s.twins) >= maxTwins {
		return s
	}
	if s.twins == nil {
		s.twins = make(map[string]*sum)
	}
	t := &sum{max: true}
	s.twins[key], s.order = t, append(s.order, t)
	return t
}

// on the page, whether it was there at all.
func (s *sum) on(page uint32) (float64, bool) {
	for _, t := range s.order {
		if t.page == page {
			s.add(page, t.value)
			t.page = 0
		}
	}
	return s.value, s.page == page
}

// slot is one candidate of one measure of one model: what the newest page says of its parts.
type slot struct {
	kind    Kind
	parts   []sum
	buckets []*bucket
	// outcomes by name, and whether any of its series was on a page.
	outcomes map[string]*sum
	present  sum
}

type bucket struct {
	upper float64
	sum   sum
}

// bucket with the given upper bound.
func (s *slot) bucket(upper float64) *bucket {
	i, found := slices.BinarySearchFunc(s.buckets, upper, func(b *bucket, u float64) int {
		switch {
		case b.upper < u:
			return -1
		case b.upper > u:
			return 1
		}
		return 0
	})
	if !found {
		s.buckets = slices.Insert(s.buckets, i, &bucket{upper: upper})
	}
	return s.buckets[i]
}

func (s *slot) outcome(name string) *sum {
	if s.outcomes == nil {
		s.outcomes = make(map[string]*sum)
	}
	o, ok := s.outcomes[name]
	if !ok {
		o = &sum{}
		s.outcomes[name] = o
	}
	return o
}

// on says whether the newest page has the candidate.
func (s *slot) on(page uint32) bool {
	switch s.kind {
	case Outcome:
		return s.present.page == page
	case Gauge, Counter:
		_, ok := s.parts[0].on(page)
		return ok
	case Histogram, Quotient, Ratio, Little:
	}
	for i := range s.parts {
		if _, ok := s.parts[i].on(page); !ok {
			return false
		}
	}
	return true
}

// value of a gauge or counter on the page, over all parts that are there.
func (s *slot) value(page uint32) float64 {
	var total float64
	for i := range s.parts {
		if v, ok := s.parts[i].on(page); ok {
			total += v
		}
	}
	return total
}

// ratio of a Ratio on the page; false where it divides by zero.
func (s *slot) ratio() (float64, bool) {
	v := s.parts[0].value / s.parts[1].value
	return v, usable(v)
}

// greatest is the greatest value that is taken for one: any count of microseconds over a century is below it, and sums of
// such values stay finite.
const greatest = 1e18

// usable says whether a value of a page can be used: not NaN, not infinite, not negative.
func usable(v float64) bool { return v >= 0 && v <= greatest && !math.IsNaN(v) }

// tap is one thing that one series feeds.
type tap struct {
	sum     *sum
	present *sum
	counter bool
	scale   float64
	// answer of the HTTP server that it counts, where sum is nil.
	answer int
}

// cell is what the server's state knows of one series.
type cell struct {
	born  uint32
	model *model
	rank  *uint32
	taps  []tap
	start bool
	// last is the value on the newest page that had it; known says whether there is one.
	last  float64
	known bool
}

// increase of a counter since the page that had it last. A value below the last is a counter that began anew at 0. A
// series that was not there before counts whole when the page before this one was good, for then it began at 0 since; it
// counts nothing on the first page and after pages that could not be read, for then nobody knows how much of it is history.
func (c *cell) increase(v float64, p *page) float64 {
	last, known := c.last, c.known
	c.last, c.known = v, true
	p.fell = p.fell || known && v < last
	switch {
	case p.another:
		return 0
	case p.restarted, known && v < last, !known && p.follows:
		return v
	case !known:
		return 0
	}
	return v - last
}
