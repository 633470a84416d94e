// Package ledger keeps the counters of use: what each device did, and which container it did it for. Every interval is
// booked once, in whole nanoseconds and microjoules, to the device's total and to its owners in the same step, so that
// the total of a device is at every instant, exactly, the sum of its accounts, open and closed, and of what nobody owned.
package ledger

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"gpusignal/node"
)

// Config of a ledger.
type Config struct {
	// Window is the span of the accounts' gauges.
	Window time.Duration
	// Keep is how long a closed account stays published.
	Keep time.Duration
	// Processes says that the use of shared devices is expected to be told by processes.
	Processes bool
}

// Ledger books use to accounts. It is safe for concurrent use.
type Ledger struct {
	cfg Config

	mu      sync.Mutex
	devices map[node.DeviceID]*device
	order   []*device // by id
}

// New returns an empty ledger.
func New(cfg Config) *Ledger {
	return &Ledger{cfg: cfg, devices: make(map[node.DeviceID]*device)}
}

// Book enters one interval of a device's use: in the device's total, and in the accounts of the containers whose processes it tells
// of, else of those that claim the device now, or as unowned where there are none.
func (l *Ledger) Book(use node.Use) {
	l.mu.Lock()
	defer l.mu.Unlock()

	d := l.device(use.Device)
	d.expire(use.To, l.cfg.Keep)
	d.book(use, l.cfg.Window)
}

// SetClaims replaces the claims of the whole node by those that stand at the instant at. It opens an account for each
// container and device that has none, and closes those whose claim is gone. A claim without a UID continues the open
// account of its names, and a claim that learns its UID goes on with the account that it had without.
func (l *Ledger) SetClaims(at time.Time, claims []node.Claim) {
	held := make(map[node.DeviceID][]holder)
	for _, c := range claims {
		held[c.Device] = append(held[c.Device], holder{c.Container, max(1, c.Weight)})
	}

	l.mu.Lock()
	defer l.mu.Unlock()

	for id := range held {
		l.device(id)
	}
	for _, d := range l.order {
		d.expire(at, l.cfg.Keep)
		d.hold(at, held[d.total.Device], l.cfg.Window)
	}
}

// Guests counts the containers that were seen, in two intervals or more, to use a device that they have no claim on.
func (l *Ledger) Guests() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()

	var n uint64
	for _, d := range l.order {
		n += d.strangers
	}
	return n
}

// Shared says that containers other than one alone claim the device.
func (l *Ledger) Shared(id node.DeviceID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	d, ok := l.devices[id]
	return ok && len(d.open) > 1
}

// Use returns, at one instant, so that they add up, the totals of every device that was ever booked, ordered by its id, and
// the accounts that are published: open ones and those closed for less than Keep, ordered by namespace, pod, container,
// device, attribution and opening.
func (l *Ledger) Use(at time.Time) ([]node.Total, []node.Account) {
	l.mu.Lock()
	defer l.mu.Unlock()

	n := 0
	for _, d := range l.order {
		d.expire(at, l.cfg.Keep)
		n += len(d.open) + len(d.guests) + len(d.kept)
	}
	totals := make([]node.Total, 0, len(l.order))
	accounts := make([]node.Account, 0, n)
	for _, d := range l.order {
		if !d.total.Booked.IsZero() {
			totals = append(totals, d.total)
		}
		for _, list := range d.lists() {
			for _, a := range list {
				accounts = append(accounts, a.publish())
			}
		}
	}
	slices.SortFunc(accounts, compareAccounts)
	return totals, accounts
}

// device returns the device's books, and opens them at first sight.
func (l *Ledger) device(id node.DeviceID) *device {
	d, ok := l.devices[id]
	if !ok {
		d = &device{total: node.Total{Device: id}, way: node.Split}
		if l.cfg.Processes {
			d.way = node.ByProcess
		}
		l.devices[id] = d
		at, _ := slices.BinarySearchFunc(l.order, id, func(d *device, id node.DeviceID) int {
			return cmp.Compare(d.total.Device, id)
		})
		l.order = slices.Insert(l.order, at, d)
	}
	return d
}

func compareAccounts(a, b node.Account) int {
	if c := cmp.Compare(a.Container.Pod.Namespace, b.Container.Pod.Namespace); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Container.Pod.Name, b.Container.Pod.Name); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Container.Name, b.Container.Name); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Device, b.Device); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Attribution, b.Attribution); c != 0 {
		return c
	}
	if c := a.Opened.Compare(b.Opened); c != 0 {
		return c
	}
	return cmp.Compare(a.Container.Pod.UID, b.Container.Pod.UID)
}
