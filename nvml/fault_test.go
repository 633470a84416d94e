//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"
	"testing"

	"gpusignal/node"
)

// sickGPU: a GPU that says over and over that the library is not initialised has it opened again ever more seldom, and keeps no
// other from being listed and read.
func sickGPU(t *testing.T, library string) {
	for _, call := range []string{"memory_v2", "handle"} {
		t.Run(call, func(t *testing.T) {
			lines := []string{"devices 2"}
			c := newClocked(t, library, lines...)
			c.mustDevices()
			lines = append(lines, "gpu.0."+call+".return 1")
			for at := 1010.0; at < 1000+2*3600; at += 10 {
				c.at(at, lines...)
				_, _ = c.Read(gpuID(0), node.WantMemory)
				c.mustDevices()
				c.mustRead(gpuID(1), node.WantMemory)
			}
			if got := c.log.count("Opened NVML"); got < 5 || got > 9 {
				t.Errorf("opened %d times in two hours", got)
			}
		})
	}
}

// notFound: a GPU that the library does not find is a lost one.
func notFound(t *testing.T, library string) {
	b := newBench(t, library, "devices 2")
	b.mustDevices()
	b.rewrite("devices 2", "gpu.0.lost 28")
	for range 3 {
		if _, err := b.Read(gpuID(0), everything); !errors.Is(err, node.ErrDeviceLost) {
			t.Errorf("error %v, want a lost device", err)
		}
		b.mustDevices()
		b.mustRead(gpuID(1), everything)
	}
	if got := b.log.count("Opened NVML"); got != 1 {
		t.Errorf("opened %d times, want 1", got)
	}
}

// reopens: a library that has lost its state is opened again, at once where it says so itself.
func reopens(t *testing.T, library string) {
	c := newClocked(t, library)
	c.mustDevices()
	for i, code := range []int{1, 9} {
		at := 2000 + 1000*float64(i)
		c.at(at, fmt.Sprintf("gpu.0.memory_v2.return %d", code))
		if _, err := c.Read(gpuID(0), everything); err == nil || errors.Is(err, node.ErrDeviceLost) {
			t.Errorf("code %d: %v", code, err)
		}
		c.at(at)
		c.mustDevices()
		c.mustRead(gpuID(0), everything)
		c.at(at, "count.return 1")
		if _, err := c.Devices(); err == nil {
			t.Error("devices of a library that has lost its state")
		}
		c.at(at)
		c.mustDevices()
		c.mustRead(gpuID(0), everything)
	}
	if got := c.log.count("Opened NVML"); got != 5 {
		t.Errorf("opened %d times, want once and twice for each code", got)
	}
}

// withoutMinor: a GPU whose minor number cannot be told for now is not listed under another one; where there are none, the index
// stands for it.
func withoutMinor(t *testing.T, library string) {
	lines := []string{"devices 3", "gpu.1.minor 7", "gpu.2.minor.return 3"}
	b := newBench(t, library, append(lines, "gpu.1.minor.return 999")...)
	if got := named(b.mustDevices()); got != "0, 2" {
		t.Errorf("devices %q before the number is known", got)
	}
	b.rewrite(lines...)
	if got := named(b.mustDevices()); got != "0, 7, 2" {
		t.Errorf("devices %q after it", got)
	}
}
