package main

// wallShare is the share of wall time that the rounds take at gpusignal's default intervals: the tick ten times a second, what a
// slow tick has beside it once a second, what a status tick has beside that each ten. It is nil where one of them is not known.
func wallShare(rounds []Round) *float64 {
	means := map[string]float64{}
	for _, r := range rounds {
		if r.Took != nil {
			means[r.Name] = r.Took.Mean / 1e6
		}
	}
	tick, live := means["tick"]
	slow, once := means["slow tick"]
	status, seldom := means["status tick"]
	if !live || !once || !seldom {
		return nil
	}
	share := 10*tick + max(slow-tick, 0) + max(status-slow, 0)/10
	return &share
}
