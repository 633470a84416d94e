package sampler

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A call marks the time that a goroutine spends in the driver, for those who watch it.
type call struct {
	epoch time.Time
	// since is the nanosecond after the epoch at which the goroutine went in, 0 while it is not in the driver.
	since atomic.Int64
}

func newCall() *call { return &call{epoch: time.Now().Add(-1)} }

// enter marks that the goroutine goes into the driver, and returns when.
func (c *call) enter() time.Time {
	now := time.Now()
	c.since.Store(int64(now.Sub(c.epoch)))
	return now
}

// leave marks that it has come back.
func (c *call) leave() { c.since.Store(0) }

// hung says that the goroutine went into the driver longer ago than the deadline and has not come back.
func (c *call) hung(at time.Time, deadline time.Duration) bool {
	since := c.since.Load()
	return since != 0 && at.Sub(c.epoch)-time.Duration(since) > deadline
}

// crew is the goroutines of a sampler.
type crew struct {
	mu      sync.Mutex
	leaving bool
	hands   []hand
}

// hand is one goroutine: done closes when it ends, call is where it marks its calls, nil when it makes none.
type hand struct {
	done chan struct{}
	call *call
}

// patience is how long the crew is waited for when a call is in the driver: the longest that is asked for takes 1 s.
const patience = 2 * time.Second

func newCrew() *crew { return &crew{} }

// start runs work in a goroutine, unless the crew is leaving already.
func (c *crew) start(ctx context.Context, inside *call, work func(context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving {
		return
	}
	h := hand{done: make(chan struct{}), call: inside}
	c.hands = append(c.hands, h)
	go func() {
		defer close(h.done)
		work(ctx)
	}()
}

// wait returns when every goroutine has ended, save those that have not come back from the driver: one that is hung is
// not waited for, one that has just gone in is given a little time. It returns how many were left behind.
func (c *crew) wait(deadline time.Duration) int {
	c.mu.Lock()
	c.leaving = true
	hands := c.hands
	c.mu.Unlock()

	timer := time.NewTimer(patience)
	defer timer.Stop()
	over, left := false, 0
	for _, h := range hands {
		if h.call == nil {
			<-h.done
			continue
		}
		if over || h.call.hung(time.Now(), deadline) {
			select {
			case <-h.done:
			default:
				left++
			}
			continue
		}
		select {
		case <-h.done:
		case <-timer.C:
			over = true
			left++
		}
	}
	return left
}
