package main

import "time"

// A span of time.
type span struct{ from, to time.Time }

// within is how much of some spans, which do not overlap, lies in another.
func within(spans []span, in span) time.Duration {
	var sum time.Duration
	for _, s := range spans {
		from, to := s.from, s.to
		if from.Before(in.from) {
			from = in.from
		}
		if to.After(in.to) {
			to = in.to
		}
		sum += max(to.Sub(from), 0)
	}
	return sum
}
