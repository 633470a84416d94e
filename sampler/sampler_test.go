package sampler

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"
)

// A reading stands for the time since the one before, whatever the wave does.
func TestBusyOfScriptedWaves(t *testing.T) {
	for name, wave := range map[string]func(n int) float64{
		"square":          func(n int) float64 { return float64(n / 3 % 2) },
		"thirds":          func(int) float64 { return 1.0 / 3 },
		"never a whole":   func(n int) float64 { return float64(n%97) / 97 },
		"more than there": func(int) float64 { return 1.5 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, exact := 0, 0.0
				r := start(t, &fake{read: func(_ node.DeviceID, want node.Want) (node.Reading, error) {
					u := wave(n)
					if n > 0 { // The first reading stands for nothing.
						exact += min(u, 1) * float64(100*time.Millisecond)
					}
					n++
					return reading(want, u), nil
				}})
				pass(10*time.Minute + 100*time.Millisecond)

				uses := r.booked(gpu0)
				var busy, observed time.Duration
				for i, u := range uses {
					if i > 0 && !u.From.Equal(uses[i-1].To) {
						t.Fatalf("interval %d begins at %v, the one before ended at %v", i, u.From, uses[i-1].To)
					}
					if u.Busy > u.Observed || u.Observed != u.To.Sub(u.From) {
						t.Fatalf("interval %d: busy %v, observed %v of %v", i, u.Busy, u.Observed, u.To.Sub(u.From))
					}
					busy += u.Busy
					observed += u.Observed
				}
				if len(uses) != 600 || observed != 10*time.Minute {
					t.Errorf("%d intervals, observed %v, want 600 and 10m", len(uses), observed)
				}
				if off := float64(busy) - exact; math.Abs(off) > 2 {
					t.Errorf("busy %v is %.1f ns off %.1f", busy, off, exact)
				}
			})
		})
	}
}

func TestSquareWaveIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		r := start(t, &fake{read: func(_ node.DeviceID, want node.Want) (node.Reading, error) {
			n++
			return reading(want, float64(n%2)), nil
		}})
		pass(time.Second + 100*time.Millisecond)
		uses := r.booked(gpu0)
		if len(uses) != 1 {
			t.Fatalf("%d intervals, want 1", len(uses))
		}
		u := uses[0]
		if u.Busy != 500*time.Millisecond || u.Observed != time.Second || u.Peak != node.Some(1.0) || u.Memory != node.Some[uint64](10) {
			t.Errorf("booked %+v, want half of a second, peak 1, memory 10", u)
		}
	})
}

// A device that is slow misses ticks, and takes none from the others.
func TestSlowDeviceMissesTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &fake{
			devices: twoGPUs,
			read: func(id node.DeviceID, want node.Want) (node.Reading, error) {
				if id == gpu0 {
					time.Sleep(350 * time.Millisecond)
				}
				return reading(want, 1), nil
			},
		})
		pass(9*time.Second + 30*time.Millisecond) // Less than the time after which it is read less often.
		slow, quick := r.state(t, gpu0), r.state(t, gpu1)
		if quick.Reads != 90 || quick.Missed != 0 {
			t.Errorf("quick device: %d readings, %d missed, want 90 and 0", quick.Reads, quick.Missed)
		}
		// It hears every fourth tick, and is in the driver at the three between.
		if slow.Missed != 67 || slow.Reads != 22 {
			t.Errorf("slow device: %d readings, %d missed, want 22 and 67", slow.Reads, slow.Missed)
		}
		if slow.Down != "" || slow.Took != 350*time.Millisecond {
			t.Errorf("slow device: down %q, took %v", slow.Down, slow.Took)
		}
		for _, u := range r.booked(gpu0)[1:] {
			if u.Observed != u.To.Sub(u.From) || u.Busy != u.Observed {
				t.Fatalf("slow device: booked %+v, want all of it busy", u)
			}
		}
	})
}

func TestHungDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		began := time.Now()
		r := start(t, &fake{
			devices: twoGPUs,
			read: func(id node.DeviceID, want node.Want) (node.Reading, error) {
				if id == gpu0 && time.Since(began) > 10*time.Second {
					<-hang
				}
				return reading(want, 0.5), nil
			},
		})
		pass(15 * time.Second)
		if down := r.state(t, gpu0).Down; down != "" {
			t.Errorf("down %q before its deadline", down)
		}
		pass(200 * time.Millisecond)
		s := r.state(t, gpu0)
		if s.Down != "hung" || s.Missed == 0 {
			t.Errorf("after its deadline: down %q, missed %d", s.Down, s.Missed)
		}
		if h := r.Health(time.Now())[0]; !h.Up || h.Detail == "" {
			t.Errorf("health with one GPU of two hung: %+v, want up, and a detail", h)
		}
		pass(20 * time.Second)
		if other := r.state(t, gpu1); other.Down != "" || other.Missed != 0 || time.Since(other.At) > 100*time.Millisecond {
			t.Errorf("the other device suffers: %+v", other)
		}

		close(hang)
		pass(5 * time.Second)
		s = r.state(t, gpu0)
		if s.Down != "" || time.Since(s.At) > 100*time.Millisecond {
			t.Errorf("after the call returned: down %q, at %v", s.Down, s.At)
		}
		uses := r.booked(gpu0)
		for i, u := range uses {
			if i > 0 && !u.From.Equal(uses[i-1].To) {
				t.Fatal("intervals are not contiguous over the hang")
			}
			if gap := u.To.Sub(u.From); gap > 20*time.Second && u.Observed > 2*time.Second {
				t.Errorf("interval of %v over the hang: observed %v", gap, u.Observed)
			}
		}
	})
}

func TestLostDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost atomic.Bool
		var tries atomic.Int64
		r := start(t, &fake{read: func(id node.DeviceID, want node.Want) (node.Reading, error) {
			tries.Add(1)
			if lost.Load() {
				return node.Reading{}, fmt.Errorf("read device %q: %w", id, node.ErrDeviceLost)
			}
			return reading(want, 1), nil
		}})
		pass(5*time.Second + 50*time.Millisecond)
		lost.Store(true)
		pass(time.Second)
		tries.Store(0)
		pass(10 * time.Second)
		s := r.state(t, gpu0)
		if s.Down != "lost" || tries.Load() != 10 || s.Failures != 11 {
			t.Errorf("down %q, %d tries in 10 s, %d failures, want lost, 10 and 11", s.Down, tries.Load(), s.Failures)
		}
		if h := r.Health(time.Now())[0]; h.Up {
			t.Error("health is up with its only device lost")
		}
		lost.Store(false)
		pass(time.Second)
		if down := r.state(t, gpu0).Down; down != "" {
			t.Errorf("down %q after it came back", down)
		}
		if h := r.Health(time.Now())[0]; !h.Up || h.Detail != "" {
			t.Errorf("health after it came back: %+v", h)
		}
	})
}

// A device that fails is tried at every tick at first, then once a slow interval.
func TestFailingDeviceRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		r := start(t, &fake{read: func(node.DeviceID, node.Want) (node.Reading, error) {
			tries++
			return node.Reading{Calls: []node.Call{{Feature: node.FeatureMemory, Took: 1}}}, errors.New("timeout")
		}})
		pass(10*time.Second + 50*time.Millisecond)
		if s := r.state(t, gpu0); s.Down != "error" || tries != 3+9 {
			t.Errorf("down %q, %d tries, want error and 12", s.Down, tries)
		} else if got := r.Calls()[node.FeatureMemory]; got.Count != 12 {
			t.Errorf("%d calls told, want 12: those of a reading that fails are calls too", got.Count)
		}
		if len(r.booked(gpu0)) != 0 {
			t.Error("booked a device that was never read")
		}
	})
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var silent atomic.Bool
		n := 0
		r := start(t, &fake{read: func(_ node.DeviceID, want node.Want) (node.Reading, error) {
			n++
			out := reading(want, float64(n%4)/4)
			if silent.Load() {
				out.Utilization = node.Opt[float64]{}
			}
			return out, nil
		}})
		pass(3*time.Second + 50*time.Millisecond)
		if s := r.state(t, gpu0); s.Utilization.Known || s.MemoryPeak.Known || !s.Last.Utilization.Known {
			t.Errorf("before one whole window: %+v", s)
		}
		pass(100 * time.Millisecond)
		s := r.state(t, gpu0)
		if !s.Utilization.Known || s.UtilizationPeak != node.Some(0.75) || s.MemoryPeak != node.Some[uint64](10) {
			t.Errorf("after one: mean %v, peak %v, memory peak %v", s.Utilization, s.UtilizationPeak, s.MemoryPeak)
		}
		// 30 readings: 2, 3, 0, 1, … quarters.
		if want := (0.25*7 + 0.5*8 + 0.75*8) / 30; math.Abs(s.Utilization.Value-want) > 1e-9 {
			t.Errorf("mean %v, want %v", s.Utilization.Value, want)
		}
		silent.Store(true)
		pass(6 * time.Second)
		s = r.state(t, gpu0)
		if s.Utilization.Known || s.Last.Utilization.Known || !s.Last.Memory.Known || !s.MemoryPeak.Known {
			t.Errorf("after utilisation fell silent: %+v", s)
		}
	})
}

func twoGPUs() ([]node.Device, error) {
	return []node.Device{{ID: gpu1, Minor: 1, Index: 0}, {ID: gpu0, Minor: 0, Index: 1}}, nil
}
