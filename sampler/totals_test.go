package sampler

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func TestTally(t *testing.T) {
	for name, test := range map[string]struct {
		bits   uint8
		values []uint64
		want   uint64
	}{
		"the first reading is no gain":      {64, []uint64{1000}, 0},
		"differences":                       {64, []uint64{1000, 1500, 1700}, 700},
		"a reset counts on from there":      {64, []uint64{1000, 1500, 20, 120}, 600},
		"beyond what a signed number holds": {64, []uint64{0, math.MaxUint64 - 1, math.MaxUint64}, math.MaxUint64},
		"a wrap of 32 bits":                 {32, []uint64{1<<32 - 100, 50}, 150},
		"wraps again and again":             {32, []uint64{0, 3 << 30, 2 << 30, 1 << 30, 0}, 4 * (3 << 30)},
		"a wrap of 48 bits":                 {48, []uint64{1<<48 - 1, 0}, 1},
		"a width that nobody told":          {0, []uint64{1000, 20, 30}, 10},
		"it stands still":                   {32, []uint64{7, 7, 7}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var c tally
			for _, v := range test.values {
				c.add(node.Count{Value: v, Bits: test.bits})
			}
			if got := c.told(); got != node.Some(test.want) {
				t.Errorf("total %v, want %d", got, test.want)
			}
		})
	}
	if (&tally{}).told().Known {
		t.Error("a counter that was never read is known")
	}
}

// reset of a driver makes narrow counters go back without a wrap; the energy counter, which never wraps, tells it.
func TestResetIsNoWrap(t *testing.T) {
	for name, test := range map[string]struct {
		energy []int64
		down   string
		want   uint64
	}{
		"a wrap":                             {[]int64{100, 200, 300}, "", 1<<32 - 400},
		"the driver was loaded again":        {[]int64{100, 200, 5}, "", 500},
		"the device was lost":                {[]int64{100, 200, 300}, downLost, 500},
		"the device was reset":               {[]int64{100, 200, 300}, downReset, 500},
		"a reading failed, and nothing more": {[]int64{100, 200, 300}, downError, 1<<32 - 400},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(New(Config{}), false)
			for i, v := range []uint64{1000, 1500, 600} {
				if i == 2 && test.down != "" {
					d.failed(test.down, nil, 0)
				}
				d.took(&node.Reading{
					At: epoch.Add(time.Duration(i) * time.Second), Energy: node.Some(test.energy[i]), Status: lane(1),
					Counters: node.Counters{PCIeTx: node.Some(node.Count{Value: v, Bits: 32})},
				}, ask{slow: true, grace: 5 * time.Second}, 0)
			}
			if got := d.state(d.now.At).Totals.PCIeTx; got != node.Some(test.want) {
				t.Errorf("total %v, want %d", got, test.want)
			}
		})
	}
}

// Every counter that a driver has comes out as the total that is its own.
func TestTotals(t *testing.T) {
	d := newDevice(New(Config{}), false)
	for i := range 3 {
		n := uint64(i)
		count := func(step uint64) node.Opt[node.Count] { return node.Some(node.Count{Value: 7 + step*n, Bits: 64}) }
		c := node.Counters{PCIeTx: count(1), PCIeRx: count(2), NVLinkTx: count(3), NVLinkRx: count(4), PCIeReplays: count(5)}
		c.Throttled[node.ThrottlePower] = node.Some(time.Duration(n) * time.Millisecond)
		c.Throttled[node.ThrottlePowerBrake] = node.Some(time.Hour)
		d.took(&node.Reading{
			At: epoch.Add(time.Duration(i) * time.Second), Counters: c,
			Ring: node.Opt[node.Ring]{Value: node.Ring{Samples: 6, Covered: time.Second}, Known: i > 0},
		}, ask{slow: true, grace: 5 * time.Second}, 0)
	}
	want := node.DeviceTotals{
		PCIeTx: node.Some[uint64](2), PCIeRx: node.Some[uint64](4), NVLinkTx: node.Some[uint64](6), NVLinkRx: node.Some[uint64](8),
		PCIeReplays: node.Some[uint64](10), RingSamples: 12,
	}
	want.Throttled[node.ThrottlePower], want.Throttled[node.ThrottlePowerBrake] = node.Some(2*time.Millisecond), node.Some[time.Duration](0)
	if diff := cmp.Diff(want, d.state(d.now.At).Totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// Samples of utilisation are those of the ring where there is one, else live readings, and of a MIG instance the share of each span.
func TestLevels(t *testing.T) {
	var told, live, share node.Distribution
	for range 10 {
		told.Add(0.2)
		live.Add(0.9)
		share.Add(0.4)
	}
	for name, test := range map[string]struct {
		instance bool
		lacks    node.Features
		ring     bool
		want     node.Distribution
	}{
		"a ring":                   {ring: true, want: told},
		"a ring that tells seldom": {},
		"no ring":                  {lacks: node.Features(0).With(node.FeatureRing), want: live},
		"an instance":              {instance: true, lacks: node.Features(0).With(node.FeatureRing), want: share},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(New(Config{}), test.instance)
			for n := range 10 {
				r := node.Reading{At: epoch.Add(time.Duration(n) * time.Second), Utilization: node.Some(0.9), Lacks: test.lacks}
				r.Calls = []node.Call{{Feature: node.FeatureUtilization}}
				r.Ring.Known = test.ring
				r.Ring.Value.Levels.Add(0.2)
				r.Activity = node.Some(node.Activity{Span: time.Second})
				r.Activity.Value.Units[node.UnitGraphics] = node.Some(0.4)
				d.took(&r, ask{slow: true, grace: 5 * time.Second}, 0)
			}
			if diff := cmp.Diff(test.want, d.state(epoch).Totals.Levels); diff != "" {
				t.Errorf("levels (-want +got):\n%s", diff)
			}
		})
	}
}

// Replays never wrap: a count that went back was reset.
func TestReplaysAreReset(t *testing.T) {
	var c totals
	for i, v := range []uint64{40, 50, 3} {
		replays := node.Some(node.Count{Value: v, Bits: 32})
		c.count(epoch.Add(time.Duration(i)*time.Second), &node.Counters{PCIeReplays: replays}, false, 5*time.Second)
	}
	if got := c.replays.told(); got != node.Some[uint64](10) {
		t.Errorf("replays %v, want 10", got)
	}
}
