package sim

import (
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"
)

// play runs random work on a GPU under fake time and reads it at 10 Hz; it returns the truth log, the readings' integral
// in seconds and the energy in joules, both between the two instants.
func play(t *testing.T, work func(p *process)) (lines []line, from, to time.Time, integral, joules float64) {
	t.Helper()
	buf := newLogBuffer()
	g := newGPU(node.Device{ID: "GPU-a"}, newTruth(buf), 37*time.Millisecond, 5e11)
	end := time.Now().Add(61 * time.Second)
	var wg sync.WaitGroup
	defer wg.Wait()
	p := g.place(process{pid: 1})
	wg.Go(func() { work(p) })
	wg.Go(func() {
		for time.Now().Before(end) {
			time.Sleep(flushEvery)
			g.flush(cut)
		}
	})
	time.Sleep(500 * time.Millisecond)
	d := &Driver{gpus: []*gpu{g}}
	first, err := d.Read("GPU-a", node.WantCounters)
	if err != nil {
		t.Fatal(err)
	}
	from = time.Now()
	var last node.Reading
	for range 600 {
		time.Sleep(100 * time.Millisecond)
		if last, err = d.Read("GPU-a", node.WantUtilization|node.WantCounters); err != nil {
			t.Fatal(err)
		}
		integral += last.Utilization.Value * 0.1
	}
	to = time.Now()
	joules = float64(last.Energy.Value-first.Energy.Value) / 1e6
	time.Sleep(time.Second)
	return buf.lines(t), from, to, integral, joules
}

func TestReadingsAgreeWithTheLog(t *testing.T) {
	for name, work := range map[string]func(p *process){
		"idle": func(*process) {},
		"full": func(p *process) { p.execute(62 * time.Second) },
		"overlapping requests": func(p *process) {
			r := stream(1, "overlap")
			for range 900 {
				p.execute(between(r, 5*time.Millisecond, 120*time.Millisecond))
				time.Sleep(between(r, time.Millisecond, 135*time.Millisecond))
			}
		},
		"bursts": func(p *process) {
			r := stream(1, "bursts")
			for range 20 {
				for range r.IntN(80) {
					p.execute(20 * time.Millisecond)
					time.Sleep(between(r, 19*time.Millisecond, 25*time.Millisecond))
				}
				time.Sleep(between(r, 0, 4*time.Second))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lines, from, to, integral, joules := play(t, work)
				busy := float64(busyBetween(lines, "GPU-a", from.UnixNano(), to.UnixNano())) / 1e9
				if math.Abs(integral-busy) > 0.02*busy+0.02 {
					t.Errorf("readings add up to %.3f s busy, the log says %.3f s", integral, busy)
				}
				want := idleWatts*60 + 300*busy
				if math.Abs(joules-want) > 0.005*want {
					t.Errorf("the driver counted %.1f J, the log makes it %.1f J", joules, want)
				}
				var end int64
				for _, l := range lines {
					if l.event != "busy" {
						continue
					}
					if l.int("from") < end || l.int("to")-l.int("from") > 250e6 || l.at-l.int("to") > 50e6 {
						t.Fatalf("busy line %v: overlaps, is too long or too late", l)
					}
					end = l.int("to")
				}
			})
		})
	}
}

func TestReadingIsRenewedEveryTenthOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGPU(node.Device{ID: "GPU-a"}, nil, 0, 0)
		p := g.place(process{pid: 7})
		p.execute(time.Hour)
		for _, step := range []struct {
			at   time.Duration
			want float64
		}{{50 * time.Millisecond, 0}, {99 * time.Millisecond, 0}, {100 * time.Millisecond, 0.6}, {199 * time.Millisecond, 0.6}, {200 * time.Millisecond, 1}} {
			time.Sleep(time.Until(g.epoch.Add(step.at)))
			if got := g.read(node.WantUtilization).Utilization; got != node.Some(step.want) {
				t.Errorf("after %v of work the driver says %v, want %v", step.at, got, step.want)
			}
		}
		g.halt()
		p.hold(5 * gib)
		if got := g.read(node.WantMemory).Memory.Value.Used; got != 5*gib {
			t.Errorf("memory changes at once: %d used", got)
		}
		if got := g.read(node.WantProcesses); len(got.Processes.Value) != 1 || got.Memory.Known || got.Power.Known {
			t.Errorf("only processes were wanted: %+v", got)
		}
		p.leave()
		if got := g.read(node.WantMemory).Memory; got != node.Some(node.Memory{Total: totalMemory, Reserved: node.Some[uint64](reserved)}) {
			t.Errorf("memory of an empty device: %+v", got)
		}
	})
}

func TestDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGPU(node.Device{ID: "GPU-a"}, nil, 0, 0)
		d := &Driver{gpus: []*gpu{g}, events: make(chan node.Event, 16)}
		if _, err := d.Read("GPU-b", node.WantMemory); !errors.Is(err, node.ErrDeviceLost) {
			t.Errorf("read of an unknown device: %v", err)
		}
		began := time.Now()
		if events, err := d.Events(3 * time.Second); err != nil || len(events) != 0 || time.Since(began) != 3*time.Second {
			t.Errorf("events after %v: %v, %v", time.Since(began), events, err)
		}
		for range 20 {
			d.raise(g, 31)
		}
		if events, err := d.Events(time.Second); err != nil || len(events) != 16 || events[0].XID != 31 {
			t.Errorf("events: %v, %v", events, err)
		}
	})
}
