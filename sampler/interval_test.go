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
			for _, r := range test.readings {
				i.meter(r)
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
	if _, ok := i.book(start, node.Opt[node.Memory]{}); ok {
		t.Error("an interval without length was booked")
	}
	i.observe(0.5, time.Second)
	i.top(0.5)
	i.meter(node.Some[int64](100))
	i.meter(node.Some[int64](150))
	i.by = []node.Process{{PID: 1}}
	got, ok := i.book(start.Add(2*time.Second), node.Some(node.Memory{Used: 9}))
	want := node.Use{
		From: start, To: start.Add(2 * time.Second), Busy: time.Second / 2, Observed: time.Second, Energy: 50,
		Peak: node.Some(0.5), Memory: node.Some[uint64](9), By: []node.Process{{PID: 1}},
	}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("booked %v (-want +got):\n%s", ok, diff)
	}
	i.meter(node.Some[int64](160))
	got, ok = i.book(start.Add(3*time.Second), node.Opt[node.Memory]{})
	want = node.Use{From: start.Add(2 * time.Second), To: start.Add(3 * time.Second), Energy: 10}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("the next, booked %v (-want +got):\n%s", ok, diff)
	}
}

// Rounding never makes a device busier than it was observed, and never adds up.
func TestObserveRounding(t *testing.T) {
	var i interval
	var exact float64
	for n := range 1_000_000 {
		u, d := float64(n%101)/100, 99_999_999+time.Duration(n%7)
		busy := i.busy
		i.observe(u, d)
		if i.busy-busy > d {
			t.Fatalf("step %d: busy %v of %v", n, i.busy-busy, d)
		}
		exact += u * float64(d)
	}
	if off := float64(i.busy) - exact; off > 1e3 || off < -1e3 { // exact itself is a sum of a million floats.
		t.Errorf("busy is %.0f ns off", off)
	}
}

func TestEvery(t *testing.T) {
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	e := every{period: time.Second}
	for _, step := range []struct {
		at   time.Duration
		want bool
	}{
		{0, true},
		{100 * time.Millisecond, false},
		{960 * time.Millisecond, true}, // A little early is on time.
		{1060 * time.Millisecond, false},
		{2300 * time.Millisecond, true}, // Late, and the grid stands still.
		{3000 * time.Millisecond, true},
		{9500 * time.Millisecond, true}, // Missed ones are not made up for.
		{9600 * time.Millisecond, false},
		{10500 * time.Millisecond, true},
	} {
		if got := e.due(start.Add(step.at), 50*time.Millisecond); got != step.want {
			t.Errorf("at %v: due %v, want %v", step.at, got, step.want)
		}
	}
}

// What a source stops telling is dropped after its grace, while the rest goes on.
func TestCountersFallSilent(t *testing.T) {
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	d := newDevice(3*time.Second, time.Second, 5*time.Second)
	for n := range 10 {
		r := node.Reading{At: start.Add(time.Duration(n) * time.Second), Memory: node.Some(node.Memory{Used: 1})}
		if n == 0 {
			r.Power, r.Energy = node.Some(300.0), node.Some[int64](1)
		}
		d.took(r, node.WantMemory|node.WantCounters, 0)
		if got, want := d.state.Load().Last.Power.Known, n <= 5; got != want {
			t.Errorf("%d s after the only reading of power: known %v, want %v", n, got, want)
		}
	}
}
