package sampler

import (
	"math"
	"testing"
	"time"

	"gpusignal/node"
)

// lane is the status of a link of one lane.
func lane(generation int) node.Status {
	return node.Status{Known: true, PCIeGeneration: node.Some(generation), PCIeWidth: node.Some(1)}
}

// Of a link's sources one counts at a time, and what two tell of does not count twice, in whatever order they tell of it.
func TestTraffic(t *testing.T) {
	type step struct {
		at    int // seconds
		count node.Opt[node.Count]
		bytes node.Opt[float64]
		span  int // seconds, 1 where it is left out
	}
	wide := func(v uint64) node.Opt[node.Count] { return node.Some(node.Count{Value: v, Bits: 64}) }
	narrow := func(v uint64) node.Opt[node.Count] { return node.Some(node.Count{Value: v, Bits: 32}) }
	bytes := node.Some[float64]
	none, some := node.Opt[uint64]{}, node.Some[uint64]
	for name, test := range map[string]struct {
		link  float64
		steps []step
		want  node.Opt[uint64]
	}{
		"neither":                {1e9, []step{{at: 1}, {at: 2}}, none},
		"a wide counter":         {0, []step{{at: 1, count: wide(5)}, {at: 2, count: wide(105), bytes: bytes(99)}}, some(100)},
		"a narrow counter alone": {1e9, []step{{at: 1, count: narrow(5)}, {at: 2, count: narrow(105)}}, some(100)},
		"a wrap":                 {1e9, []step{{at: 1, count: narrow(1<<32 - 5)}, {at: 2, count: narrow(95)}}, some(100)},
		"measured, and a narrow counter": {
			1e9,
			[]step{{at: 1, count: narrow(5)}, {at: 2, count: narrow(105), bytes: bytes(100)}, {at: 3, count: narrow(205), bytes: bytes(100.5)}},
			some(200),
		},
		"measured, then a wide counter": {
			0, []step{{at: 1, bytes: bytes(100)}, {at: 2, count: wide(105), bytes: bytes(0)}, {at: 3, count: wide(205), bytes: bytes(7)}}, some(200),
		},
		"measured alone": {0, []step{{at: 1}, {at: 2, bytes: bytes(0.6)}, {at: 3, bytes: bytes(0.6)}}, some(1)},
		"no number":      {0, []step{{at: 1, bytes: bytes(math.NaN())}, {at: 2, bytes: bytes(math.Inf(1))}, {at: 3, bytes: bytes(-1)}}, none},
		"measured no more": {
			1e8,
			[]step{{at: 1, count: narrow(0), bytes: bytes(100)}, {at: 2, count: narrow(50)}, {at: 7, count: narrow(300)}, {at: 8, count: narrow(400)}},
			some(500),
		},
		"measured again, of a time that was counted": {
			1e8,
			[]step{
				{at: 1, count: narrow(0), bytes: bytes(100)},
				{at: 7, count: narrow(600)},
				{at: 9, count: narrow(800), bytes: bytes(800), span: 8},
				{at: 10, count: narrow(900), bytes: bytes(100)},
			},
			some(1000),
		},
		"measured while the counter is not read, and no more": {
			1e8, []step{{at: 1, count: narrow(0)}, {at: 2, bytes: bytes(100)}, {at: 8, count: narrow(700)}, {at: 9, count: narrow(800)}}, some(200),
		},
		"measured again within the grace": {
			1e9,
			[]step{{at: 1, count: narrow(0), bytes: bytes(100)}, {at: 2, count: narrow(50)}, {at: 3, count: narrow(100), bytes: bytes(200), span: 2}},
			some(300),
		},
		"a link that wraps it unseen":    {5e9, []step{{at: 1, count: narrow(5)}, {at: 2, count: narrow(105)}}, none},
		"a link that is not known":       {0, []step{{at: 1, count: narrow(5)}, {at: 2, count: narrow(105)}}, none},
		"too long between two readings":  {1e9, []step{{at: 1, count: narrow(5)}, {at: 2, count: narrow(105)}, {at: 7, count: narrow(9)}}, none},
		"and known again after the next": {1e9, []step{{at: 1, count: narrow(5)}, {at: 7, count: narrow(9)}, {at: 8, count: narrow(19)}}, some(10)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, first := range []string{"measured", "counted"} {
				var c traffic
				for _, s := range test.steps {
					at, span := epoch.Add(time.Duration(s.at)*time.Second), time.Duration(max(s.span, 1))*time.Second
					if first == "measured" {
						c.measure(at, span, s.bytes)
					}
					c.count(at, s.count, test.link, 5*time.Second)
					if first == "counted" {
						c.measure(at, span, s.bytes)
					}
				}
				got := c.told()
				if !got.Known {
					got.Value = 0
				}
				if got != test.want {
					t.Errorf("%s first: total %v, want %v", first, got, test.want)
				}
			}
		})
	}
}

// The first second that hardware counters tell of is theirs, to the byte.
func TestTrafficOfTheFirstSecond(t *testing.T) {
	d := newDevice(New(Config{}), false)
	for n := range 3 {
		d.took(&node.Reading{
			At: epoch.Add(time.Duration(n) * time.Second), Status: lane(5),
			Counters: node.Counters{PCIeTx: node.Some(node.Count{Value: uint64(1000 * n), Bits: 32})},
			Activity: node.Opt[node.Activity]{Value: node.Activity{Span: time.Second, PCIeTx: node.Some(990.0)}, Known: n > 0},
		}, ask{slow: true, grace: 5 * time.Second}, 0)
	}
	if got := d.state(d.now.At).Totals.PCIeTx; got != node.Some[uint64](1980) {
		t.Errorf("total %v, want 1980", got)
	}
}

func TestLinkRate(t *testing.T) {
	for name, test := range map[string]struct {
		status node.Status
		want   float64
	}{
		"not told":                {node.Status{Known: true}, 0},
		"no width":                {node.Status{Known: true, PCIeGeneration: node.Some(4)}, 0},
		"generation 1, a lane":    {lane(1), .25e9},
		"generation 6, a lane":    {lane(6), 7.563e9},
		"a generation to come":    {lane(7), 0},
		"generation 4, 16 lanes":  {node.Status{PCIeGeneration: node.Some(4), PCIeWidth: node.Some(16)}, 16 * 1.969e9},
		"no generation at all: 0": {lane(0), 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := linkRate(&test.status); got != test.want {
				t.Errorf("rate %v, want %v", got, test.want)
			}
		})
	}
}

// The fastest that a link was seen at counts: one that saves power is slow for a while.
func TestFastestLinkCounts(t *testing.T) {
	d := newDevice(New(Config{}), false)
	for n, generation := range []int{6, 1, 1} {
		s := lane(generation)
		s.PCIeWidth = node.Some(4)
		d.took(&node.Reading{
			At: epoch.Add(time.Duration(n) * time.Second), Status: s,
			Counters: node.Counters{PCIeTx: node.Some(node.Count{Value: uint64(n), Bits: 32})},
		}, ask{slow: true, grace: 5 * time.Second}, 0)
	}
	if got := d.state(d.now.At).Totals.PCIeTx; got.Known {
		t.Errorf("total %v of a link that wraps its counter", got)
	}
}
