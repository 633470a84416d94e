package sampler

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"gpusignal/node"
)

// board is one physical GPU with its MIG instances: one goroutine reads them, one after the other.
type board struct {
	sampler *Sampler
	ticks   chan time.Time
	targets atomic.Pointer[[]target]
	call    *call
	missed  atomic.Uint64
	plan    plan
	budget  *budget

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
		sampler: s,
		ticks:   make(chan time.Time),
		call:    newCall(),
		plan:    newPlan(s.interval, s.slow),
		budget:  newBudget(s.slow),
		log:     s.log.With("board", id),
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

// tick reads what is due of every device of the board.
func (b *board) tick(ctx context.Context, at time.Time) {
	due := b.plan.due(at)
	if due.want == 0 {
		return
	}
	for _, t := range *b.targets.Load() {
		t.pending = t.pending || due.slow
		if !due.slow && t.resting() {
			continue
		}
		if !b.read(ctx, t, t.share(due, b.sampler.shared(t.info.ID))) {
			return
		}
	}
}

// read takes one reading and takes note of what came. It returns false when the sampler has ended meanwhile.
func (b *board) read(ctx context.Context, t target, a ask) bool {
	start := b.call.enter()
	r, err := b.sampler.driver.Read(t.info.ID, a.want)
	b.call.leave()
	end := time.Now()
	took := end.Sub(start)
	if ctx.Err() != nil {
		return false
	}
	b.spend(end, cost(&r, a, took))
	if err != nil {
		b.failed(t, err, r.Calls, took)
		return true
	}
	if a.want&node.WantProcesses != 0 && r.Processes.Known {
		r.Processes = b.sampler.identify(r.Processes.Value, t.processes(r.At))
	}
	was := t.down()
	use, booked := t.took(&r, a, took)
	if was != "" && t.down() == "" {
		b.log.Info("Device is read again", "device", t.info.ID)
	}
	if booked {
		use.Device, use.Divided = t.info.ID, t.divided
		b.sampler.book(use)
	}
	return true
}

// failed takes note of a reading that failed.
func (b *board) failed(t target, err error, made []node.Call, took time.Duration) {
	if errors.Is(err, node.ErrDriverMismatch) {
		b.sampler.end(err)
	}
	why := reason(err)
	if t.down() != why {
		b.log.Warn("Device cannot be read", "device", t.info.ID, "reason", why, "err", err)
	}
	t.failed(why, made, took)
}

// spend puts down what a reading spent in the driver, and follows the budget where it changes the pace.
func (b *board) spend(at time.Time, s spent) {
	if !b.budget.spend(at, s) {
		return
	}
	slowed := max(b.plan.live, b.plan.late) > 1
	b.plan.pace(b.budget.pace())
	share, factor := b.budget.told()
	switch {
	case slowed == (factor > 1):
		b.log.Debug("GPU is read at another pace", "live", b.plan.live, "slow", b.plan.late, "driver_time", share.Value)
	case slowed:
		b.log.Info("GPU is read as often as asked again")
	default:
		b.log.Warn("GPU is read less often than asked: calls of its driver take too much time",
			"driver_time", share.Value, "budget", driverShare)
	}
}
