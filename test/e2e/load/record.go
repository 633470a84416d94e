package load

import "time"

// record is a request that has ended: when it was sent and when all of its answer was there, by the client's clock.
type record struct {
	target     string
	start, end time.Time
	err        error // nil for an answer with status 200
}

// Stats sums up requests that have ended.
type Stats struct {
	// Requests counts all, and Failed those among them that got another status than 200, or no answer.
	Requests, Failed int
	// MeanWait and MaxWait are of the requests that did not fail; 0 if there is none. A wait is the time from sending to
	// the end of the answer, less the compute time asked for: the time in the server's queue, and on the way.
	MeanWait, MaxWait time.Duration
	// Err is the first failure.
	Err error
}

// Between sums up the requests to a target, or to all for "", that ended in (from, to].
func (l *Load) Between(target string, from, to time.Time) Stats {
	l.mu.Lock()
	records := l.records // only ever appended to
	l.mu.Unlock()
	var s Stats
	var sum time.Duration
	for _, r := range records {
		if target != "" && r.target != target || !r.end.After(from) || r.end.After(to) {
			continue
		}
		s.Requests++
		if r.err != nil {
			if s.Failed++; s.Failed == 1 {
				s.Err = r.err
			}
			continue
		}
		wait := r.end.Sub(r.start) - l.cfg.Service
		sum += wait
		if s.Requests-s.Failed == 1 || wait > s.MaxWait {
			s.MaxWait = wait
		}
	}
	if answered := s.Requests - s.Failed; answered > 0 {
		s.MeanWait = sum / time.Duration(answered)
	}
	return s
}
