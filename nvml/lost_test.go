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

func lostGPU(t *testing.T, library string) {
	b := newBench(t, library)
	b.mustDevices()
	b.rewrite("gpu.3.lost 1", "gpu.5.temperature.return 16")
	for n := range 8 {
		_, err := b.Read(gpuID(n), everything)
		if want := map[int]error{3: node.ErrDeviceLost, 5: node.ErrResetRequired}[n]; !errors.Is(err, want) {
			t.Errorf("GPU %d: %v, want %v", n, err, want)
		}
	}
	if got := len(b.mustDevices()); got != 8 {
		t.Errorf("%d devices on the list, want the lost one to stay there", got)
	}
	b.rewrite()
	b.mustRead(gpuID(3), everything)
}

func lostAtStart(t *testing.T, library string) {
	b := newBench(t, library, "gpu.3.lost 1", "gpu.4.handle.return 999")
	for range 3 {
		devices := b.mustDevices()
		if len(devices) != 6 || devices[3].Minor != 5 {
			t.Errorf("devices %v, want all but 3 and 4", devices)
		}
	}
	if got := b.log.count("cannot be opened"); got != 2 {
		t.Errorf("logged %d times, want once for each GPU", got)
	}
	b.rewrite()
	if got := len(b.mustDevices()); got != 8 {
		t.Errorf("%d devices after they came back, want 8", got)
	}
}

// lostForLife: a GPU that comes back only in a new life of the library does so by itself.
func lostForLife(t *testing.T, library string) {
	for code, want := range map[string]error{"1": node.ErrDeviceLost, "16": node.ErrResetRequired} {
		t.Run(want.Error(), func(t *testing.T) {
			lines := []string{"gpu.3.mig 0 1 0 1g.18gb 19 4"}
			c := newClocked(t, library, lines...)
			before := c.mustDevices()
			lines = append(lines, "gpu.3.lost "+code, "gpu.3.lost_until_init 2")
			for at, back := 1001.0, false; at < 1100; at += 10 {
				c.at(at, lines...)
				if diff := cmp.Diff(before, c.mustDevices()); diff != "" {
					t.Errorf("at %v\n%s", at, diff)
				}
				_, err := c.Read(gpuID(3), node.WantCounters)
				if back = back || err == nil; back != (at > 1070) || err != nil && !errors.Is(err, want) {
					t.Errorf("at %v: error %v", at, err)
				}
				c.mustRead(gpuID(2), node.WantMemory)
			}
			c.mustRead(before[4].ID, node.WantMemory)
			if got := c.log.count("Opened NVML"); got != 2 {
				t.Errorf("opened %d times, want 2", got)
			}
		})
	}
}

// lostForGood: a GPU that never comes back is looked for ever more seldom, and costs the others nothing in between.
func lostForGood(t *testing.T, library string) {
	c := newClocked(t, library, "devices 2")
	devices := c.mustDevices()
	for at := 1010.0; at < 1000+2*3600; at += 10 {
		c.at(at, "devices 2", "gpu.0.lost 1")
		if _, err := c.Read(gpuID(0), node.WantMemory); !errors.Is(err, node.ErrDeviceLost) {
			t.Fatalf("at %v: error %v", at, err)
		}
		if diff := cmp.Diff(devices, c.mustDevices(), ignoreOrder()); diff != "" {
			t.Fatalf("at %v\n%s", at, diff)
		}
		c.mustRead(gpuID(1), node.WantMemory)
	}
	if got := c.log.count("Opened NVML"); got < 5 || got > 9 {
		t.Errorf("opened %d times in two hours", got)
	}
	c.at(9000, "devices 2")
	c.mustDevices()
	c.mustRead(gpuID(0), node.WantMemory)
	opened := c.log.count("Opened NVML")
	for at := 9010.0; at < 12000; at += 10 {
		c.at(at, "devices 2")
		c.mustDevices()
	}
	if got := c.log.count("Opened NVML"); got != opened {
		t.Errorf("opened %d times more with no GPU lost", got-opened)
	}
}

// slowStart: a library that does not come back from being opened does not keep anyone waiting, and is used once it has.
func slowStart(t *testing.T, library string) {
	b := newBench(t, library, "init.sleep_ms 600000")
	b.patience, b.limit = 10*time.Millisecond, 50*time.Millisecond
	for range 3 {
		if devices, err := b.Devices(); err == nil {
			t.Errorf("devices %v before the library was open", devices)
		}
		if _, err := b.Events(time.Millisecond); err != nil {
			t.Errorf("events: %v", err)
		}
	}
	b.rewrite()
	var devices []node.Device
	for from := time.Now(); len(devices) != 8 && time.Since(from) < 30*time.Second; {
		devices, _ = b.Devices()
	}
	if len(devices) != 8 {
		t.Errorf("%d devices, want 8", len(devices))
	}
	if got := b.log.count("Opened NVML"); got != 1 {
		t.Errorf("opened %d times, want 1", got)
	}
}

// ignoreOrder of devices: those that are missing stand behind the others.
func ignoreOrder() cmp.Option {
	return cmpopts.SortSlices(func(a, b node.Device) bool { return a.ID < b.ID })
}
