package ledger

import (
	"time"

	"gpusignal/node"
	"gpusignal/window"
)

// account is what one container used of one device.
type account struct {
	container   node.ContainerID
	device      node.DeviceID
	attribution node.Attribution
	weight      int

	amounts amounts
	// carry is what rounding owes the account of each amount, in parts of the weights' sum.
	carry amounts

	opened, closed, booked, watched time.Time
	// since is when the claim that stands began: the windows begin there.
	since time.Time
	// left is when the container was last seen with a claim on the device, for a closed account.
	left time.Time
	// stayed counts the intervals that a guest was seen in.
	stayed int

	level  *window.Gauge
	peak   *window.Peak
	memory node.Opt[uint64]
}

// open begins the account's windows anew.
func (a *account) open(at time.Time, span time.Duration) {
	a.since, a.closed, a.stayed = at, time.Time{}, 0
	if a.attribution != node.Split {
		a.level, a.peak = window.NewGauge(span), window.NewPeak(span)
	}
}

// close ends the account's gauges; its counters stay.
func (a *account) close(at time.Time) {
	a.closed, a.left = at, at
	a.level, a.peak, a.memory = nil, nil, node.Opt[uint64]{}
}

// own books an interval of which all is the account's.
func (a *account) own(n amounts, use node.Use) {
	a.amounts.add(n)
	a.memory = use.Memory
	a.gauge(n[busy], n[observed], use.To, use.Peak)
}

// gauge enters the account's part of the device's observed time, and the greatest reading of it, into the windows that it has.
func (a *account) gauge(part, of int64, to time.Time, peak node.Opt[float64]) {
	if of == 0 || a.level == nil {
		return
	}
	a.watched = to
	from := to.Add(-time.Duration(of))
	if from.Before(a.since) {
		from = a.since
	}
	a.level.Add(from, to, float64(part)/float64(of))
	if peak.Known {
		a.peak.Add(from, to, peak.Value)
	}
}

// publish returns the account as others see it.
func (a *account) publish() node.Account {
	out := node.Account{
		Container:   a.container,
		Device:      a.device,
		Attribution: a.attribution,
		Opened:      a.opened,
		Closed:      a.closed,
		Booked:      a.booked,
		Watched:     a.watched,
		Busy:        time.Duration(a.amounts[busy]),
		Observed:    time.Duration(a.amounts[observed]),
		Energy:      a.amounts[energy],
		Memory:      a.memory,
	}
	if a.level != nil {
		if s := a.level.Stats(); s.Full {
			out.Utilization = node.Some(s.Mean)
		}
		if peak, full := a.peak.Peak(); full {
			out.UtilizationPeak = node.Some(peak)
		}
	}
	return out
}
