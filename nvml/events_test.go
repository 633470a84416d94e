//go:build cgo && linux

package nvml

import (
	"errors"
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

// eventsRecover: a set of events that fails is made anew with the next Devices, and takes the GPUs that are left.
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
	wantEvents(t, b, time.Millisecond)
	b.mustDevices()
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(5), XID: 79})
	b.rewrite("gpu.3.xid 43")
	b.mustDevices()
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(3), XID: 43})
}

func eventsNotSupported(t *testing.T, library string) {
	b := newBench(t, library, "devices 2", "gpu.0.events.return 3")
	for range 3 {
		b.mustDevices()
	}
	b.rewrite("devices 2", "gpu.0.xid 13", "gpu.1.xid 31")
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(1), XID: 31})
	if got := b.log.count("does not tell of XID errors"); got != 1 {
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
