package sampler

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gpusignal/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a source stops telling is dropped after its grace, while the rest goes on.
func TestPartsFallSilent(t *testing.T) {
	d := newDevice(New(Config{}), false)
	for n := range 100 {
		r := node.Reading{At: epoch.Add(time.Duration(n) * time.Second), Memory: node.Some(node.Memory{Used: 1})}
		if n == 0 {
			r.Power, r.Energy = node.Some(300.0), node.Some[int64](1)
			r.Utilization = node.Some(0.5)
			r.Ring = node.Some(node.Ring{Covered: time.Second})
			r.Activity = node.Some(node.Activity{Span: time.Second})
			r.Status = node.Status{Known: true, Fan: node.Some(0.5)}
			r.Processes = node.Some([]node.Process{{PID: 1}})
			r.Calls = []node.Call{{Feature: node.FeatureFan}}
		}
		a := ask{
			want: node.WantStatus | node.WantProcesses, slow: true,
			grace: 5 * time.Second, statusGrace: 30 * time.Second, processGrace: 15 * time.Second,
		}
		d.took(&r, a, 0)
		last := d.state(d.now.At).Last
		for part, test := range map[string]struct {
			known bool
			grace int
		}{
			"power": {last.Power.Known, 5}, "energy": {last.Energy.Known, 5}, "utilisation": {last.Utilization.Known, 5},
			"ring": {last.Ring.Known, 5}, "activity": {last.Activity.Known, 5}, "status": {last.Status.Known, 30},
			"processes": {last.Processes.Known, 15}, "memory": {last.Memory.Known, 100},
		} {
			if want := n <= test.grace; test.known != want {
				t.Errorf("%s, %d s after its only reading: known %v, want %v", part, n, test.known, want)
			}
		}
		if last.Calls != nil {
			t.Fatal("calls, whose array the driver uses again, are published")
		}
	}
}

// Memory that fell silent is not booked as if it were new.
func TestSilentMemoryIsNotBooked(t *testing.T) {
	d := newDevice(New(Config{}), false)
	for n := range 10 {
		r := node.Reading{At: epoch.Add(time.Duration(n) * time.Second), Power: node.Some(300.0)}
		if n == 0 {
			r.Memory = node.Some(node.Memory{Used: 7})
		}
		d.pending = true
		use, booked := d.took(&r, ask{slow: true, grace: 5 * time.Second}, 0)
		if want := (node.Opt[uint64]{Value: 7, Known: n <= 5}); booked && use.Memory != want {
			t.Errorf("%d s after the only reading of memory: booked %v, want %v", n, use.Memory, want)
		}
	}
}

// A device that needs a reset says so, is tried once a slow interval, and comes back by itself.
func TestResetRequired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sick atomic.Bool
		var tries atomic.Int64
		r := start(t, &fake{devices: twoGPUs, read: func(id node.DeviceID, want node.Want) (node.Reading, error) {
			if id == gpu0 && sick.Load() {
				tries.Add(1)
				return node.Reading{}, fmt.Errorf("read device %q: %w", id, node.ErrResetRequired)
			}
			return reading(want, 1), nil
		}})
		pass(5*time.Second + 50*time.Millisecond)
		sick.Store(true)
		pass(time.Second)
		tries.Store(0)
		pass(10 * time.Second)
		if s := r.state(t, gpu0); s.Down != "reset_required" || tries.Load() != 10 || s.Failures != 11 {
			t.Errorf("down %q, %d tries in 10 s, %d failures, want reset_required, 10 and 11", s.Down, tries.Load(), s.Failures)
		}
		if s := r.state(t, gpu1); s.Down != "" || time.Since(s.At) > 100*time.Millisecond {
			t.Errorf("the other device suffers: down %q, at %v", s.Down, s.At)
		}
		sick.Store(false)
		pass(time.Second)
		if down := r.state(t, gpu0).Down; down != "" {
			t.Errorf("down %q after it was reset", down)
		}
	})
}

