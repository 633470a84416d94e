package sampler

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"gpusignal/node"
)

// rollInterval is the time between enumerations, and rollRetry the first pause after one that failed; it doubles up to
// the interval.
const (
	rollInterval = 10 * time.Second
	rollRetry    = time.Second
)

// roll follows which devices there are. It belongs to one goroutine but for what is atomic.
type roll struct {
	sampler *Sampler
	call    *call
	again   chan struct{}
	// boards and devices that were ever there: they come back to what they were.
	boards  map[node.DeviceID]*board
	devices map[node.DeviceID]*device
	report  atomic.Pointer[report]
}

// report is how enumeration fares.
type report struct {
	attempts, failures uint64
	ended, success     time.Time
	took               time.Duration
	err                error
}

func newRoll(s *Sampler) *roll {
	r := &roll{
		sampler: s,
		call:    newCall(),
		again:   make(chan struct{}, 1),
		boards:  make(map[node.DeviceID]*board),
		devices: make(map[node.DeviceID]*device),
	}
	r.report.Store(&report{})
	return r
}

// hurry asks for an enumeration now. It does not wait for it.
func (r *roll) hurry() {
	select {
	case r.again <- struct{}{}:
	default:
	}
}

// run enumerates now and then, and when it is asked to, but not more often than rollRetry.
func (r *roll) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := rollRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.again:
			timer.Reset(rollRetry - time.Since(r.report.Load().ended))
			continue
		case <-timer.C:
		}
		switch ok := r.enumerate(ctx); {
		case ctx.Err() != nil:
			return
		case ok:
			pause = rollRetry
			timer.Reset(rollInterval)
		default:
			timer.Reset(pause)
			pause = min(2*pause, rollInterval)
		}
	}
}

// enumerate asks the driver for its devices once, and says whether it told.
func (r *roll) enumerate(ctx context.Context) bool {
	start := r.call.enter()
	devices, err := r.sampler.driver.Devices()
	r.call.leave()
	if ctx.Err() != nil {
		return false
	}
	before := r.report.Load()
	now := *before
	now.ended, now.err = time.Now(), err
	now.took = now.ended.Sub(start)
	now.attempts++
	if err == nil {
		now.success = now.ended
		r.follow(ctx, devices)
	} else {
		now.failures++
	}
	r.report.Store(&now)
	r.tell(before, &now, len(devices))
	if errors.Is(err, node.ErrDriverMismatch) {
		r.sampler.end(err)
	}
	return err == nil
}

// tell logs a change of state.
func (r *roll) tell(before, now *report, devices int) {
	log := r.sampler.log
	switch {
	case now.err != nil && (before.err == nil || reason(before.err) != reason(now.err)):
		log.Warn("Driver does not list its devices", "err", now.err)
	case now.err == nil && (before.err != nil || before.attempts == 0):
		log.Info("Driver lists its devices", "devices", devices)
	}
}

// follow takes up new devices and lets go of those that vanished. A board's goroutine stays: it may be in the driver.
func (r *roll) follow(ctx context.Context, devices []node.Device) {
	devices = slices.Clone(devices)
	slices.SortStableFunc(devices, compareDevices)
	divided := make(map[node.DeviceID]bool)
	for _, d := range devices {
		if d.Parent != "" {
			divided[d.Parent] = true
		}
	}
	next := &view{devices: make([]target, 0, len(devices))}
	onBoard := make(map[*board][]target)
	for _, info := range devices {
		b := r.board(ctx, info)
		t := target{device: r.device(info), info: info, board: b, divided: divided[info.ID]}
		next.devices = append(next.devices, t)
		if _, ok := onBoard[b]; !ok {
			next.boards = append(next.boards, b)
		}
		onBoard[b] = append(onBoard[b], t)
	}
	next.ever = slices.AppendSeq(make([]*device, 0, len(r.devices)), maps.Values(r.devices))
	for _, b := range r.boards {
		targets := onBoard[b]
		b.targets.Store(&targets)
	}
	r.changed(r.sampler.view.Load(), next)
	r.sampler.view.Store(next)
}

// changed logs devices that appeared or vanished after the first enumeration.
func (r *roll) changed(before, now *view) {
	if r.report.Load().success.IsZero() {
		return
	}
	missing := func(from *view, id node.DeviceID) bool {
		return !slices.ContainsFunc(from.devices, func(t target) bool { return t.info.ID == id })
	}
	for _, t := range before.devices {
		if missing(now, t.info.ID) {
			r.sampler.log.Warn("Device vanished", "device", t.info.ID)
		}
	}
	for _, t := range now.devices {
		if missing(before, t.info.ID) {
			r.sampler.log.Info("Device appeared", "device", t.info.ID)
		}
	}
}

// board returns the board of a device, and starts its goroutine at first sight.
func (r *roll) board(ctx context.Context, info node.Device) *board {
	id := info.ID
	if info.Parent != "" {
		id = info.Parent
	}
	b, ok := r.boards[id]
	if !ok {
		b = newBoard(r.sampler, id)
		r.boards[id] = b
		r.sampler.crew.start(ctx, b.call, b.run)
	}
	return b
}

// device returns what is kept of a device.
func (r *roll) device(info node.Device) *device {
	d, ok := r.devices[info.ID]
	if !ok {
		d = newDevice(r.sampler, info.Parent != "")
		r.devices[info.ID] = d
	}
	return d
}
