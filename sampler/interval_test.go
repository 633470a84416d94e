package sampler

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func TestMeter(t *testing.T) {
	some, none := node.Some[int64], node.Opt[int64]{}
	for name, test := range map[string]struct {
		readings []node.Opt[int64]
		want     int64
	}{
		"the first reading is no use":       {[]node.Opt[int64]{some(1000)}, 0},
		"differences":                       {[]node.Opt[int64]{some(1000), some(1500), some(1700)}, 700},
		"a reset counts on from there":      {[]node.Opt[int64]{some(1000), some(1500), some(20), some(120)}, 600},
		"a step back is not a whole life":   {[]node.Opt[int64]{some(1e15), some(1e15 - 1), some(1e15 + 9)}, 10},
		"an unknown reading loses nothing":  {[]node.Opt[int64]{some(1000), none, some(1700)}, 700},
		"a device that does not tell":       {[]node.Opt[int64]{none, none}, 0},
		"a counter that stands still is it": {[]node.Opt[int64]{some(5), some(5)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var i interval
			for n, r := range test.readings {
				i.meter(epoch.Add(time.Duration(n)*time.Second), r)
			}
			if i.energy != test.want {
				t.Errorf("energy %d, want %d", i.energy, test.want)
			}
		})
	}
}

func TestBookEndsAnInterval(t *testing.T) {
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var i interval
	i.begin(start)
	i.begin(start.Add(time.Second)) // It has begun.
	if _, ok := i.book(start, portion{}, node.Opt[node.Memory]{}); ok {
		t.Error("an interval without length was booked")
	}
	i.top(0.5)
	i.meter(start, node.Some[int64](100))
	i.meter(start.Add(2*time.Second), node.Some[int64](150))
	i.by, i.shared = node.Some([]node.Process{{PID: 1}}), true
	got, ok := i.book(start.Add(2*time.Second), portion{time.Second / 2, time.Second}, node.Some(node.Memory{Used: 9}))
	want := node.Use{
		From: start, To: start.Add(2 * time.Second), Busy: time.Second / 2, Observed: time.Second, Energy: 50, EnergyKnown: true,
		Peak: node.Some(0.5), Memory: node.Some[uint64](9),
		By: node.Some([]node.Process{{PID: 1}}), Shared: true,
	}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("booked %v (-want +got):\n%s", ok, diff)
	}
	i.meter(start.Add(3*time.Second), node.Some[int64](160))
	i.top(0.25)
	got, ok = i.book(start.Add(3*time.Second), portion{}, node.Opt[node.Memory]{})
	want = node.Use{From: start.Add(2 * time.Second), To: start.Add(3 * time.Second), Energy: 10, EnergyKnown: true}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("the next, of which nothing was told, booked %v (-want +got):\n%s", ok, diff)
	}
	got, ok = i.book(start.Add(4*time.Second), portion{0, 2 * time.Second}, node.Opt[node.Memory]{})
	want = node.Use{
		From: start.Add(2 * time.Second), To: start.Add(4 * time.Second), Observed: 2 * time.Second, EnergyKnown: true, Peak: node.Some(0.25),
	}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("the last, which tells of both, booked %v (-want +got):\n%s", ok, diff)
	}
}

// A device whose counter of energy was never read has no energy, which is not 0; one whose counter stands still has 0.
func TestEnergyIsKnownOnceItsCounterWasRead(t *testing.T) {
	start := time.Unix(100, 0)
	for name, meter := range map[string]node.Opt[int64]{"never read": {}, "read": node.Some[int64](7)} {
		var i interval
		i.begin(start)
		i.meter(start, meter)
		if use, _ := i.book(start.Add(time.Second), portion{}, node.Opt[node.Memory]{}); use.EnergyKnown != meter.Known || use.Energy != 0 {
			t.Errorf("%s: energy %d, known %v", name, use.Energy, use.EnergyKnown)
		}
	}
}

// What is told late is booked from when it began, so that it is seen who else may have had the device meanwhile.
func TestLateUseBeginsEarly(t *testing.T) {
	for name, instance := range map[string]bool{"energy": false, "activity": true} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(New(Config{}), instance)
			for n := range 32 {
				at := epoch.Add(time.Duration(n) * time.Second)
				told, span := n == 0 || n >= 30, time.Second // For half a minute the one source fails.
				if n == 30 {
					span = 30 * time.Second
				}
				r := node.Reading{At: at, Memory: node.Some(node.Memory{Used: 1})}
				if instance {
					r.Activity = node.Opt[node.Activity]{Value: node.Activity{Span: span}, Known: told && n > 0}
					r.Activity.Value.Units[node.UnitGraphics] = node.Some(0.5)
				} else {
					r.Energy = node.Opt[int64]{Value: int64(100 * n), Known: told}
				}
				d.pending = true
				use, booked := d.took(&r, ask{slow: true, grace: 5 * time.Second}, 0)
				from := at.Add(-time.Second)
				if n == 30 {
					from = epoch
				}
				if booked != (n > 0) || booked && !use.From.Equal(from) {
					t.Errorf("second %d: booked %v from %v, want from %v", n, booked, use.From, from)
				}
				if n == 30 && use.Energy != 3000 && use.Observed != 30*time.Second {
					t.Errorf("what came late is not in it: %+v", use)
				}
			}
		})
	}
}
