package ledger

import (
	"time"

	"gpusignal/node"
)

// Folded returns the use of a device's closed accounts that are published no more.
func (l *Ledger) Folded(id node.DeviceID) (busyTime, observedTime time.Duration, joules int64) {
	l.mu.Lock()
	defer l.mu.Unlock()

	n := l.devices[id].folded
	return time.Duration(n[busy]), time.Duration(n[observed]), n[energy]
}

// Accounts returns the accounts of Use alone.
func (l *Ledger) Accounts(at time.Time) []node.Account {
	_, accounts := l.Use(at)
	return accounts
}

// Totals returns the totals of Use alone.
func (l *Ledger) Totals(at time.Time) []node.Total {
	totals, _ := l.Use(at)
	return totals
}
