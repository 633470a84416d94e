//go:build cgo && linux

package nvml

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// hungGPU: while one GPU's call does not come back the others are read and listed, and whoever asks for the hung one gets
// an error soon.
func hungGPU(t *testing.T, library string) {
	b := newBench(t, library)
	before := b.mustDevices()
	b.patience = 10 * time.Millisecond
	wait := b.hang(2)
	for n := range 8 {
		if n == 2 {
			continue
		}
		b.mustRead(gpuID(n), everything)
	}
	if _, err := b.Read(gpuID(2), everything); err == nil {
		t.Error("the hung GPU was read")
	}
	if diff := cmp.Diff(before, b.mustDevices()); diff != "" {
		t.Error(diff)
	}
	b.rewrite()
	if _, err := wait(); err != nil {
		t.Errorf("the call that came back: %v", err)
	}
	b.mustRead(gpuID(2), everything)
}

// hungClose: Close does not wait for a call that does not come back, and does not shut the library under it; the stub ends
// the process if it did.
func hungClose(t *testing.T, library string) {
	b := newBench(t, library)
	b.mustDevices()
	b.patience = 10 * time.Millisecond
	wait := b.hang(2)
	if err := b.Close(); err == nil {
		t.Error("closed without a word on the call that has not come back")
	}
	if _, err := b.Read(gpuID(0), everything); !errors.Is(err, errClosed) {
		t.Errorf("read of another GPU after Close: %v", err)
	}
	b.rewrite()
	if _, err := wait(); err != nil {
		t.Errorf("the call that came back: %v", err)
	}
	if ret := b.lib.Shutdown(); ret != 0 {
		t.Errorf("shutdown after the test: %s", text(ret))
	}
}

// hungReopen: a library that has to be opened again is, beside a call that does not come back.
func hungReopen(t *testing.T, library string) {
	b := newBench(t, library)
	b.mustDevices()
	b.patience = 10 * time.Millisecond
	wait := b.hang(2, "gpu.0.memory_v2.return 1")
	if _, err := b.Read(gpuID(0), node.WantMemory); err == nil {
		t.Error("read an uninitialised library")
	}
	if got := len(b.mustDevices()); got != 8 {
		t.Errorf("%d devices, want 8", got)
	}
	b.patience = patient
	b.mustRead(gpuID(1), everything)
	b.rewrite()
	if _, err := wait(); err != nil {
		t.Errorf("the call that came back: %v", err)
	}
	b.mustDevices()
	b.mustRead(gpuID(0), everything)
	b.mustRead(gpuID(2), everything)
	if ret := b.lib.Shutdown(); ret != 0 {
		t.Errorf("shutdown of the extra life: %s", text(ret))
	}
}

// hungAtStart: a GPU that does not come back from being looked at for the first time is listed once it has; the others are at once.
func hungAtStart(t *testing.T, library string) {
	b := newBench(t, library, "gpu.2.handle.sleep_ms 600000")
	b.patience = 500 * time.Millisecond
	for range 2 {
		if got := len(b.mustDevices()); got != 7 {
			t.Errorf("%d devices, want 7", got)
		}
		b.mustRead(gpuID(3), node.WantMemory)
	}
	b.rewrite()
	b.patience = patient
	if got := len(b.mustDevices()); got != 8 {
		t.Errorf("%d devices once it came back, want 8", got)
	}
	b.mustRead(gpuID(2), everything)
}

// hungRegistration: a GPU that does not come back from having its events registered leaves the events of the others alone.
func hungRegistration(t *testing.T, library string) {
	b := newBench(t, library, "devices 3", "gpu.1.events.sleep_ms 600000")
	b.patience = 200 * time.Millisecond
	b.mustDevices()
	b.rewrite("devices 3", "gpu.1.events.sleep_ms 600000", "gpu.2.xid 31")
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(2), XID: 31})
	b.rewrite("devices 3", "wait.return 999", "gpu.1.events.sleep_ms 600000")
	if _, err := b.Events(time.Millisecond); err == nil {
		t.Error("a wait that fails gave no error")
	}
	b.rewrite("devices 3", "gpu.1.events.sleep_ms 600000")
	b.mustDevices() // The set is made anew, and the old one is not freed under the registration.
	b.rewrite("devices 3", "gpu.0.xid 32")
	b.patience = patient
	wantEvents(t, b, time.Minute, node.Event{Device: gpuID(0), XID: 32})
	b.mustRead(gpuID(1), everything)
}

// leftInside: a look at a GPU that is given up as hung is waited for at the end of a test, however short the driver's patience was;
// the stub ends the process where the next driver calls beside it.
func leftInside(t *testing.T, library string) {
	b := newBench(t, library, "devices 2")
	b.mustDevices()
	b.patience = time.Millisecond
	b.rewrite("devices 2", "gpu.1.handle.sleep_ms 200")
	if got := len(b.mustDevices()); got != 2 {
		t.Errorf("%d devices, want 2", got)
	}
	b.end()
	next := New(Config{Library: library, Logger: slog.New(slog.DiscardHandler)})
	next.patience = patient
	if got, err := next.Devices(); len(got) != 2 || err != nil {
		t.Errorf("the next driver lists %d devices, %v", len(got), err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

// newLives: a library that is opened again over and over, with no patience for the calls that run, is never shut beside one of them.
func newLives(t *testing.T, library string) {
	b := newBench(t, library, "devices 4", "gpu.0.memory_v2.return 1", "gpu.1.mig 0 1 0 1g.18gb 19 4")
	b.mustDevices()
	from, hours := time.Now(), atomic.Int64{}
	b.now = func() time.Time { return from.Add(time.Duration(hours.Add(1)) * time.Hour) } // each new life is due
	b.patience = 2 * time.Millisecond
	ids := []node.DeviceID{gpuID(0), gpuID(1), gpuID(2), gpuID(3), "MIG-00000000-0000-0000-0000-000000000001"}
	over := make(chan struct{})
	var group sync.WaitGroup
	for _, id := range append(ids, ids...) {
		group.Go(func() {
			for !done(over) {
				_, _ = b.Read(id, everything|node.WantActivity|node.WantStatus)
			}
		})
	}
	group.Go(func() {
		for !done(over) {
			_, _ = b.Events(time.Millisecond)
		}
	})
	for from := time.Now(); b.log.count("Opened NVML") < 20 && time.Since(from) < 10*time.Second; {
		_, _ = b.Devices()
	}
	close(over)
	group.Wait()
	if got := b.log.count("Opened NVML"); got < 3 { // A busy machine makes fewer lives of it.
		t.Errorf("opened %d times, want more", got)
	}
	b.end()
	for b.lib.Shutdown() == 0 { // It was opened beside calls too.
	}
}

func done(over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	default:
		return false
	}
}
