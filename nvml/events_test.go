//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gpusignal/node"
)

func wantEvents(t *testing.T, b *bench, timeout time.Duration, want ...node.Event) {
	t.Helper()
	got, err := b.Events(timeout)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(node.Event{}, "At")); diff != "" {
		t.Error(diff)
	}
	for _, event := range got {
		if event.At.IsZero() {
			t.Errorf("event %+v has no time", event)
		}
	}
}

func events(t *testing.T, library string) {
	b := newBench(t, library)
	b.mustDevices()
	wantEvents(t, b, time.Millisecond)
	b.rewrite("gpu.5.xid 79", "gpu.6.xid 31")
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(5), XID: 79}, node.Event{Device: gpuID(6), XID: 31})
	wantEvents(t, b, time.Millisecond)
	b.rewrite("gpu.5.xid 79 again", "gpu.6.xid 31")
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(5), XID: 79})
	// A wait under way hears of what happens meanwhile, across its slices.
	heard := make(chan []node.Event)
	go func() {
		got, _ := b.Events(time.Minute)
		heard <- got
	}()
	b.rewrite("gpu.5.xid 79 again", "gpu.6.xid 48")
	if got := <-heard; len(got) != 1 || got[0].XID != 48 {
		t.Errorf("events %v, want XID 48", got)
	}
}

// eventsRecover: a set of events that fails is made anew with the next Devices, and takes the GPUs that are left; until then Events
// says that it hears nothing.
func eventsRecover(t *testing.T, library string) {
	b := newBench(t, library)
	b.mustDevices()
	b.rewrite("wait.return 15")
	from := time.Now()
	if _, err := b.Events(20 * time.Millisecond); !errors.Is(err, node.ErrDeviceLost) {
		t.Errorf("error %v, want a lost device", err)
	}
	if took := time.Since(from); took < 20*time.Millisecond {
		t.Errorf("came back with an error after %v: a loop around it would spin", took)
	}
	b.rewrite("gpu.3.lost 1", "gpu.5.xid 79")
	for range 2 {
		if got, err := b.Events(time.Millisecond); !errors.Is(err, errDeaf) || len(got) > 0 {
			t.Errorf("events %v, error %v, want none and that nothing is heard", got, err)
		}
	}
	b.mustDevices()
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(5), XID: 79})
	b.rewrite("gpu.3.xid 43")
	b.mustRead(gpuID(3), node.WantMemory)
	b.mustDevices()
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(3), XID: 43})
}

// eventsBesideLost: a lost GPU whose registration spoils each wait is left out until it is back.
func eventsBesideLost(t *testing.T, library string) {
	sick := []string{"devices 2", "gpu.1.memory_v2.return 15", "gpu.1.wait.return 15"}
	b := newBench(t, library, "devices 2")
	b.mustDevices()
	b.rewrite(sick...)
	if _, err := b.Read(gpuID(1), node.WantMemory); !errors.Is(err, node.ErrDeviceLost) {
		t.Errorf("read: %v", err)
	}
	if _, err := b.Events(time.Millisecond); !errors.Is(err, node.ErrDeviceLost) {
		t.Errorf("events: %v", err)
	}
	b.mustDevices()
	b.rewrite(append(sick, "gpu.0.xid 79")...)
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(0), XID: 79})
	b.rewrite("devices 2", "gpu.0.xid 79", "gpu.1.xid 43")
	b.mustRead(gpuID(1), node.WantMemory)
	b.mustDevices()
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(1), XID: 43})
}

func eventsNotSupported(t *testing.T, library string) {
	b := newBench(t, library, "devices 2", "gpu.0.events.return 3")
	for range 3 {
		b.mustDevices()
	}
	b.rewrite("devices 2", "gpu.0.xid 13", "gpu.1.xid 31")
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(1), XID: 31})
	if got := b.log.count("does not tell of events"); got != 1 {
		t.Errorf("logged %d times, want once", got)
	}
}

// eventsClosed: before Devices there is nothing to hear, and Close ends a wait.
func eventsClosed(t *testing.T, library string) {
	b := newBench(t, library)
	wantEvents(t, b, time.Millisecond)
	b.mustDevices()
	ended := make(chan error)
	go func() {
		_, err := b.Events(time.Hour)
		ended <- err
	}()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, errClosed) {
		t.Errorf("the wait ended with %v", err)
	}
}

// eventKinds: each kind that a GPU supports is told as what it is; those that it does not support are not asked for.
func eventKinds(t *testing.T, library string) {
	all := map[node.EventKind]int{
		node.EventECCSingleBit: 0x1, node.EventECCDoubleBit: 0x2, node.EventMIGConfig: 0x100, node.EventUnavailable: 0x4000,
		node.EventRecoveryAction: 0x8000,
	}
	mask := 0x8
	for _, bit := range all {
		mask |= bit
	}
	modern := fmt.Sprintf("gpu.0.event_types %d", mask|0x4|0x80)
	for kind, bit := range all {
		t.Run(kind.Label(), func(t *testing.T) {
			b := newBench(t, library, "devices 2", modern)
			b.mustDevices()
			b.rewrite("devices 2", modern, fmt.Sprintf("gpu.0.event %d", bit), fmt.Sprintf("gpu.1.event %d", bit))
			want := []node.Event{{Device: gpuID(0), Kind: kind}}
			if bit <= 0x100 {
				want = append(want, node.Event{Device: gpuID(1), Kind: kind}) // The stub's GPUs are not modern by default.
			}
			wantEvents(t, b, time.Minute, want...)
			b.rewrite("devices 2", modern, "gpu.0.event 4", "gpu.0.xid 95")
			wantEvents(t, b, time.Minute, node.Event{Device: gpuID(0), XID: 95})
		})
	}
}

// eventsPartly: a GPU that says that it supports more than it registers still tells of XID errors; one that supports none lacks
// events.
func eventsPartly(t *testing.T, library string) {
	b := newBench(t, library, "devices 4", "gpu.3.event_types.registered 8", "gpu.0.event_types 8", "gpu.1.event_types 0", "gpu.2.event_types.return 3", "gpu.2.event_types 8")
	b.mustDevices()
	b.rewrite("devices 4", "gpu.0.xid 1", "gpu.1.xid 2", "gpu.2.xid 3", "gpu.3.xid 4")
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(0), XID: 1}, node.Event{Device: gpuID(2), XID: 3},
		node.Event{Device: gpuID(3), XID: 4})
	for n, want := range []bool{false, true, false, false} {
		if got := b.mustRead(gpuID(n), node.WantMemory).Lacks.Has(node.FeatureEvents); got != want {
			t.Errorf("GPU %d lacks events: %t, want %t", n, got, want)
		}
	}
}

// eventsSpoilt: a GPU that leaves the set of events in an undefined state is left out of the next one.
func eventsSpoilt(t *testing.T, library string) {
	b := newBench(t, library, "devices 3", "gpu.1.events.return 999")
	b.mustDevices()
	if _, err := b.Events(time.Millisecond); !errors.Is(err, errDeaf) {
		t.Errorf("error %v, want that nothing is heard: the next Devices would come late otherwise", err)
	}
	for range 2 {
		b.mustDevices()
	}
	b.rewrite("devices 3", "gpu.0.xid 1", "gpu.1.xid 2", "gpu.2.xid 3")
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(0), XID: 1}, node.Event{Device: gpuID(2), XID: 3})
	if !b.mustRead(gpuID(1), node.WantMemory).Lacks.Has(node.FeatureEvents) {
		t.Error("the GPU does not lack events")
	}
}
