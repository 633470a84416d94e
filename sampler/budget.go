package sampler

import (
	"sync"
	"time"

	"gpusignal/node"
)

const (
	// driverShare is the share of wall time above which the calls for one board are put off.
	driverShare = 0.005
	// budgetSlots of a second each are what the share is told over.
	budgetSlots = 10
	// most is how much less often live readings are taken at most; slowest is the longest that slow ones are put off: a ring
	// holds 10 s (ctrl2080perf.h), and a booking that comes later than this comes late for whom it is made.
	most    = 16
	slowest = 4 * time.Second
)

// budget keeps the time that the calls of a board take, and puts readings off when it is too much: by twice as long, and
// twice again, whichever of live and slow readings takes more of it. What the board is listed by counts too, though nothing puts
// it off; where it takes nearly all of the time, nothing is gained by reading less often, and that is not done. Below half of what it may take it returns, the slow ones
// first: pods are booked by them. It is an aim and not a bound: readings are put off so far and no further, slow ones to slowest
// at most, so the share of a driver that takes long for them stays above driverShare, and is told as it is.
type budget struct {
	limit int // of the slow factor

	mu    sync.Mutex
	began time.Time
	slot  int64 // seconds since began
	slots [budgetSlots + 1]spent
	// live and slow are the factors, and changed the slot in which one last changed.
	live, slow int
	changed    int64
	share      node.Opt[float64]
}

func newBudget(slow time.Duration) *budget {
	b := &budget{live: 1, slow: 1, limit: 1}
	for slow*time.Duration(2*b.limit) <= slowest {
		b.limit *= 2
	}
	return b
}

// spend puts time down to the second of an instant, and says whether the factors changed: once a second they may.
func (b *budget) spend(at time.Time, s spent) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.began.IsZero() {
		b.began = at
	}
	if slot := int64(at.Sub(b.began) / time.Second); slot > b.slot {
		// A call that took longer than a second took the seconds before this one.
		changed = b.turn(slot)
	}
	b.slots[b.slot%int64(len(b.slots))].add(s)
	return changed
}

// turn begins a slot, works out the share of the whole ones before it, and decides.
func (b *budget) turn(slot int64) bool {
	for b.slot < slot {
		b.slot++
		b.slots[b.slot%int64(len(b.slots))] = spent{}
		if slot-b.slot > int64(len(b.slots)) {
			b.slot = slot - int64(len(b.slots))
		}
	}
	if b.slot < budgetSlots {
		return false
	}
	var sum spent
	for _, s := range b.slots {
		sum.add(s)
	}
	share := float64(sum.all()) / float64(budgetSlots*time.Second)
	b.share = node.Some(min(share, 1))
	if b.slot-b.changed <= budgetSlots {
		return false // Of the time before the change.
	}
	if !b.decide(share, sum) {
		return false
	}
	b.changed = b.slot
	return true
}

// decide changes a factor, and says whether it did. What takes less than a tenth of the time is not worth putting off.
func (b *budget) decide(share float64, sum spent) bool {
	live, slow := b.live, b.slow
	mayLive := live < most && 10*sum.live > sum.all()
	maySlow := slow < b.limit && 10*sum.slow > sum.all()
	switch {
	case share > driverShare && maySlow && (sum.slow > sum.live || !mayLive):
		slow *= 2
	case share > driverShare && mayLive:
		live *= 2
	case share < driverShare/2 && slow > 1:
		slow /= 2
	case share < driverShare/2 && live > 1:
		live /= 2
	}
	changed := live != b.live || slow != b.slow
	b.live, b.slow = live, slow
	return changed
}

// pace returns the factors.
func (b *budget) pace() (live, slow int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.live, b.slow
}

// told returns the share of wall time that calls took lately, and the factor by which the board is read less often.
func (b *budget) told() (share node.Opt[float64], slowed float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.share, float64(max(b.live, b.slow))
}
