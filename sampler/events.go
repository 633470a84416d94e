package sampler

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"gpusignal/node"
)

const (
	// eventTimeout is how long one call waits for events; the end of the process waits for the call.
	eventTimeout = 250 * time.Millisecond
	// renewFirst is the pause after the first attempt to hear events again; it doubles until it is longer than the time between two
	// enumerations, each of which is an attempt too.
	renewFirst = time.Second
)

// seen is what a device had of events since the process started.
type seen struct {
	kinds [node.EventKinds]uint64
	xids  map[int]node.XID
}

// events counts what the driver pushed.
type events struct {
	call *call
	// counts are by device. What is published is never changed.
	counts atomic.Pointer[map[node.DeviceID]seen]
}

func newEvents() *events {
	e := &events{call: newCall()}
	e.counts.Store(&map[node.DeviceID]seen{})
	return e
}

func (e *events) seen() map[node.DeviceID]seen { return *e.counts.Load() }

// add counts events, and returns those of a kind, or XID errors of a number, that the device never had. Only the goroutine
// that listens calls it.
func (e *events) add(pushed []node.Event) (novel []node.Event) {
	next := maps.Clone(e.seen())
	for _, event := range pushed {
		if int(event.Kind) >= node.EventKinds {
			continue
		}
		of := next[event.Device]
		of.kinds[event.Kind]++
		first := of.kinds[event.Kind] == 1
		if event.Kind == node.EventXID {
			of.xids = maps.Clone(of.xids)
			if of.xids == nil {
				of.xids = make(map[int]node.XID)
			}
			x := of.xids[event.XID]
			first = x.Count == 0
			of.xids[event.XID] = node.XID{Count: x.Count + 1, Last: later(x.Last, event.At)}
		}
		if first {
			novel = append(novel, event)
		}
		next[event.Device] = of
	}
	e.counts.Store(&next)
	return novel
}

// later returns the later of two instants; the one that the driver left out stands for now.
func later(before, at time.Time) time.Time {
	if at.IsZero() {
		at = time.Now()
	}
	if before.After(at) {
		return before
	}
	return at
}

// renewal is when the devices are to be listed again because no events are told: an enumeration has the driver begin to listen anew.
// The zero value is due at once.
type renewal struct {
	next  time.Time
	pause time.Duration
}

// due says that it is time for an attempt, and puts the next one off.
func (r *renewal) due(at time.Time) bool {
	if r.pause >= rollInterval || at.Before(r.next) {
		return false
	}
	r.pause = max(2*r.pause, renewFirst)
	r.next = at.Add(r.pause)
	return true
}

// listen waits for events, over and over.
func (s *Sampler) listen(ctx context.Context) {
	failing, renew := false, renewal{}
	for ctx.Err() == nil {
		start := s.events.call.enter()
		pushed, err := s.driver.Events(eventTimeout)
		s.events.call.leave()
		if ctx.Err() != nil {
			return
		}
		if len(pushed) > 0 {
			s.heed(pushed)
		}
		if (err != nil) != failing {
			failing = err != nil
			s.tellEvents(err)
		}
		switch {
		case err == nil && time.Since(renew.next) > rollInterval:
			renew = renewal{} // It has gone well for a while.
		case err != nil && renew.due(time.Now()):
			s.roll.hurry()
		}
		if err != nil || len(pushed) == 0 {
			// A driver that has no events may return at once.
			rest(ctx, eventTimeout-time.Since(start))
		}
	}
}

// heed counts events, tells of the first of a kind, and has the devices listed again where the driver says that they changed.
func (s *Sampler) heed(pushed []node.Event) {
	for _, e := range s.events.add(pushed) {
		if e.Kind == node.EventXID {
			s.log.Warn("XID error seen for the first time", "device", e.Device, "xid", e.XID)
			continue
		}
		s.log.Info("Event seen for the first time", "device", e.Device, "kind", e.Kind.Label())
	}
	for _, e := range pushed {
		if e.Kind == node.EventMIGConfig {
			s.roll.hurry()
			return
		}
	}
}

func (s *Sampler) tellEvents(err error) {
	if err != nil {
		s.log.Warn("Driver tells of no events", "err", err)
		return
	}
	s.log.Info("Driver tells of events again")
}

// rest waits, unless the context ends before.
func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
