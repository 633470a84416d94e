package load

import "time"

// record is a request that has ended: when it arrived, when it was sent, which is at once unless it was held, and when all of its
// answer was there, by the client's clock.
type record struct {
	target           string
	start, sent, end time.Time
	tokens           tokens
	err              error // nil for an answer with status 200
}

// Stats sums up requests that have ended.
type Stats struct {
	// Requests counts all, and Failed those among them that got another status than 200, or no answer.
	Requests, Failed int
	// MeanWait and MaxWait are of the requests that did not fail; 0 if there is none. A wait is the time from the
	// request's arrival to the end of the answer, less the compute time asked for: the time in the load's hands, in the
	// server's queue, and on the way. Of Complete, which asks for no time, it is the whole latency.
	MeanWait, MaxWait time.Duration
	// Err is the first failure.
	Err error
}

// Between sums up the requests to a target, or to all for "", that ended in (from, to].
func (l *Load) Between(target string, from, to time.Time) Stats {
	var s Stats
	var sum time.Duration
	for _, r := range l.ended() {
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
		wait := r.end.Sub(r.start) - l.cfg.Request.service
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

// ended returns the requests that have ended. It is only ever appended to.
func (l *Load) ended() []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records
}
