package sampler

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gpusignal/node"
)

// bench returns n boards whose goroutines do not run, over a driver that answers at once, and a function that moves the
// time on to the next tick.
func bench(n int) ([]*board, func() time.Time) {
	base := time.Now()
	var offset atomic.Int64
	driver := &fake{read: func(_ node.DeviceID, want node.Want) (node.Reading, error) {
		now := base.Add(time.Duration(offset.Load()))
		r := node.Reading{
			At: now, Memory: node.Some(node.Memory{Total: 100, Used: 10}),
			Utilization: node.Some(0.37), MemoryUtilization: node.Some(0.1),
		}
		if want&node.WantCounters != 0 {
			r.Power, r.Temperature, r.Energy = node.Some(300.0), node.Some(50.0), node.Some(now.UnixMicro())
		}
		return r, nil
	}}
	s := New(Config{Driver: driver, Logger: slog.New(slog.DiscardHandler)})
	var boards []*board
	for i := range n {
		b := newBoard(s, "")
		info := node.Device{ID: node.DeviceID(fmt.Sprint("GPU-", i)), Minor: i}
		b.targets.Store(&[]target{{device: s.roll.device(info.ID), info: info, board: b}})
		boards = append(boards, b)
	}
	return boards, func() time.Time { return base.Add(time.Duration(offset.Add(int64(100 * time.Millisecond)))) }
}

// The path of a tick costs one allocation: the state that it publishes.
func TestTickAllocations(t *testing.T) {
	boards, next := bench(1)
	ctx := t.Context()
	tick := func() { boards[0].tick(ctx, next()) }
	for range 400 { // The windows are full.
		tick()
	}
	if got := testing.AllocsPerRun(100, tick); got > 1 {
		t.Errorf("%v allocations per tick, want 1", got)
	}
}

// BenchmarkTick16GPUs is the work of one tick.
func BenchmarkTick16GPUs(b *testing.B) {
	boards, next := bench(16)
	ctx := b.Context()
	tick := func() {
		at := next()
		for _, board := range boards {
			board.tick(ctx, at)
		}
	}
	for range 400 {
		tick()
	}
	b.ReportAllocs()
	for b.Loop() {
		tick()
	}
}

// BenchmarkClock16GPUs is one tick with the goroutines woken for it.
func BenchmarkClock16GPUs(b *testing.B) {
	boards, next := bench(16)
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	for _, board := range boards {
		wg.Go(func() { board.run(ctx) })
	}
	tick := func() {
		at := next()
		for _, board := range boards {
			board.ticks <- at
		}
	}
	for range 400 {
		tick()
	}
	b.ReportAllocs()
	for b.Loop() {
		tick()
	}
	b.StopTimer()
	cancel()
	wg.Wait()
}
