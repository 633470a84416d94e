package ledger

import (
	"slices"
	"time"

	"gpusignal/node"
)

// straddle is the longest interval that is booked to claims younger than its start. The sampler's intervals are a second;
// after an outage one can span minutes, and who used the device then is not known.
const straddle = 10 * time.Second

// device is the books of one device.
type device struct {
	total node.Total
	// open are the accounts of the claims that stand: one that is exclusive, or several whose use is told in the same way.
	open []*account
	// way is how the use of the device is told while it is shared: by process or split.
	way node.Attribution
	// guests are the accounts of containers whose processes use the device though they do not claim it; strangers counts those that
	// ever stayed.
	guests    []*account
	strangers uint64
	// kept are the closed accounts that are still published.
	kept []*account
	// folded is the use of closed accounts that are published no more.
	folded amounts
	// changed is when the claims of the device last changed.
	changed time.Time
}

// lists are all accounts that are published.
func (d *device) lists() [3][]*account { return [...][]*account{d.open, d.guests, d.kept} }

// book enters one interval.
func (d *device) book(use node.Use, window time.Duration) {
	n := amountsOf(use)
	d.total.Busy += time.Duration(n[busy])
	d.total.Observed += time.Duration(n[observed])
	d.total.Energy += n[energy]
	d.total.EnergyKnown = d.total.EnergyKnown || use.EnergyKnown
	d.total.Booked = use.To
	if use.Divided {
		return
	}
	switch {
	case use.By.Known && use.Shared:
		d.tell(node.ByProcess, use.To, window)
		d.byProcess(n, use, window)
	case len(d.open) == 0 || use.To.Sub(use.From) > straddle && use.From.Before(d.changed):
		d.dismiss(use.To, nil)
		d.unowned(n)
	default:
		d.dismiss(use.To, nil)
		d.tell(node.Split, use.To, window)
		d.attribute(n, use)
	}
}

// unowned books what nobody owns.
func (d *device) unowned(n amounts) {
	d.total.UnownedBusy += time.Duration(n[busy])
	d.total.UnownedObserved += time.Duration(n[observed])
	d.total.UnownedEnergy += n[energy]
}

// tell changes the way in which the use of a shared device is told.
func (d *device) tell(way node.Attribution, at time.Time, window time.Duration) {
	if d.way == way || len(d.open) < 2 {
		return
	}
	d.way = way
	holders := make([]holder, len(d.open))
	for i, a := range d.open {
		holders[i] = holder{a.container, a.weight}
	}
	before := d.open
	d.hold(at, holders, window)
	// What was expected to be told in another way and never was is as if it had not been.
	d.kept = slices.DeleteFunc(d.kept, func(a *account) bool { return a.amounts == (amounts{}) && slices.Contains(before, a) })
}

// attribute shares an interval out among the open accounts. Their sum is the interval, exactly.
func (d *device) attribute(n amounts, use node.Use) {
	for _, a := range d.open {
		a.booked = use.To
	}
	if len(d.open) == 1 {
		d.open[0].own(n, use)
		return
	}
	split(n, d.open)
	d.remember(use.By)
}

// expire folds the closed accounts whose time is over: into another published account of the same labels, so that the
// published counter goes on, else into the device's own sum of what is published no more. An account of a container that
// still has an open one on this device (its attribution changed) stays.
func (d *device) expire(at time.Time, keep time.Duration) {
	for i := 0; i < len(d.kept); {
		a := d.kept[i]
		if d.holds(a.container) && at.After(a.left) {
			a.left = at
		}
		if at.Sub(a.left) < keep {
			i++
			continue
		}
		d.kept = append(d.kept[:i], d.kept[i+1:]...)
		if heir := d.heir(a); heir != nil {
			heir.amounts.add(a.amounts)
		} else {
			d.folded.add(a.amounts)
		}
	}
}

// holds says that the container has an open account.
func (d *device) holds(c node.ContainerID) bool {
	for _, a := range d.open {
		if a.container == c {
			return true
		}
	}
	return false
}

// heir returns a published account of the same labels, an open one first.
func (d *device) heir(dead *account) *account {
	for _, accounts := range d.lists() {
		for _, a := range accounts {
			if a != dead && a.attribution == dead.attribution && sameNames(a.container, dead.container) {
				return a
			}
		}
	}
	return nil
}

// sameNames says that two containers go by the same labels. Labels hold no UID.
func sameNames(a, b node.ContainerID) bool {
	return a.Name == b.Name && a.Pod.Name == b.Pod.Name && a.Pod.Namespace == b.Pod.Namespace
}