// Calls are summed up by feature, and what a device lacks is what it said last.
func TestCalls(t *testing.T) {
	d := newDevice(New(Config{}), false)
	made := make([]node.Call, 0, 4) // The driver uses the array again.
	take := func(lacks node.Features, c ...node.Call) {
		made = append(made[:0], c...)
		d.took(&node.Reading{At: epoch, Calls: made, Lacks: lacks}, ask{}, 0)
	}
	lacks := node.Features(0).With(node.FeatureFan)
	take(0, node.Call{Feature: node.FeatureMemory, Took: 5}, node.Call{Feature: node.FeatureRing, Took: 900})
	take(lacks, node.Call{Feature: node.FeatureMemory, Took: 3}, node.Call{Feature: node.FeatureMemory, Took: 7}, node.Call{Feature: 200, Took: 1})
	d.failed(downError, append(made[:0], node.Call{Feature: node.FeatureRing, Took: 100}), 0) // A reading that fails makes calls too.
	s := d.state(d.now.At)
	var want calls
	want[node.FeatureMemory] = node.CallStats{Count: 3, Sum: 15, Max: 7}
	want[node.FeatureRing] = node.CallStats{Count: 2, Sum: 1000, Max: 900}
	if diff := cmp.Diff(want, d.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if s.Lacks != lacks {
		t.Errorf("lacks %b, want %b", s.Lacks, lacks)
	}
}

func TestCost(t *testing.T) {
	live, slow := ask{}, ask{slow: true}
	calls := []node.Call{
		{Feature: node.FeatureMemory, Took: 1}, {Feature: node.FeatureUtilization, Took: 2}, {Feature: node.FeatureRing, Took: 4},
	}
	for name, test := range map[string]struct {
		made  []node.Call
		a     ask
		want  spent
		aside time.Duration
	}{
		"by the calls":                  {made: calls, a: slow, want: spent{live: 3, slow: 4}},
		"a driver that tells of none":   {a: live, want: spent{live: 9}},
		"one that tells of none, slow":  {a: slow, want: spent{slow: 9}},
		"calls, and waits between them": {made: calls[:1], a: live, want: spent{live: 1}},
		"calls beside it":               {made: calls[:1], aside: 5, a: live, want: spent{live: 1, aside: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cost(&node.Reading{Calls: test.made, Aside: test.aside}, test.a, 9); got != test.want {
				t.Errorf("cost %v, want %v", got, test.want)
			}
		})
	}
}

// The state can be asked for at any time, also while a reading is taken.
func TestStateWhileReading(t *testing.T) {
	d := newDevice(New(Config{}), false)
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range 1000 {
			d.took(&node.Reading{
				At: epoch.Add(time.Duration(n) * 100 * time.Millisecond), Utilization: node.Some(0.5), Memory: node.Some(node.Memory{Used: 1}),
			}, ask{slow: n%10 == 0, gap: time.Second, grace: 5 * time.Second}, 0)
		}
	})
	var before uint64
	for range 200 {
		s := d.state(epoch)
		if s.Reads < before {
			t.Fatal("readings went back")
		}
		before = s.Reads
	}
	wg.Wait()
}

// A device that lacks all that is read live, and fails with the rest, is down: a reading without a call is no answer.
func TestEmptyReadingIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		r := start(t, &fake{read: func(_ node.DeviceID, want node.Want) (node.Reading, error) {
			if want&node.WantCounters != 0 {
				return node.Reading{}, errors.New("timeout")
			}
			return node.Reading{At: time.Now()}, nil
		}}, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		pass(10*time.Second + 50*time.Millisecond)
		if s := r.state(t, gpu0); s.Down != downError || !s.At.IsZero() {
			t.Errorf("down %q, last good reading at %v, want error and none", s.Down, s.At)
		}
		if again, fails := log.count("read again"), log.count("cannot be read"); again != 0 || fails != 1 {
			t.Errorf("the log says %d times that it is read again and %d that it is not, want 0 and 1", again, fails)
		}
		if len(r.booked(gpu0)) != 0 {
			t.Error("booked a device that tells nothing")
		}
	})
}
