package kubelet

import (
	"slices"
	"time"
)

// grace is how long an allocation outlives its absence from a list that is not to be believed, and how long pods outlive
// their sources.
const grace = 60 * time.Second

// mapping is what the kubelet is believed to have given to whom. A kubelet that has just started answers well and empty,
// or in part, until it has learned its pods anew; so an absence is believed at once only from a kubelet that has been
// answering.
type mapping struct {
	held []holding
	// unsettled is when the kubelet last failed to answer, answered over a new connection or knew no pod at all, zero while it
	// never has.
	unsettled time.Time
}

// holding is an allocation, when a list had it first and when last, and since when lists have lacked it (zero while they
// have it).
type holding struct {
	allocation
	since, confirmed, missing time.Time
}

// fail notes that the kubelet did not answer. What it said before stands.
func (m *mapping) fail(at time.Time) { m.unsettled = at }

// list takes a good answer. While blind, which is when no source of pods is live though one was, nobody can tell that a pod is gone:
// a kubelet that restarts without the API server lists none until it is back. So a doubt does not age meanwhile.
func (m *mapping) list(at time.Time, l listing, blind bool) {
	got := l.allocations
	if (l.anew || l.pods == 0) && len(m.held) > 0 {
		m.unsettled = at
	}
	doubtful := doubtful(m.unsettled, at)
	blind = blind && doubtful
	if blind {
		m.unsettled = at
	}
	next := make([]holding, 0, len(got))
	for _, a := range got {
		since := at
		if i, there := slices.BinarySearchFunc(m.held, a, compareHolding); there {
			since = m.held[i].since
		}
		next = append(next, holding{allocation: a, since: since, confirmed: at})
	}
	for _, h := range m.held {
		if _, there := slices.BinarySearchFunc(got, h.allocation, compareAllocations); there {
			continue
		}
		if h.missing.IsZero() || blind {
			h.missing = at
		}
		if doubtful && at.Sub(h.missing) < grace && !taken(got, h.allocation) {
			next = append(next, h)
		}
	}
	slices.SortFunc(next, func(a, b holding) int { return compareAllocations(a.allocation, b.allocation) })
	m.held = next
}

// doubtful says that the kubelet stopped or restarted so lately that what it does not list may be there all the same.
func doubtful(unsettled, at time.Time) bool { return !unsettled.IsZero() && at.Sub(unsettled) < grace }

// compareHolding orders holdings as allocations are ordered.
func compareHolding(h holding, a allocation) int { return compareAllocations(h.allocation, a) }

// confirmed is when the allocation that was confirmed the longest ago was confirmed; listed, when the newest list came, where
// there is none.
func (m *mapping) confirmed(listed time.Time) time.Time {
	oldest := listed
	for _, h := range m.held {
		if h.confirmed.Before(oldest) {
			oldest = h.confirmed
		}
	}
	return oldest
}

// taken says whether a list gives the same device id to another container.
func taken(got []allocation, a allocation) bool {
	return slices.ContainsFunc(got, func(b allocation) bool {
		return b.resource == a.resource && b.pool == a.pool && b.id == a.id && b.share == a.share
	})
}

// kept counts the allocations that stand though the newest list lacks them.
func (m *mapping) kept() int {
	n := 0
	for _, h := range m.held {
		if !h.missing.IsZero() {
			n++
		}
	}
	return n
}
