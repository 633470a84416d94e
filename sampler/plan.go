package sampler

import (
	"time"

	"gpusignal/node"
)

// How often what is not read at every tick is read: no driver renews utilisation more often, no counter of status moves
// faster than people look, and processes cost milliseconds.
const (
	utilizationInterval = 100 * time.Millisecond
	statusInterval      = 10 * time.Second
	processInterval     = 5 * time.Second
)

// plan says what the devices of a board are asked for at each tick. It belongs to the board's goroutine.
type plan struct {
	interval, slow time.Duration
	// live and late are the factors by which live and slow readings are put off.
	live, late int

	memory, utilization, counters, status, processes every
}

// ask is what is due at a tick, and how long what it brings stands.
type ask struct {
	want node.Want
	// slow says that an interval of use ends here; shared, that it waits for processes to tell whose it is.
	slow, shared bool
	// live is the time between two live readings, and gap the longest for which the later one stands; wait is how long a ring
	// that told is waited for; grace is how long a number lives without a successor, where it is not of status or of processes.
	live, gap, wait, grace, statusGrace, processGrace time.Duration
}

func newPlan(interval, slow time.Duration) plan {
	p := plan{interval: interval, slow: slow}
	p.pace(1, 1)
	return p
}

// pace puts readings off by factors: live ones, of memory and utilisation, and slow ones, of all else. What is read slowly is
// counted by the driver meanwhile, so later is not less; status and processes are put off by twice their time at most.
func (p *plan) pace(live, late int) {
	p.live, p.late = live, late
	p.memory.period = p.interval * time.Duration(live)
	p.utilization.period = max(p.memory.period, utilizationInterval)
	p.counters.period = p.slow * time.Duration(late)
	p.status.period = max(p.counters.period, statusInterval*time.Duration(min(late, 2)))
	p.processes.period = max(p.counters.period, processInterval*time.Duration(min(late, 2)))
}

// due says what is due at a tick.
func (p *plan) due(at time.Time) ask {
	slack := p.interval / 2
	a := ask{
		live:  p.utilization.period,
		gap:   max(time.Second, 3*p.utilization.period),
		wait:  max(longestStep, p.counters.period) * 3 / 2,
		grace: graceOf(max(p.counters.period, p.memory.period, p.utilization.period)),

		statusGrace: graceOf(p.status.period), processGrace: graceOf(p.processes.period),
	}
	if p.memory.due(at, slack) {
		a.want |= node.WantMemory
	}
	if p.utilization.due(at, slack) {
		a.want |= node.WantUtilization
	}
	if a.slow = p.counters.due(at, slack); !a.slow {
		return a
	}
	a.want |= node.WantRing | node.WantCounters | node.WantActivity
	if p.status.due(at, slack) {
		a.want |= node.WantStatus
	}
	// Only in a tick that reads the ring: the shares of processes are of the same time.
	if p.processes.due(at, slack) {
		a.want |= node.WantProcesses
	}
	return a
}

// graceOf is how long a number that is read once a period lives without a successor: three periods, at least 5 s.
func graceOf(period time.Duration) time.Duration { return max(3*period, 5*time.Second) }

// every is a clock that is due once a period. Its grid stands still however late it is asked.
type every struct {
	period time.Duration
	next   time.Time
}

// due says that the next instant of the grid has come, or comes within the slack.
func (e *every) due(at time.Time, slack time.Duration) bool {
	if at.Add(slack).Before(e.next) {
		return false
	}
	if e.next.IsZero() {
		e.next = at
	}
	e.next = e.next.Add(e.period)
	if !e.next.After(at) {
		e.next = at.Add(e.period)
	}
	return true
}
