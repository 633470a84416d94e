//go:build cgo && linux

package nvml

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"gpusignal/node"
)

// A clocked bench has the library and the driver go by a clock that stands until it is set.
type clocked struct {
	*bench
	start time.Time
}

func newClocked(t *testing.T, library string, lines ...string) *clocked {
	t.Helper()
	c := &clocked{bench: newBench(t, library), start: time.Now()}
	c.at(1000, lines...)
	return c
}

// at sets the clock, in seconds, and the script.
func (c *clocked) at(seconds float64, lines ...string) {
	c.t.Helper()
	c.rewrite(append(lines, fmt.Sprintf("clock %.9f", seconds))...)
	c.now = func() time.Time { return c.start.Add(time.Duration(seconds * 1e9)) }
}

// burst is a load that is full in a share of each period and nothing in the rest of it.
type burst struct{ duty, period float64 }

func (l burst) lines() []string {
	return []string{fmt.Sprintf("gpu.0.duty %v", l.duty), fmt.Sprintf("gpu.0.period_ms %v", 1e3*l.period)}
}

// between is how long it was full between two instants, in seconds.
func (l burst) between(from, to float64) float64 {
	until := func(at float64) float64 {
		whole, rest := math.Modf(at / l.period)
		return l.period * (whole*l.duty + min(rest, l.duty))
	}
	return until(to) - until(from)
}

// ringTruth: whatever the driver's period and clock and however its ring is spoilt, use is the truth of the time covered, to within
// one period of the driver, and no more is covered than has passed.
func ringTruth(t *testing.T, library string) {
	load := burst{duty: 0.3, period: 2.7}
	for _, window := range []float64{1.0 / 6, 1} {
		for _, script := range []string{
			"gpu.0.ring.clock epoch", "gpu.0.ring.clock boot", "gpu.0.ring.garbage 1", "gpu.0.ring.idle empty", "gpu.0.ring.length 100",
		} {
			t.Run(fmt.Sprintf("%.3f s, %s", window, script), func(t *testing.T) {
				lines := append(load.lines(), script, fmt.Sprintf("gpu.0.window_ms %.9f", 1e3*window))
				c := newClocked(t, library, lines...)
				c.mustDevices()
				if got := c.mustRead(gpuID(0), node.WantRing); got.Ring.Known {
					t.Errorf("the first reading knows %+v", got.Ring.Value)
				}
				var told node.Ring
				at := 1000.0
				for i := range 300 {
					at += []float64{1, 0.9, 1.3, 0.8}[i%4]
					c.at(at, lines...)
					ring := c.mustRead(gpuID(0), node.WantRing).Ring
					told.Busy += ring.Value.Busy
					told.Covered += ring.Value.Covered
					if !ring.Known && !strings.Contains(script, "idle") {
						t.Fatalf("not known at %v", at)
					}
				}
				truth := load.between(1000, at)
				if off := told.Busy.Seconds() - truth; math.Abs(off) > window {
					t.Errorf("busy %v, truth %.3f s", told.Busy, truth)
				}
				passed := at - 1000
				if got := told.Covered.Seconds(); got > passed || !strings.Contains(script, "idle") && got < passed-window {
					t.Errorf("covered %.3f s of %.3f", got, passed)
				}
			})
		}
	}
}

// ringWraps: what the ring has lost while nobody read it stays open.
func ringWraps(t *testing.T, library string) {
	load := burst{duty: 0.5, period: 3}
	c := newClocked(t, library, load.lines()...)
	c.mustDevices()
	c.mustRead(gpuID(0), node.WantRing)
	c.at(1030, load.lines()...)
	got := c.mustRead(gpuID(0), node.WantRing).Ring
	if want := load.between(1018, 1030); math.Abs(got.Value.Busy.Seconds()-want) > 1.0/6 {
		t.Errorf("busy %v, truth %.3f s", got.Value.Busy, want)
	}
	if covered := got.Value.Covered.Round(time.Millisecond); covered != 12*time.Second || got.Value.Samples != 72 {
		t.Errorf("covered %v by %d samples, want 12 s by 72", covered, got.Value.Samples)
	}
}

// ringIdle: a ring that stands empty on an idle GPU is not known, so that live readings are taken instead; load after it counts
// from its beginning.
func ringIdle(t *testing.T, library string) {
	c := newClocked(t, library, "gpu.0.ring.idle empty", "gpu.0.duty 1")
	c.mustDevices()
	c.mustRead(gpuID(0), node.WantRing)
	for at := 1001.0; at < 1300; at++ {
		c.at(at, "gpu.0.ring.idle empty")
		reading := c.mustRead(gpuID(0), node.WantRing|node.WantUtilization)
		if reading.Ring.Known || reading.Utilization != node.Some(0.0) {
			t.Fatalf("idle at %v: %+v", at, reading)
		}
	}
	if got := c.log.count("fails to tell"); got != 0 {
		t.Errorf("told %d times that the ring fails", got)
	}
	c.at(1300, "gpu.0.ring.idle empty", "gpu.0.duty 1", "gpu.0.ring.from 1299.5")
	got := c.mustRead(gpuID(0), node.WantRing).Ring.Value
	if busy := got.Busy.Round(time.Millisecond); busy != 500*time.Millisecond || got.Busy != got.Covered {
		t.Errorf("after half a second of load %+v", got)
	}
}

// ringJumps: a driver that was loaded again, or stamps by another clock from then on, is followed, and nothing counts twice.
func ringJumps(t *testing.T, library string) {
	for _, tc := range []struct{ name, before, after string }{
		{"from the epoch to the start of the machine", "gpu.0.ring.clock epoch", "gpu.0.ring.clock boot"},
		{"from the start of the machine to the epoch", "gpu.0.ring.clock boot", "gpu.0.ring.clock epoch"},
		{"an hour ahead", "", "gpu.0.ring.shift_us 3600e6"},
		{"an hour back", "", "gpu.0.ring.shift_us -3600e6"},
		{"three seconds ahead", "", "gpu.0.ring.shift_us 3e6"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClocked(t, library, "gpu.0.duty 0.5", tc.before)
			c.mustDevices()
			var told node.Ring
			read := func(at float64, line string) {
				c.at(at, "gpu.0.duty 0.5", line)
				ring := c.mustRead(gpuID(0), node.WantRing).Ring.Value
				told.Busy += ring.Busy
				told.Covered += ring.Covered
			}
			for at := 1000.0; at < 1010; at++ {
				read(at, tc.before)
			}
			for at := 1010.0; at <= 1020; at++ {
				read(at, tc.after)
			}
			if told.Covered > 20*time.Second || told.Covered < 17*time.Second {
				t.Errorf("covered %v of 20 s", told.Covered)
			}
			if off := 2*told.Busy - told.Covered; off.Abs() > time.Millisecond {
				t.Errorf("busy %v of %v at a half", told.Busy, told.Covered)
			}
		})
	}
}

// ringLacks: what has no ring of its own says so, once, and is not asked again.
func ringLacks(t *testing.T, library string) {
	c := newClocked(t, library, "devices 2", "gpu.1.mig 0 1 0 1g.18gb 19 4")
	devices := c.mustDevices()
	for range 2 {
		for i, device := range devices {
			lacks := c.mustRead(device.ID, node.WantRing|node.WantMemory).Lacks.Has(node.FeatureRing)
			if want := i > 0; lacks != want {
				t.Errorf("device %s lacks a ring: %t, want %t", device.Label(), lacks, want)
			}
		}
	}
	if got := c.log.count("what=ring"); got != 2 {
		t.Errorf("logged %d times, want once for the GPU in MIG mode and once for its instance", got)
	}
}
