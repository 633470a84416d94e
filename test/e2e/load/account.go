package load

import "time"

// InHand returns the mean number of requests in hand over (from, to], which has passed: sent to a target and not yet ended, or
// for "" sent to any, or held. Those are left out that were given up, or cancelled at the end of Run.
func (l *Load) InHand(target string, from, to time.Time) float64 {
	var sum time.Duration
	l.mu.Lock()
	records := l.records // only ever appended to
	for c := range l.inHand {
		if since := c.since(target); !since.IsZero() {
			sum += within(since, to, from, to)
		}
	}
	l.mu.Unlock()
	for _, r := range records {
		if since := r.since(target); !since.IsZero() {
			sum += within(since, r.end, from, to)
		}
	}
	if !to.After(from) {
		return 0
	}
	return float64(sum) / float64(to.Sub(from))
}

// Tokens returns how many tokens the requests that were answered took in (from, to]. Those of a request, of the prompt as of
// the answer, are spread evenly over the time from when it was sent to its end: what a server does in which part of that time
// a client does not see.
func (l *Load) Tokens(from, to time.Time) (prompt, generation float64) {
	for _, r := range l.ended() {
		if r.err != nil {
			continue
		}
		// A request that took no time took its tokens at its end.
		share := 0.0
		if all := r.end.Sub(r.sent); all > 0 {
			share = float64(within(r.sent, r.end, from, to)) / float64(all)
		} else if r.end.After(from) && !r.end.After(to) {
			share = 1
		}
		prompt += share * float64(r.tokens.Prompt)
		generation += share * float64(r.tokens.Generation)
	}
	return prompt, generation
}

// Busy returns how long in (from, to] the requests computed that a target, or for "" any, has answered: for each the compute
// time asked for, which it is taken to end with.
func (l *Load) Busy(target string, from, to time.Time) time.Duration {
	var sum time.Duration
	for _, r := range l.ended() {
		if r.err == nil && (target == "" || r.target == target) {
			sum += within(r.end.Add(-l.cfg.Request.service), r.end, from, to)
		}
	}
	return sum
}

// since is when a request came into a target's hands, or for "" into those of the load; zero if it did not.
func (r *record) since(target string) time.Time {
	switch target {
	case "":
		return r.start
	case r.target:
		return r.sent
	default:
		return time.Time{}
	}
}

// within returns how much of the time from a to b is within (from, to].
func within(a, b, from, to time.Time) time.Duration {
	if a.Before(from) {
		a = from
	}
	if b.After(to) {
		b = to
	}
	return max(0, b.Sub(a))
}
