package sampler

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// Events are counted by kind, and XID errors by number too, each with when it was last seen; the log hears of the first.
func TestEventsAreCounted(t *testing.T) {
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	var log bytes.Buffer
	s := New(Config{Driver: &fake{}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s.heed([]node.Event{
		{Device: gpu0, Kind: node.EventXID, XID: 79, At: at(1)},
		{Device: gpu0, Kind: node.EventXID, XID: 31, At: at(2)},
		{Device: gpu0, Kind: node.EventXID, XID: 79, At: at(5)},
		{Device: gpu1, Kind: node.EventECCDoubleBit, At: at(6)},
	})
	first := s.events.seen()
	s.heed([]node.Event{
		{Device: gpu0, Kind: node.EventXID, XID: 79, At: at(4)}, // Late: the last stays the last.
		{Device: gpu1, Kind: node.EventECCDoubleBit, At: at(7)},
		{Device: gpu1, Kind: node.EventUnavailable, At: at(7)},
		{Device: gpu1, Kind: node.EventKind(200), At: at(8)}, // Of a driver to come.
	})
	want := map[node.DeviceID]seen{
		gpu0: {
			kinds: [node.EventKinds]uint64{node.EventXID: 4},
			xids:  map[int]node.XID{79: {Count: 3, Last: at(5)}, 31: {Count: 1, Last: at(2)}},
		},
		gpu1: {kinds: [node.EventKinds]uint64{node.EventECCDoubleBit: 2, node.EventUnavailable: 1}},
	}
	if diff := cmp.Diff(want, s.events.seen(), cmp.AllowUnexported(seen{})); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if got := first[gpu0].xids[79]; got != (node.XID{Count: 2, Last: at(5)}) {
		t.Errorf("what was published has changed: %+v", got)
	}
	if n := bytes.Count(log.Bytes(), []byte("for the first time")); n != 4 {
		t.Errorf("logged %d times, want 4: each of a kind once\n%s", n, log.String())
	}
	s.heed([]node.Event{{Device: gpu1, Kind: node.EventXID, XID: 43}})
	if x := s.events.seen()[gpu1].xids[43]; time.Since(x.Last) > time.Minute {
		t.Errorf("an event without an instant was seen at %v", x.Last)
	}
}

// A change of MIG geometry is followed at once; a storm of them is followed once a second.
func TestMIGConfigEnumerates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var listed []time.Duration
		queue := make(chan []node.Event, 10)
		devices := []node.Device{{ID: gpu0}}
		r := start(t, &fake{
			devices: func() ([]node.Device, error) {
				listed = append(listed, time.Since(began))
				return devices, nil
			},
			events: func(timeout time.Duration) ([]node.Event, error) {
				select {
				case e := <-queue:
					return e, nil
				case <-time.After(timeout):
					return nil, nil
				}
			},
		})
		pass(3 * time.Second)
		queue <- []node.Event{{Device: gpu0, Kind: node.EventXID, XID: 31}} // No reason to.
		pass(time.Second)
		devices = append(devices, node.Device{ID: "MIG-a", Parent: gpu0, GPUInstance: 1})
		for n := range 4 {
			queue <- []node.Event{{Device: gpu0, Kind: node.EventMIGConfig}, {Device: gpu0, Kind: node.EventMIGConfig}}
			pass(100 * time.Millisecond)
			if got := len(r.List()); got != 2 {
				t.Errorf("event %d: %d devices right after the geometry changed, want 2", n, got)
			}
		}
		pass(13 * time.Second)
		want := []time.Duration{0, 4 * time.Second, 5 * time.Second, 15 * time.Second}
		if diff := cmp.Diff(want, listed); diff != "" {
			t.Errorf("enumerations (-want +got):\n%s", diff)
		}
	})
}

// A hurry that nobody hears is kept, and waits for nobody.
func TestHurry(t *testing.T) {
	s := New(Config{Driver: &fake{}})
	s.roll.hurry()
	s.roll.hurry()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.roll.run(ctx)
}

// Events that fail are renewed by an enumeration at once, again a second later, and ever more seldom; what went well for a while
// begins anew.
func TestFailedEventsEnumerate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		var mu sync.Mutex
		began, listed := time.Now(), []time.Duration(nil)
		start(t, &fake{
			devices: func() ([]node.Device, error) {
				mu.Lock()
				defer mu.Unlock()
				listed = append(listed, time.Since(began).Round(time.Second))
				return []node.Device{{ID: gpu0}}, nil
			},
			events: func(timeout time.Duration) ([]node.Event, error) {
				time.Sleep(timeout)
				if failing.Load() {
					return nil, errors.New("the set of events has failed")
				}
				return nil, nil
			},
		})
		want := func(what string, at ...time.Duration) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			for i := range at {
				at[i] *= time.Second
			}
			if diff := cmp.Diff(at, listed); diff != "" {
				t.Errorf("%s: enumerations (-want +got):\n%s", what, diff)
			}
			listed = nil
		}
		pass(13900 * time.Millisecond)
		want("events that do not fail", 0, 10)
		failing.Store(true)
		pass(46 * time.Second)
		want("events that fail", 14, 15, 17, 21, 29, 39, 49, 59)
		failing.Store(false)
		pass(40 * time.Second)
		want("events again", 69, 79, 89, 99)
		failing.Store(true)
		pass(2 * time.Second)
		want("events that fail later", 100, 101)
	})
}
