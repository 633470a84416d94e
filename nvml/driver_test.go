//go:build cgo && linux

package nvml

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
	"gpusignal/nvml/nvmltest"
)

// TestDriver runs everything that one library can show in one process: a process can load only one.
func TestDriver(t *testing.T) {
	library := nvmltest.Build(t)
	for name, test := range map[string]func(*testing.T, string){
		"identity":                     identity,
		"readings":                     readings,
		"a lost GPU":                   lostGPU,
		"a GPU lost at the start":      lostAtStart,
		"a part not supported":         partNotSupported,
		"a part that fails":            partFails,
		"MIG":                          mig,
		"mismatch":                     mismatch,
		"driver not loaded":            notLoaded,
		"no device":                    noDevice,
		"the library loses its state":  reopens,
		"a sick GPU":                   sickGPU,
		"a GPU that is not found":      notFound,
		"a GPU without its number":     withoutMinor,
		"events beside a lost GPU":     eventsBesideLost,
		"a lost GPU with MIG on":       migLost,
		"MIG instances made anew":      migReseeds,
		"a hung GPU blocks no other":   hungGPU,
		"a hung GPU and Close":         hungClose,
		"a hung GPU and a new life":    hungReopen,
		"events":                       events,
		"events fail and come back":    eventsRecover,
		"events of a GPU without them": eventsNotSupported,
		"events of all kinds":          eventKinds,
		"events in part":               eventsPartly,
		"events that spoil the set":    eventsSpoilt,
		"a GPU lost until the library is opened again": lostForLife,
		"a GPU that stays lost":                        lostForGood,
		"a slow start":                                 slowStart,
		"a GPU hung at the start":                      hungAtStart,
		"a registration that hangs":                    hungRegistration,
		"a call left inside":                           leftInside,
		"new lives beside calls":                       newLives,
		"a device that was given up":                   givenUp,
		"calls beside readings are timed":              asideTimed,
		"calls are timed":                              callsTimed,
		"a GPU without memory of its own":              integrated,
		"shares of processes":                          processShares,
		"shares of processes after a pause":            processSharesAfterAPause,
		"events before and after":                      eventsClosed,
		"everything at once":                           together,
		"use that follows time":                        followsTime,
		"closed":                                       closed,
		"a device that was not listed":                 unknownDevice,
		"the driver opens once":                        opensOnce,
		"memory without the newer call":                oldMemory,
		"counters and status":                          fieldReadings,
		"a ring and the truth":                         ringTruth,
		"a ring that wraps":                            ringWraps,
		"a ring that is empty on idle":                 ringIdle,
		"a ring whose clock jumps":                     ringJumps,
		"no ring":                                      ringLacks,
		"activity":                                     activity,
		"activity too soon":                            activityTooSoon,
		"activity in parts":                            activityParts,
		"activity that fails":                          activityFails,
		"no activity":                                  activityLacks,
		"no metric of activity":                        activityNone,
		"MIG that changes":                             migChanges,
		"MIG handles that are void":                    migStale,
		"MIG instances have their own":                 migReadings,
		"MIG that fails to tell":                       migFailsToTell,
	} {
		t.Run(name, func(t *testing.T) { test(t, library) })
	}
}

func identity(t *testing.T, library string) {
	b := newBench(t, library, "devices 3", "driver 570.1", "gpu.1.minor 7", "gpu.2.name NVIDIA L4", "gpu.2.uuid GPU-two")
	want := []node.Device{
		{ID: gpuID(0), Index: 0, Minor: 0, Model: "NVIDIA H200", PCIAddress: "0000:1a:00.0", Driver: "570.1"},
		{ID: gpuID(1), Index: 1, Minor: 7, Model: "NVIDIA H200", PCIAddress: "0000:2a:00.0", Driver: "570.1"},
		{ID: "GPU-two", Index: 2, Minor: 2, Model: "NVIDIA L4", PCIAddress: "0000:3a:00.0", Driver: "570.1"},
	}
	if diff := cmp.Diff(want, b.mustDevices()); diff != "" {
		t.Error(diff)
	}
	b.rewrite()
	if got := len(b.mustDevices()); got != 8 {
		t.Errorf("after the node got more GPUs: %d, want 8", got)
	}
}

func mismatch(t *testing.T, library string) {
	b := newBench(t, library, "init 18")
	_, err := b.Devices()
	wantError(t, err, node.ErrDriverMismatch, library, "restart this pod")
}

