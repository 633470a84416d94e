package ledger

import (
	"slices"
	"time"

	"gpusignal/node"
)

// whole is a share of 1 in integers, which add up without rounding.
const whole = 1 << 30

// ran is how much of an interval an account's processes ran in, in parts of whole.
type ran struct {
	*account
	part int64
}

// byProcess shares an interval out by the processes that ran in it. Busy time and energy go to the containers whose processes they
// are, whether they claim the device or not: what is observed beats what was claimed. What ran in no pod, or whose it was is not
// known, is unowned, and so is an interval in which nothing ran. The observed time is the holders', by their claims.
func (d *device) byProcess(n amounts, use node.Use, window time.Duration) {
	var all []ran
	var sum, stray int64
	for _, p := range use.By.Value {
		part := int64(min(max(p.Share, 0), 1) * whole)
		sum += part
		switch {
		case !p.Known || p.Container == node.ContainerID{}:
			stray += part
		case part > 0:
			a := d.seen(p.Container, use.To, window)
			if i := slices.IndexFunc(all, func(r ran) bool { return r.account == a }); i >= 0 {
				all[i].part += part
			} else {
				all = append(all, ran{a, part})
			}
		}
	}
	d.dismiss(use.To, all)
	d.give(busy, n[busy], all, stray, sum)
	d.give(energy, n[energy], all, stray, sum)
	if len(d.open) == 0 {
		d.total.UnownedObserved += time.Duration(n[observed])
	} else {
		split(amounts{observed: n[observed]}, d.open)
	}
	d.settle(n, use, all, sum)
}

// give shares one amount out. What rounding down leaves over, a few units, goes to who ran most.
func (d *device) give(k int, amount int64, all []ran, stray, sum int64) {
	unowned, most := amount, -1
	if sum > 0 {
		unowned, _ = share(amount, stray, sum)
		left := amount - unowned
		for i, r := range all {
			part, _ := share(amount, r.part, sum)
			r.amounts[k] += part
			left -= part
			if most < 0 || r.part > all[most].part {
				most = i
			}
		}
		if most < 0 || stray > all[most].part {
			unowned += left
		} else {
			all[most].amounts[k] += left
		}
	}
	switch k {
	case busy:
		d.total.UnownedBusy += time.Duration(unowned)
	case energy:
		d.total.UnownedEnergy += unowned
	}
}

// settle brings windows and memory of the open accounts up to the end of an interval.
func (d *device) settle(n amounts, use node.Use, all []ran, sum int64) {
	for _, r := range all {
		r.booked = use.To
	}
	for _, a := range slices.Concat(d.open, d.guests) {
		a.booked = use.To
		if a.attribution != node.ByProcess {
			continue
		}
		var part int64
		if i := slices.IndexFunc(all, func(r ran) bool { return r.account == a }); i >= 0 {
			part, _ = share(n[busy], all[i].part, sum)
		}
		// A reading of processes is of the whole interval: there is no greater one in it.
		a.gauge(part, n[observed], use.To, node.Some(float64(part)/float64(max(n[observed], 1))))
	}
	d.remember(use.By)
}

// seen returns the account, by process, of a container that was seen to use the device. One that has none gets one: as a holder's
// that is closed already, when its claim is told in another way by now, else as a guest's.
func (d *device) seen(c node.ContainerID, at time.Time, window time.Duration) *account {
	same := func(a *account) bool {
		return a.attribution == node.ByProcess && (a.container == c || a.container.Pod.UID == "" && sameNames(a.container, c))
	}
	for _, accounts := range [...][]*account{d.open, d.guests} {
		if i := slices.IndexFunc(accounts, same); i >= 0 {
			return accounts[i]
		}
	}
	i := slices.IndexFunc(d.kept, same)
	if d.holds(c) {
		if i < 0 {
			i = len(d.kept)
			d.kept = append(d.kept, &account{container: c, device: d.total.Device, attribution: node.ByProcess, opened: at, closed: at, left: at})
		}
		return d.kept[i]
	}
	guest := &account{container: c, device: d.total.Device, attribution: node.ByProcess, opened: at}
	if i >= 0 {
		guest = d.kept[i]
		d.kept = slices.Delete(d.kept, i, i+1)
	}
	guest.open(at, window)
	d.guests = append(d.guests, guest)
	return guest
}

// dismiss closes the accounts of guests that did not run, and counts those that stay: one that is gone with the next interval was
// between its claim and its end.
func (d *device) dismiss(at time.Time, all []ran) {
	d.guests = slices.DeleteFunc(d.guests, func(a *account) bool {
		if slices.ContainsFunc(all, func(r ran) bool { return r.account == a }) {
			if a.stayed++; a.stayed == 2 {
				d.strangers++
			}
			return false
		}
		a.close(at)
		d.kept = append(d.kept, a)
		return true
	})
}

// remember the memory that the processes of each container hold, where that is known of all of them. A driver that tells of none
// tells nothing.
func (d *device) remember(by node.Opt[[]node.Process]) {
	known, told := by.Known, len(by.Value) == 0
	for _, p := range by.Value {
		told = told || p.Memory > 0
		known = known && (p.Known || p.Memory == 0)
	}
	for _, a := range slices.Concat(d.open, d.guests) {
		if a.attribution == node.Exclusive {
			continue
		}
		a.memory = node.Opt[uint64]{Known: known && told}
		for _, p := range by.Value {
			if a.memory.Known && p.Container == a.container {
				a.memory.Value += p.Memory
			}
		}
	}
}
