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
	if _, ok := i.book(start, portion{}, node.Opt[node.Memory]{}); ok {
		t.Error("an interval without length was booked")
	}
	i.top(0.5)
	i.meter(node.Some[int64](100))
	i.meter(node.Some[int64](150))
	i.by = []node.Process{{PID: 1}}
	got, ok := i.book(start.Add(2*time.Second), portion{time.Second / 2, time.Second}, node.Some(node.Memory{Used: 9}))
	want := node.Use{
		From: start, To: start.Add(2 * time.Second), Busy: time.Second / 2, Observed: time.Second, Energy: 50,
		Peak: node.Some(0.5), Memory: node.Some[uint64](9), By: []node.Process{{PID: 1}},
	}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("booked %v (-want +got):\n%s", ok, diff)
	}
	i.meter(node.Some[int64](160))
	i.top(0.25)
	got, ok = i.book(start.Add(3*time.Second), portion{}, node.Opt[node.Memory]{})
	want = node.Use{From: start.Add(2 * time.Second), To: start.Add(3 * time.Second), Energy: 10}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("the next, of which nothing was told, booked %v (-want +got):\n%s", ok, diff)
	}
	got, ok = i.book(start.Add(4*time.Second), portion{0, 2 * time.Second}, node.Opt[node.Memory]{})
	want = node.Use{
		From: start.Add(3 * time.Second), To: start.Add(4 * time.Second), Observed: 2 * time.Second, Peak: node.Some(0.25),
	}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("the last, which tells of both, booked %v (-want +got):\n%s", ok, diff)
	}
}
