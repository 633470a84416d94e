package ledger

import (
	"cmp"
	"slices"
	"time"

	"gpusignal/node"
)

// holder is a container that claims a device, by how much.
type holder struct {
	container node.ContainerID
	weight    int
}

// hold makes the open accounts those of the holders.
func (d *device) hold(at time.Time, holders []holder, window time.Duration) {
	holders = d.resolve(holders)
	attribution := node.Exclusive
	if len(holders) > 1 {
		attribution = d.way
	}
	if d.heldBy(holders, attribution) {
		return
	}
	open := make([]*account, 0, len(holders))
	for _, h := range holders {
		a := d.take(at, h.container, attribution, window)
		a.weight, a.carry = h.weight, amounts{}
		open = append(open, a)
	}
	for _, a := range d.open { // What was not taken is closed.
		a.close(at)
		d.kept = append(d.kept, a)
	}
	d.open, d.changed = open, at
}

// heldBy says that the open accounts are those of the holders already. Both are in the same order.
func (d *device) heldBy(holders []holder, how node.Attribution) bool {
	return slices.EqualFunc(d.open, holders, func(a *account, h holder) bool {
		return a.container == h.container && a.weight == h.weight && a.attribution == how
	})
}

// take returns the container's account: the open one, else that of a guest or one that was closed and is still published, else a new
// one.
func (d *device) take(at time.Time, c node.ContainerID, how node.Attribution, window time.Duration) *account {
	same := func(a *account) bool { return a.container == c && a.attribution == how }
	if i := slices.IndexFunc(d.open, same); i >= 0 {
		a := d.open[i]
		d.open = slices.Delete(d.open, i, i+1)
		return a
	}
	if i := slices.IndexFunc(d.guests, same); i >= 0 {
		a := d.guests[i]
		d.guests = slices.Delete(d.guests, i, i+1)
		return a
	}
	if i := slices.IndexFunc(d.kept, same); i >= 0 {
		a := d.kept[i]
		d.kept = slices.Delete(d.kept, i, i+1)
		a.open(at, window)
		return a
	}
	a := &account{container: c, device: d.total.Device, attribution: how, opened: at}
	a.open(at, window)
	return a
}

// resolve joins holders with the UIDs that the open accounts know, and adds up those of one container. It gives accounts
// that were opened without a UID the UID that their claim has now. The result is ordered.
func (d *device) resolve(holders []holder) []holder {
	for i := range holders {
		d.identify(&holders[i].container, holders)
	}
	slices.SortFunc(holders, func(a, b holder) int { return compareContainers(a.container, b.container) })
	out := holders[:0]
	for _, h := range holders {
		if n := len(out); n > 0 && out[n-1].container == h.container {
			out[n-1].weight += h.weight
			continue
		}
		out = append(out, h)
	}
	return out
}

// identify brings a holder and the accounts of its names under one UID where one of them has none.
func (d *device) identify(c *node.ContainerID, holders []holder) {
	if d.holds(*c) {
		return
	}
	for _, a := range d.open {
		switch {
		case !sameNames(a.container, *c):
		case c.Pod.UID == "":
			*c = a.container
			return
		case a.container.Pod.UID == "" && !claimed(a.container, holders):
			d.rename(a.container, *c)
			return
		}
	}
}

// rename gives the accounts of a container that had no UID its UID.
func (d *device) rename(from, to node.ContainerID) {
	for _, accounts := range d.lists() {
		for _, a := range accounts {
			if a.container == from {
				a.container = to
			}
		}
	}
}

func claimed(c node.ContainerID, holders []holder) bool {
	return slices.ContainsFunc(holders, func(h holder) bool { return h.container == c })
}

func compareContainers(a, b node.ContainerID) int {
	if c := cmp.Compare(a.Pod.Namespace, b.Pod.Namespace); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Pod.Name, b.Pod.Name); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return cmp.Compare(a.Pod.UID, b.Pod.UID)
}
