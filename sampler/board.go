package sampler

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"gpusignal/node"
)

// utilizationInterval is the shortest time between readings of utilisation: no driver refreshes it more often.
const utilizationInterval = 100 * time.Millisecond

// processInterval is the time between readings of processes.
const processInterval = 5 * time.Second

// board is one physical GPU with its MIG instances: one goroutine reads them, one after the other.
type board struct {
	sampler *Sampler
	ticks   chan time.Time
	targets atomic.Pointer[[]target]
	call    *call
	missed  atomic.Uint64

	// The clocks of what is not read at every tick.
	utilization, counters, processes every

	// reported says that the log knows of the hang. It is the clock's.
	reported bool
	log      *slog.Logger
}

// target is a device on a board, and what it is called.
type target struct {
	*device
	info  node.Device
	board *board
	// divided says that the device is a GPU with MIG instances.
	divided bool
}

func newBoard(s *Sampler, id node.DeviceID) *board {
	b := &board{
		sampler:     s,
		ticks:       make(chan time.Time),
		call:        newCall(),
		utilization: every{period: max(s.interval, utilizationInterval)},
		counters:    every{period: s.slow},
		processes:   every{period: max(s.slow, processInterval)},
		log:         s.log.With("board", id),
	}
	b.targets.Store(&[]target{})
	return b
}

// offer hands the board a tick. When it is not there to take it the tick is missed. Only the clock calls it.
func (b *board) offer(at time.Time) {
	if len(*b.targets.Load()) == 0 {
		return
	}
	select {
	case b.ticks <- at:
		if b.reported {
			b.reported = false
			b.log.Info("GPU answers again")
		}
	default:
		b.missed.Add(1)
		if !b.reported && b.call.hung(at, b.sampler.deadline()) {
			b.reported = true
			b.log.Warn("GPU does not answer: the driver has not returned from a call")
		}
	}
}

// run reads the board's devices at each tick it hears.
func (b *board) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-b.ticks:
			b.tick(ctx, at)
		}
	}
}

// tick reads every device of the board.
func (b *board) tick(ctx context.Context, at time.Time) {
	slack := b.sampler.interval / 2
	want := node.WantMemory
	if b.utilization.due(at, slack) {
		want |= node.WantUtilization
	}
	slow := b.counters.due(at, slack)
	if slow {
		want |= node.WantCounters
	}
	processes := b.processes.due(at, slack)
	for _, t := range *b.targets.Load() {
		t.pending = t.pending || slow
		if !slow && t.resting() {
			continue
		}
		w := want
		if processes && b.sampler.shared(t.info.ID) {
			w |= node.WantProcesses
		}
		if !b.read(ctx, t, w) {
			return
		}
	}
}

// read takes one reading and takes note of what came. It returns false when the sampler has ended meanwhile.
func (b *board) read(ctx context.Context, t target, want node.Want) bool {
	start := b.call.enter()
	r, err := b.sampler.driver.Read(t.info.ID, want)
	b.call.leave()
	took := time.Since(start)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		b.failed(t, err, took)
		return true
	}
	if t.down != "" {
		b.log.Info("Device is read again", "device", t.info.ID)
	}
	if use, booked := t.took(r, want, took); booked {
		use.Device, use.Divided = t.info.ID, t.divided
		b.sampler.book(use)
	}
	return true
}

// failed takes note of a reading that failed.
func (b *board) failed(t target, err error, took time.Duration) {
	if errors.Is(err, node.ErrDriverMismatch) {
		b.sampler.end(err)
	}
	why := reason(err)
	if t.down != why {
		b.log.Warn("Device cannot be read", "device", t.info.ID, "reason", why, "err", err)
	}
	t.failed(why, took)
}

// The reasons for which a device is down.
const (
	downHung     = "hung"
	downLost     = "lost"
	downNoDriver = "no_driver"
	downError    = "error"
)

func reason(err error) string {
	switch {
	case errors.Is(err, node.ErrDeviceLost):
		return downLost
	case errors.Is(err, node.ErrNoDriver):
		return downNoDriver
	default:
		return downError
	}
}

// every is a clock that is due once a period. Its grid stands still however late it is asked.
type every struct {
	period time.Duration
	next   time.Time
}

// due says that the next instant of the grid has come, or comes within the slack.
func (e *every) due(at time.Time, slack time.Duration) bool {
	if at.Add(slack).Before(e.next) {
		return false
	}
	if e.next.IsZero() {
		e.next = at
	}
	e.next = e.next.Add(e.period)
	if !e.next.After(at) {
		e.next = at.Add(e.period)
	}
	return true
}