func notLoaded(t *testing.T, library string) {
	b := newBench(t, library, "init 9")
	for range 3 {
		_, err := b.Devices()
		wantError(t, err, node.ErrNoDriver, library, "--nvml.library", "/dev/nvidia")
	}
	b.rewrite()
	b.mustDevices()
	b.rewrite("count.return 9")
	_, err := b.Devices()
	wantError(t, err, node.ErrNoDriver)
	b.rewrite()
	b.mustDevices()
	if got := b.log.count("Opened NVML"); got != 2 {
		t.Errorf("opened %d times, want 2", got)
	}
}

func noDevice(t *testing.T, library string) {
	b := newBench(t, library, "devices 0")
	_, err := b.Devices()
	wantError(t, err, node.ErrNoDriver, library, "NVIDIA_VISIBLE_DEVICES")
}

func wantError(t *testing.T, err, is error, words ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Fatalf("error %v, want one that wraps %v", err, is)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not name %q", err, word)
		}
	}
}

func opensOnce(t *testing.T, library string) {
	b := newBench(t, library)
	for range 3 {
		b.mustDevices()
	}
	if got := b.log.count("Opened NVML"); got != 1 {
		t.Errorf("opened %d times, want 1", got)
	}
}

func unknownDevice(t *testing.T, library string) {
	b := newBench(t, library)
	if _, err := b.Read(gpuID(0), everything); err == nil {
		t.Error("read a device before any was listed")
	}
	b.mustDevices()
	_, err := b.Read("GPU-other", everything)
	if err == nil || !strings.Contains(err.Error(), `"GPU-other"`) {
		t.Errorf("error %v does not name the device", err)
	}
}

func closed(t *testing.T, library string) {
	b := newBench(t, library)
	b.mustDevices()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	if _, err := b.Read(gpuID(0), everything); !errors.Is(err, errClosed) {
		t.Errorf("read: %v", err)
	}
	if _, err := b.Devices(); !errors.Is(err, errClosed) {
		t.Errorf("devices: %v", err)
	}
}

func followsTime(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.duty 0.25", "gpu.0.power 400000", "gpu.1.duty 0.5", "gpu.1.period_ms 5", "gpu.0.energy 1000")
	b.mustDevices()
	from := time.Now()
	first := b.mustRead(gpuID(0), everything)
	if first.Utilization != node.Some(0.25) || first.Energy != node.Some(int64(1_000_000)) {
		t.Errorf("reading %+v", first)
	}
	seen := map[float64]bool{}
	for len(seen) < 2 && time.Since(from) < 30*time.Second {
		seen[b.mustRead(gpuID(1), node.WantUtilization).Utilization.Value] = true
	}
	if diff := cmp.Diff(map[float64]bool{0: true, 1: true}, seen); diff != "" {
		t.Error(diff)
	}
	second := b.mustRead(gpuID(0), everything)
	most := 400 * time.Since(from).Seconds() * 1e6
	if rise := second.Energy.Value - first.Energy.Value; rise <= 0 || float64(rise) > most {
		t.Errorf("energy rose by %d µJ, want more than nothing and at most %.0f", rise, most)
	}
}

func together(t *testing.T, library string) {
	b := newBench(t, library, "gpu.7.mig 0 1 0 1g.18gb 19 4", "gpu.1.lost 1", "gpu.2.process 1 1", "gpu.2.process 2 2")
	b.mustDevices()
	b.rewrite("gpu.7.mig 0 1 0 1g.18gb 19 4", "gpu.1.lost 1", "gpu.2.process 1 1", "gpu.2.process 2 2", "gpu.4.xid 31")
	ids := []node.DeviceID{"MIG-00000000-0000-0000-0000-000000000007"}
	for n := range 8 {
		ids = append(ids, gpuID(n))
	}
	var group sync.WaitGroup
	for _, id := range append(ids, ids...) {
		group.Go(func() {
			for range 20 {
				if _, err := b.Read(id, everything|node.WantRing|node.WantActivity|node.WantStatus); err != nil && id != gpuID(1) {
					t.Error(err)
				}
			}
		})
	}
	group.Go(func() {
		for range 20 {
			if _, err := b.Devices(); err != nil {
				t.Error(err)
			}
		}
	})
	group.Go(func() {
		for range 20 {
			if _, err := b.Events(time.Millisecond); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestLinkedLazily holds for the test binary what must hold for the daemon.
func TestLinkedLazily(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	nvmltest.Lazy(t, program)
}
