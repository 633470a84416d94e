package sampler

import (
	"cmp"
	"math"
	"time"

	"gpusignal/node"
)

const (
	// longestStep is the longest period over which a driver averages utilisation (nvml.h, nvmlUtilization_t: between 1 second
	// and 1/6 second), so also the longest distance of samples in its ring.
	longestStep = time.Second
	// longestLag is the most that the newest of what was told is behind the clock: a period, and half of one to be told.
	longestLag = 3 * longestStep / 2
	// lentBookings are as many as a ring can tell of once more: it holds some 16 s.
	lentBookings = 32
)

// portion is a time that was observed, and how much of it was busy.
type portion struct{ busy, observed time.Duration }

// merge makes one account of the two ways in which a driver tells of utilisation. Its ring is lossless, but lags behind the
// clock, and can be empty or unreadable for a while. Live readings are of now, and lose what happens between them. The ring
// counts where it tells, live readings where it does not, and no time counts twice: all that is observed is at most the time
// since the first reading.
type merge struct {
	// settled is the instant up to which time is accounted for: what lies between it and now can still be told.
	settled time.Time
	// live is what live readings tell of the time since the last booking.
	live portion
	// lent is what live readings were booked for since the ring last told: if the ring tells of that time after all, only the
	// difference is new.
	lent loan
	// heard is when the ring last told, and step the distance of its samples.
	heard time.Time
	step  time.Duration
	// lag is the most that the newest of what was told is behind the clock.
	lag time.Duration
	// rest is the part of a nanosecond of busy time that is not yet in live, so that rounding never adds up.
	rest float64
}

// pace sets how far apart live readings are.
func (m *merge) pace(period time.Duration) { m.lag = longestLag + period }

// begin sets where the account starts.
func (m *merge) begin(at time.Time) {
	if m.settled.IsZero() {
		m.settled, m.step, m.lag = at, longestStep, max(m.lag, longestLag)
	}
}

// observe adds a time at a utilisation, by a live reading.
func (m *merge) observe(utilization float64, d time.Duration) {
	exact := utilization*float64(d) + m.rest
	whole := min(math.Floor(exact), float64(d)) // Never busier than observed, however floats round.
	m.rest = exact - whole
	m.live.busy += time.Duration(whole)
	m.live.observed += d
}

// book returns what is new at an instant. A ring that told of late is waited for, because a sample may come with the next
// reading: nothing is new then, and live readings are kept. One that says that no sample is due is waited for twice as long.
func (m *merge) book(at time.Time, ring node.Opt[node.Ring], wait time.Duration) portion {
	if ring.Known && ring.Value.Covered > 0 {
		return m.byRing(at, ring.Value)
	}
	if ring.Known {
		wait *= 2
	}
	if !m.heard.IsZero() && at.Sub(m.heard) <= wait {
		return portion{}
	}
	return m.byLive(at)
}

// byLive books the live readings.
func (m *merge) byLive(at time.Time) portion {
	p := m.live.within(at.Sub(m.settled))
	m.live = portion{}
	m.lent.add(p)
	m.settle(at, p)
	return p
}

// byRing books what the ring gained.
func (m *merge) byRing(at time.Time, r node.Ring) portion {
	if r.Samples > 0 {
		m.step = min(cmp.Or(r.Spacing, r.Covered/time.Duration(r.Samples)), longestStep)
	}
	open := at.Sub(m.settled)
	told := portion{r.Busy, r.Covered}
	fill := m.fill(told, open)
	p := m.news(told, open)
	p.busy, p.observed = p.busy+fill.busy, p.observed+fill.observed
	// The ring's newest sample is older than the live readings that filled a hole: it may yet tell of the same time.
	m.lent, m.live, m.heard = loan{}, portion{}, at
	m.lent.add(fill)
	m.settle(at, p)
	return p
}

// news is the part of what the ring told that was not booked before. When it tells of more time than is open, the oldest of
// it was booked by live readings.
func (m *merge) news(told portion, open time.Duration) portion {
	if again := m.lent.newest(told.observed - open); again.observed > 0 {
		told.busy -= again.busy
		told.observed -= again.observed
	}
	told.busy = min(max(told.busy, 0), told.observed)
	return told.within(open)
}

// fill is what live readings tell of time that is open and of which the ring holds nothing: it was empty for a while, as on
// an idle GPU. The last step stays open: its sample is still to come.
func (m *merge) fill(told portion, open time.Duration) portion {
	more := portion{max(0, m.live.busy-told.busy), m.live.observed - told.observed}
	hole := open - told.observed - m.step
	if hole <= 0 || more.observed <= 0 {
		return portion{}
	}
	more.busy = min(more.busy, more.observed)
	return more.within(hole)
}

// settle moves on by what was booked. Time that is open for longer than the lag will never be told, but for the newest step of
// it.
func (m *merge) settle(at time.Time, p portion) {
	left := at.Sub(m.settled) - p.observed
	if left > m.lag {
		left = m.step
	}
	m.settled = at.Add(-left)
}

// bySpan books what hardware counters tell of the time between two readings of them.
func (m *merge) bySpan(at time.Time, share float64, span time.Duration) portion {
	m.observe(share, span)
	return m.byLive(at)
}

// within cuts a portion down to a limit, evenly.
func (p portion) within(limit time.Duration) portion {
	if p.observed <= limit {
		return p
	}
	limit = max(limit, 0)
	busy := time.Duration(float64(p.busy) * (float64(limit) / float64(p.observed)))
	return portion{min(busy, limit), limit}
}

// loan is the newest bookings of a kind.
type loan struct {
	bookings [lentBookings]portion
	count    int
}

func (l *loan) add(p portion) {
	if p.observed <= 0 {
		return
	}
	l.bookings[l.count%lentBookings] = p
	l.count++
}

// newest returns what the newest bookings are together, up to a limit.
func (l *loan) newest(limit time.Duration) portion {
	var sum portion
	for i := l.count - 1; i >= max(0, l.count-lentBookings) && sum.observed < limit; i-- {
		p := l.bookings[i%lentBookings].within(limit - sum.observed)
		sum = portion{sum.busy + p.busy, sum.observed + p.observed}
	}
	return sum
}
