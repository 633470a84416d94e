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

// instant answers at once, with all that is asked for, and calls that took a microsecond.
type instant struct {
	base   time.Time
	offset atomic.Int64
	whole  node.Reading
	calls  []node.Call
}

func newInstant() *instant {
	i := &instant{base: time.Now()}
	i.whole = node.Reading{
		Memory: node.Some(node.Memory{Total: 100, Used: 10}), Utilization: node.Some(0.37), MemoryUtilization: node.Some(0.1),
		Ring: node.Some(node.Ring{
			Busy: 370 * time.Millisecond, Covered: time.Second, Peak: 1, Samples: 6, Spacing: time.Second / 6,
		}),
		Power: node.Some(300.0), PowerLimit: node.Some(700.0), Temperature: node.Some(50.0), MemoryTemperature: node.Some(60.0),
		Activity: node.Some(node.Activity{Span: time.Second, PCIeTx: node.Some(1e9), PCIeRx: node.Some(1e9)}),
		Status:   node.Status{Known: true, SMClock: node.Some(1.98e9)},
	}
	for u := range i.whole.Activity.Value.Units {
		i.whole.Activity.Value.Units[u] = node.Some(0.37)
	}
	i.whole.Counters.Throttled[node.ThrottlePower] = node.Some(time.Second)
	for f := range node.Feature(10) {
		i.calls = append(i.calls, node.Call{Feature: f, Took: time.Microsecond})
	}
	return i
}

func (i *instant) now() time.Time { return i.base.Add(time.Duration(i.offset.Load())) }

func (i *instant) Devices() ([]node.Device, error)            { return nil, nil }
func (i *instant) Events(time.Duration) ([]node.Event, error) { return nil, nil }
func (i *instant) Read(_ node.DeviceID, want node.Want) (node.Reading, error) {
	now := i.now()
	if want&node.WantCounters == 0 {
		return node.Reading{
			At: now, Memory: i.whole.Memory, Utilization: i.whole.Utilization, MemoryUtilization: i.whole.MemoryUtilization,
			Calls: i.calls[:2],
		}, nil
	}
	r := i.whole
	r.At, r.Calls, r.Energy = now, i.calls, node.Some(now.UnixMicro())
	r.Counters.PCIeTx = node.Some(node.Count{Value: uint64(now.UnixNano()), Bits: 32})
	return r, nil
}

// bench returns n boards whose goroutines do not run, over a driver that answers at once, and a function that moves the
// time on to the next tick. Their windows are full.
func bench(n int, interval time.Duration) ([]*board, func() time.Time) {
	driver := newInstant()
	s := New(Config{Driver: driver, Interval: interval, Logger: slog.New(slog.DiscardHandler)})
	var boards []*board
	for i := range n {
		b := newBoard(s, "")
		info := node.Device{ID: node.DeviceID(fmt.Sprint("GPU-", i)), Minor: i}
		b.targets.Store(&[]target{{device: s.roll.device(info), info: info, board: b}})
		boards = append(boards, b)
	}
	next := func() time.Time {
		driver.offset.Add(int64(interval))
		return driver.now()
	}
	for range int(40 * time.Second / interval) {
		at := next()
		for _, b := range boards {
			b.tick(context.Background(), at)
		}
	}
	return boards, next
}

// A tick allocates nothing, a slow one included.
func TestTickAllocations(t *testing.T) {
	boards, next := bench(1, 100*time.Millisecond)
	ctx := t.Context()
	tenTicks := func() {
		for range 10 {
			boards[0].tick(ctx, next())
		}
	}
	if got := testing.AllocsPerRun(100, tenTicks); got > 0 {
		t.Errorf("%v allocations in ten ticks, want none", got)
	}
}

// BenchmarkTick is the work of one tick of 16 GPUs, one in so many of them slow, as in life: at 10 Hz a thousandth of a core
// is 100 µs.
func BenchmarkTick(b *testing.B) {
	for _, hz := range []int{10, 100} {
		b.Run(fmt.Sprint(hz, "Hz"), func(b *testing.B) {
			boards, next := bench(16, time.Second/time.Duration(hz))
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				at := next()
				for _, board := range boards {
					board.tick(ctx, at)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)*float64(hz)/1e9*100, "%core")
		})
	}
}

// BenchmarkClock is one tick of 16 GPUs with their goroutines woken for it.
func BenchmarkClock(b *testing.B) {
	boards, next := bench(16, 100*time.Millisecond)
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	for _, board := range boards {
		wg.Go(func() { board.run(ctx) })
	}
	b.ReportAllocs()
	for b.Loop() {
		at := next()
		for _, board := range boards {
			board.ticks <- at
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)*10/1e9*100, "%core")
	b.StopTimer()
	cancel()
	wg.Wait()
}

// BenchmarkAggregate is what it takes to enter one live sample: the integral, the greatest, and the window.
func BenchmarkAggregate(b *testing.B) {
	d := newDevice(New(Config{}), false)
	const chunk = 4096
	ats := make([]time.Time, chunk+1)
	fill := func(from time.Time) {
		for i := range ats {
			ats[i] = from.Add(time.Duration(i) * 100 * time.Millisecond)
		}
	}
	fill(time.Now())
	d.interval.begin(ats[0])
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		i := n % chunk
		if i == 0 && n > 0 {
			b.StopTimer()
			fill(ats[chunk])
			b.StartTimer()
		}
		d.levels.Add(ats[i], ats[i+1], 0.37)
		d.interval.merge.observe(0.37, 100*time.Millisecond)
		d.interval.top(0.37)
	}
}

// BenchmarkState is the state of one device, as a scrape asks for it.
func BenchmarkState(b *testing.B) {
	boards, _ := bench(1, 100*time.Millisecond)
	d := (*boards[0].targets.Load())[0].device
	b.ReportAllocs()
	for b.Loop() {
		d.state(d.now.At)
	}
}
