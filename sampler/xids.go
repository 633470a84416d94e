package sampler

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"gpusignal/node"
)

// eventTimeout is how long one call waits for events; the end of the process waits for the call.
const eventTimeout = 250 * time.Millisecond

// counts are XID errors by device and number. Once published it is never changed.
type counts map[node.DeviceID]map[int]uint64

// xids counts the XID errors since the process started.
type xids struct {
	call   *call
	counts atomic.Pointer[counts]
}

func newXIDs() *xids {
	x := &xids{call: newCall()}
	x.counts.Store(&counts{})
	return x
}

func (x *xids) seen() counts { return *x.counts.Load() }

// add counts events, and returns those of a kind that the device never had. Only the events' goroutine calls it.
func (x *xids) add(events []node.Event) (novel []node.Event) {
	next := maps.Clone(x.seen())
	for _, e := range events {
		of := maps.Clone(next[e.Device])
		if of == nil {
			of = make(map[int]uint64)
		}
		if of[e.XID]++; of[e.XID] == 1 {
			novel = append(novel, e)
		}
		next[e.Device] = of
	}
	x.counts.Store(&next)
	return novel
}

// listen waits for events, over and over.
func (s *Sampler) listen(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		start := s.xids.call.enter()
		events, err := s.driver.Events(eventTimeout)
		s.xids.call.leave()
		if ctx.Err() != nil {
			return
		}
		if len(events) > 0 {
			for _, e := range s.xids.add(events) {
				s.log.Warn("XID error seen for the first time", "device", e.Device, "xid", e.XID)
			}
		}
		if (err != nil) != failing {
			failing = err != nil
			s.tellEvents(err)
		}
		if err != nil || len(events) == 0 {
			// A driver that has no events may return at once.
			rest(ctx, eventTimeout-time.Since(start))
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
