package main

import "time"

// series of one reading: when each read came back, since the first, and what it said.
type series struct {
	at     []time.Duration
	values []float64
}

func (s *series) add(at time.Duration, value float64) {
	s.at, s.values = append(s.at, at), append(s.values, value)
}

// renewal says how often a reading changed. The time before the first change and after the last tells nothing.
func renewal(s series) Reading {
	r := Reading{Reads: len(s.values)}
	if r.Reads == 0 {
		return r
	}
	distinct := map[float64]bool{}
	var every, renewed []float64
	var last time.Duration
	r.Least, r.Most = s.values[0], s.values[0]
	for i, v := range s.values {
		distinct[v] = true
		r.Least, r.Most = min(r.Least, v), max(r.Most, v)
		if i == 0 {
			continue
		}
		every = append(every, millis(s.at[i]-s.at[i-1]))
		if v == s.values[i-1] {
			continue
		}
		if r.Changes > 0 {
			renewed = append(renewed, millis(s.at[i]-last))
		}
		r.Changes++
		last = s.at[i]
	}
	r.Distinct, r.Every, r.Renewed = len(distinct), spread(every), spread(renewed)
	return r
}
