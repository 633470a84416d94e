package window

import "time"

// Peak keeps the greatest level of a window, as Gauge does, at a cost that does not grow with the number of values.
type Peak struct {
	span  time.Duration
	clock clock
	// began is the start of the history, and newest the end of the newest value.
	began, newest time.Duration
	// steps are those that are still to be the greatest: later ones are lower.
	steps ring[step]
}

// NewPeak returns a peak over the given span.
func NewPeak(span time.Duration) *Peak { return &Peak{span: span} }

// Add says that the level was value from from to to. Intervals come in order; an empty or reversed one is ignored, and
// so is a value that is no number.
func (p *Peak) Add(from, to time.Time, value float64) {
	if value-value != 0 { // NaN or infinite.
		return
	}
	s := step{p.clock.offset(from), p.clock.offset(to), value}
	if s.to <= s.from {
		return
	}
	edge := s.to - p.span
	if p.steps.count == 0 || s.from-p.newest >= p.span {
		p.began = s.from
	}
	p.newest = s.to
	for p.steps.len() > 0 && p.steps.at(0).to <= edge {
		p.steps.drop()
	}
	for p.steps.len() > 0 && p.steps.at(p.steps.len()-1).value <= value {
		p.steps.pop()
	}
	p.steps.push(s)
}

// Peak returns the greatest value of the span that ends at the newest. It is false before the history reaches back a
// whole span.
func (p *Peak) Peak() (value float64, full bool) {
	if p.steps.len() == 0 {
		return 0, false
	}
	return p.steps.at(0).value, p.began <= p.newest-p.span
}
