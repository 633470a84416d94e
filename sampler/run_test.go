package sampler

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func TestNoDriverThenOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var asked []time.Duration
		r := start(t, &fake{devices: func() ([]node.Device, error) {
			asked = append(asked, time.Since(began))
			if time.Since(began) < 30*time.Second {
				return nil, fmt.Errorf("open library: %w", node.ErrNoDriver)
			}
			return twoGPUs()
		}})
		pass(time.Second / 2)
		if h := r.Health(time.Now())[0]; h.Up || h.Failures != 1 || h.Source != "nvml" || h.Detail == "" {
			t.Errorf("health without a driver: %+v", h)
		}
		pass(60 * time.Second)
		want := []time.Duration{0, 1, 3, 7, 15, 25, 35, 45, 55}
		for i := range want {
			want[i] *= time.Second
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("enumerations (-want +got):\n%s", diff)
		}
		if h := r.Health(time.Now())[0]; !h.Up || h.Detail != "" || time.Since(h.Success) > time.Second {
			t.Errorf("health with a driver: %+v", h)
		}
		if list := r.List(); len(list) != 2 || list[0].ID != gpu0 || list[1].ID != gpu1 {
			t.Errorf("devices %v, want both by minor number", list)
		}
	})
}

func TestMismatchEndsRun(t *testing.T) {
	mismatch := fmt.Errorf("open library: %w", node.ErrDriverMismatch)
	for name, driver := range map[string]*fake{
		"enumeration": {devices: func() ([]node.Device, error) { return nil, mismatch }},
		"reading":     {read: func(node.DeviceID, node.Want) (node.Reading, error) { return node.Reading{}, mismatch }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, driver)
				if err := <-r.ended; !errors.Is(err, node.ErrDriverMismatch) {
					t.Errorf("run ended with %v, want a mismatch", err)
				}
			})
		})
	}
}

func TestCancelEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &fake{devices: twoGPUs})
		pass(5 * time.Second)
		before := time.Now()
		r.cancel()
		if err := <-r.ended; err != nil {
			t.Errorf("run ended with %v, want nil", err)
		}
		if took := time.Since(before); took > time.Second {
			t.Errorf("run took %v to end", took)
		}
		synctest.Wait() // Nothing is left: the bubble would not end.
	})
}

// A call that never returns costs its own goroutine and nothing else.
func TestCancelWithStuckCalls(t *testing.T) {
	for name, stuck := range map[string]struct{ devices, read, events bool }{
		"enumeration": {devices: true}, "reading": {read: true}, "events": {events: true}, "all": {true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, hang := time.Now(), make(chan struct{})
				block := func(is bool) {
					if is && time.Since(began) > 4*time.Second {
						<-hang
					}
				}
				r := start(t, &fake{
					devices: func() ([]node.Device, error) { block(stuck.devices); return twoGPUs() },
					read: func(id node.DeviceID, want node.Want) (node.Reading, error) {
						block(stuck.read && id == gpu0)
						return reading(want, 1), nil
					},
					events: func(timeout time.Duration) ([]node.Event, error) {
						block(stuck.events)
						time.Sleep(timeout)
						return nil, nil
					},
				})
				pass(12 * time.Second)
				booked := len(r.booked(gpu0))
				r.cancel()
				if err := <-r.ended; err != nil {
					t.Errorf("run ended with %v, want nil", err)
				}
				if took := time.Since(began) - 12*time.Second; took > patience {
					t.Errorf("run took %v to end", took)
				}
				close(hang)
				pass(2 * time.Second)
				if got := len(r.booked(gpu0)); got != booked {
					t.Error("a call that came back after the end was booked")
				}
			})
		})
	}
}

func TestHungEnumeration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		n := 0
		r := start(t, &fake{devices: func() ([]node.Device, error) {
			if n++; n == 2 {
				<-hang
			}
			return twoGPUs()
		}})
		pass(20 * time.Second)
		if h := r.Health(time.Now())[0]; h.Up || h.Detail == "" {
			t.Errorf("health while enumeration hangs: %+v", h)
		}
		if s := r.state(t, gpu0); s.Down != "" || time.Since(s.At) > 100*time.Millisecond {
			t.Errorf("a device suffers from a hung enumeration: %+v", s)
		}
		close(hang)
		pass(time.Second)
		if h := r.Health(time.Now())[0]; !h.Up {
			t.Errorf("health after it came back: %+v", h)
		}
	})
}

