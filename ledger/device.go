package ledger

import (
	"time"

	"gpusignal/node"
)

// straddle is the longest interval that is booked to claims younger than its start. The sampler's intervals are a second;
// after an outage one can span minutes, and who used the device then is not known.
const straddle = 10 * time.Second

// device is the books of one device.
type device struct {
	total node.Total
	// open are the accounts of the claims that stand: one that is exclusive, or several that are split.
	open []*account
	// kept are the closed accounts that are still published.
	kept []*account
	// folded is the use of closed accounts that are published no more.
	folded amounts
	// changed is when the claims of the device last changed.
	changed time.Time
}

// book enters one interval.
func (d *device) book(use node.Use) {
	n := amountsOf(use)
	d.total.Busy += time.Duration(n[busy])
	d.total.Observed += time.Duration(n[observed])
	d.total.Energy += n[energy]
	d.total.EnergyKnown = d.total.EnergyKnown || use.EnergyKnown
	d.total.Booked = use.To
	if use.Divided {
		return
	}
	if len(d.open) == 0 || use.To.Sub(use.From) > straddle && use.From.Before(d.changed) {
		d.total.UnownedBusy += time.Duration(n[busy])
		d.total.UnownedObserved += time.Duration(n[observed])
		d.total.UnownedEnergy += n[energy]
		return
	}
	d.attribute(n, use)
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
	for _, accounts := range [2][]*account{d.open, d.kept} {
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