// Devices come and go; one that comes back goes on where it was.
func TestDevicesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := start(t, &fake{devices: func() ([]node.Device, error) {
			all, err := twoGPUs()
			if n := time.Since(began) / (10 * time.Second); n == 1 {
				return []node.Device{{ID: gpu1, Minor: 1, Index: 7}}, nil
			}
			return all, err
		}})
		pass(10*time.Second + 50*time.Millisecond)
		if list := r.List(); len(list) != 1 || list[0].Index != 7 {
			t.Errorf("devices %v, want GPU-1 alone, by its new index", list)
		}
		if got := len(r.Devices(time.Now())); got != 1 {
			t.Errorf("%d states, want 1", got)
		}
		before := len(r.booked(gpu0))
		pass(9 * time.Second)
		if got := len(r.booked(gpu0)); got != before {
			t.Error("a device that vanished is still booked")
		}
		pass(11 * time.Second)
		if s := r.state(t, gpu0); s.Reads < 150 || s.Missed != 0 {
			t.Errorf("the device that came back: %d readings, %d missed", s.Reads, s.Missed)
		}
		uses := r.booked(gpu0)
		for i := range uses[1:] {
			if !uses[i+1].From.Equal(uses[i].To) {
				t.Fatal("its intervals are not contiguous")
			}
		}
	})
}

// A GPU and its MIG instances are read by one goroutine, and its own use is the board's.
func TestInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside := 0
		r := start(t, &fake{
			devices: func() ([]node.Device, error) {
				return []node.Device{
					{ID: "MIG-b", Parent: gpu0, GPUInstance: 2}, {ID: "MIG-a", Parent: gpu0, GPUInstance: 1}, {ID: gpu0},
				}, nil
			},
			read: func(_ node.DeviceID, want node.Want) (node.Reading, error) {
				inside++
				if inside != 1 {
					t.Error("two calls at once on one board")
				}
				time.Sleep(time.Millisecond)
				inside--
				return reading(want, 1), nil
			},
		})
		pass(5 * time.Second)
		var got []string
		for _, d := range r.List() {
			got = append(got, d.Label())
			uses := r.booked(d.ID)
			if len(uses) == 0 || uses[0].Divided != (d.ID == gpu0) {
				t.Errorf("use of %s: %+v", d.ID, uses)
			}
		}
		if diff := cmp.Diff([]string{"0", "0:1", "0:2"}, got); diff != "" {
			t.Errorf("devices (-want +got):\n%s", diff)
		}
	})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := make(chan []node.Event)
		var calls atomic.Int64
		r := start(t, &fake{events: func(timeout time.Duration) ([]node.Event, error) {
			calls.Add(1)
			select {
			case e := <-queue:
				return e, nil
			default:
				return nil, errors.New("no events here") // At once: the sampler must not spin.
			}
		}})
		pass(10*time.Second + 50*time.Millisecond)
		if n := calls.Load(); n != 41 {
			t.Errorf("%d calls in 10 s of a driver that returns at once, want 41", n)
		}
		go func() {
			queue <- []node.Event{{Device: gpu0, XID: 79}, {Device: gpu0, XID: 31}, {Device: gpu0, XID: 79}}
		}()
		pass(2 * time.Second)
		if got := r.state(t, gpu0).Events; got != [node.EventKinds]uint64{node.EventXID: 3} {
			t.Errorf("events by kind %v, want 3 XIDs", got)
		}
	})
}

func TestNothingRunsBeforeRun(t *testing.T) {
	s := New(Config{Driver: &fake{}})
	if len(s.Devices(time.Now())) != 0 || len(s.List()) != 0 {
		t.Error("devices before Run")
	}
	if h := s.Health(time.Now())[0]; h.Up || h.Attempts != 0 {
		t.Errorf("health before Run: %+v", h)
	}
}
