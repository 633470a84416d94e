package sampler

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gpusignal/node"
)

// epoch is where the tests' time begins.
var epoch = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// play plays a driver to a merge, with a booking each second, and calls each with the time since the first reading, what was booked and the sum of that. Ring and live say whether the driver answers then.
func play(m *ringModel, span time.Duration, ring, live func(time.Duration) bool, each func(passed time.Duration, p, sum portion)) {
	var g merge
	var sum portion
	var first, last time.Duration
	since := false
	rare := max(m.rare, 1)
	g.pace(time.Duration(rare) * 100 * time.Millisecond)
	for tick := range int(span / (100 * time.Millisecond)) {
		at := time.Duration(tick)*100*time.Millisecond + 5*time.Second
		if m.jitter > 0 {
			at += time.Duration(m.rand.IntN(60)) * time.Millisecond
		}
		m.advance(at)
		g.begin(epoch.Add(at))
		if tick%rare == 0 && live(at) {
			if d := at - last; since && d <= max(time.Second, time.Duration(rare)*300*time.Millisecond) {
				g.observe(m.value, d)
			}
			last, since = at, true
		}
		if tick%10 != 0 {
			continue
		}
		var r node.Opt[node.Ring]
		if ring(at) {
			r = m.since()
		}
		if tick == 0 {
			first = at
			continue
		}
		p := g.book(epoch.Add(at), r, 1500*time.Millisecond)
		sum = portion{sum.busy + p.busy, sum.observed + p.observed}
		each(at-first, p, sum)
	}
}

func always(time.Duration) bool { return true }
func never(time.Duration) bool  { return false }

// sometimes is a function that is true and false for random whiles.
func sometimes(r *rand.Rand, yes, no time.Duration) func(time.Duration) bool {
	var until time.Duration
	state := false
	return func(at time.Duration) bool {
		for at >= until {
			state = !state
			mean := no
			if state {
				mean = yes
			}
			until += time.Duration(r.ExpFloat64() * float64(mean))
		}
		return state
	}
}

// Whatever the ring and the live readings do, no more is busy than observed, and no more observed than time has passed; and
// where the load is steady and something always tells of it, the sums are the truth within one step of the driver, whenever
// something was booked.
func TestMergeOfRandomDrivers(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		u := float64(r.IntN(101)) / 100
		m := &ringModel{
			rand: r, busy: steady(u), period: []time.Duration{100, 167, 500, 1000}[r.IntN(4)] * time.Millisecond,
			jitter: time.Duration(r.Int64N(int64(time.Second))), lag: time.Duration(r.Int64N(int64(time.Second / 4))),
		}
		if seed%2 == 1 {
			m.rare = 16 // The board is read less often.
		}
		ring, live := always, always
		switch seed % 5 {
		case 1:
			ring = sometimes(r, 5*time.Second, 3*time.Second)
		case 2:
			m.empty = sometimes(r, 5*time.Second, 5*time.Second)
		case 3:
			ring, m.empty = sometimes(r, 9*time.Second, 4*time.Second), sometimes(r, 30*time.Second, 9*time.Second)
		case 4:
			ring, live = sometimes(r, 5*time.Second, 3*time.Second), sometimes(r, 20*time.Second, 6*time.Second)
		}
		whole := seed%5 != 4 // Something tells of all the time.
		// A step: a sample, how late it can be told, and the distance of live readings.
		step := m.jitter + m.lag + m.period + 60*time.Millisecond + time.Duration(max(1, m.rare))*100*time.Millisecond
		span := 5 * time.Minute
		if seed < 40 {
			span = time.Hour // Nothing adds up in the long run.
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			play(m, span, ring, live, func(passed time.Duration, p, sum portion) {
				missing := passed - sum.observed
				off := time.Duration(u*float64(passed)) - sum.busy
				switch {
				case p.busy < 0 || p.busy > p.observed:
					t.Fatalf("after %v: busy %v of %v", passed, p.busy, p.observed)
				case missing < 0:
					t.Fatalf("after %v: %v observed", passed, sum.observed)
				case whole && p.observed > 0 && missing > step:
					t.Fatalf("after %v: %v not observed, a step is %v", passed, missing, step)
				case whole && p.observed > 0 && off.Abs() > step:
					t.Fatalf("after %v: busy %v is %v off the truth, a step is %v", passed, sum.busy, off, step)
				case whole && missing > step+1500*time.Millisecond:
					t.Fatalf("after %v: %v not observed while the ring is waited for", passed, missing)
				}
			})
		})
	}
}

// Rounding never makes a device busier than it was observed, and never adds up.
func TestObserveRounding(t *testing.T) {
	var m merge
	var exact float64
	for n := range 1_000_000 {
		u, d := float64(n%101)/100, 99_999_999+time.Duration(n%7)
		busy := m.live.busy
		m.observe(u, d)
		if m.live.busy-busy > d {
			t.Fatalf("step %d: busy %v of %v", n, m.live.busy-busy, d)
		}
		exact += u * float64(d)
	}
	if off := float64(m.live.busy) - exact; off > 1e3 || off < -1e3 { // exact itself is a sum of a million floats.
		t.Errorf("busy is %.0f ns off", off)
	}
}

// What each booking is worth, where the ring and live readings agree, disagree and fall silent. Live readings tell of the
// whole time since the last booking unless a step says otherwise.
func TestMerge(t *testing.T) {
	const s = time.Second
	type step struct {
		at         time.Duration
		live       float64 // utilisation by live readings
		blind      bool    // there were none
		empty      bool    // the ring says that nothing is due
		ring       node.Ring
		busy, seen time.Duration // wanted
	}
	ring := func(busy, covered time.Duration) node.Ring {
		return node.Ring{Busy: busy, Covered: covered, Samples: 5, Spacing: 200 * time.Millisecond}
	}
	for name, steps := range map[string][]step{
		"live alone": {
			{at: s, live: 0.5, busy: s / 2, seen: s}, {at: 2 * s, live: 1, busy: s, seen: s},
		},
		"the ring counts where it tells": {
			{at: s, live: 0.5, busy: s / 2, seen: s},
			{at: 2 * s, live: 0.5, ring: ring(s/4, s), busy: s / 4, seen: s},
			{at: 3 * s, live: 0.5, ring: ring(9*s/10, 9*s/10), busy: 9 * s / 10, seen: 9 * s / 10},
			{at: 4 * s, live: 0.5, ring: ring(0, 11*s/10), busy: 0, seen: 11 * s / 10},
		},
		"a sample that comes late is waited for": {
			{at: s, live: 0, ring: ring(s, s), busy: s, seen: s},
			{at: 2 * s, live: 0},
			{at: 3 * s, live: 0, ring: ring(2*s, 2*s), busy: 2 * s, seen: 2 * s},
		},
		"a ring that says that nothing is due is believed": {
			{at: s, live: 1, ring: ring(0, s), busy: 0, seen: s},
			{at: 2 * s, live: 1, empty: true},
			{at: 3 * s, live: 1, empty: true},
			{at: 4 * s, live: 1, empty: true},
			{at: 5 * s, live: 1, ring: ring(s, 4*s), busy: s, seen: 4 * s},
		},
		"but not for ever": {
			{at: s, live: 0, ring: ring(s, s), busy: s, seen: s},
			{at: 2 * s, live: 0, empty: true},
			{at: 3 * s, live: 0, empty: true},
			{at: 4 * s, live: 0, empty: true},
			{at: 5 * s, live: 0, empty: true, busy: 0, seen: 4 * s},
		},
		"a ring that fell silent is waited for once": {
			{at: s, live: 0, ring: ring(s, s), busy: s, seen: s},
			{at: 2 * s, live: 1},
			{at: 3 * s, live: 1, busy: 2 * s, seen: 2 * s},
			{at: 4 * s, live: 1, busy: s, seen: s},
		},
		"a ring that comes back tells of what was booked": {
			{at: s, live: 0.5, ring: ring(s/2, s), busy: s / 2, seen: s},
			{at: 2 * s, live: 0.5},
			{at: 3 * s, live: 0.5, busy: s, seen: 2 * s},
			{at: 4 * s, live: 0.5, busy: s / 2, seen: s},
			{at: 5 * s, live: 0.5, ring: ring(22*s/10, 4*s), busy: 7 * s / 10, seen: s}, // 1.5 s of 2.2 are told.
			{at: 6 * s, live: 0.5, ring: ring(3*s/10, 12*s/10), busy: s / 4, seen: s},   // That is settled.
		},
		"what it tells again is the newest of what was booked": {
			{at: s, live: 1, ring: ring(s, s), busy: s, seen: s},
			{at: 101 * s, live: 1, busy: 100 * s, seen: 100 * s},
			{at: 121 * s, live: 0, busy: 0, seen: 20 * s},
			{at: 122 * s, live: 1, ring: ring(s, 13*s), busy: s, seen: s},
		},
		"never less than nothing": {
			{at: s, live: 1, ring: ring(s, s), busy: s, seen: s},
			{at: 2 * s, live: 1},
			{at: 3 * s, live: 1, busy: 2 * s, seen: 2 * s},
			{at: 4 * s, live: 0, ring: ring(s, 3*s), busy: 0, seen: s},
			{at: 5 * s, live: 0, ring: ring(s, s), busy: s, seen: s},
		},
		"never more than was open": {
			{at: s, live: 0, ring: ring(0, s), busy: 0, seen: s},
			{at: 2 * s, live: 0},
			{at: 3 * s, live: 0, busy: 0, seen: 2 * s},
			{at: 4 * s, live: 0, ring: ring(3*s, 3*s), busy: s, seen: s},
		},
		"before the first reading there is no time": {
			{at: s, live: 1, ring: ring(2*s, 4*s), busy: s / 2, seen: s},
		},
		"an empty ring is filled by live readings, but for its newest step": {
			{at: s, live: 0, ring: ring(s, s), busy: s, seen: s},
			{at: 2 * s, live: 0},
			{at: 3 * s, live: 0, busy: 0, seen: 2 * s},
			{at: 4 * s, live: 0.4, ring: ring(2*s/5, 2*s/5), busy: 2 * s / 5, seen: 4 * s / 5},
			{at: 5 * s, live: 0.4, ring: ring(s, 8*s/5), busy: s, seen: 6 * s / 5}, // Of what was filled too: that was idle.
		},
		"what nobody saw is not observed, and the ring cannot tell of it twice": {
			{at: s, live: 0.5, ring: ring(s/2, s), busy: s / 2, seen: s},
			{at: 60 * s, blind: true, ring: ring(12*s, 12*s), busy: 12 * s, seen: 12 * s},
			{at: 61 * s, live: 1, ring: ring(3*s, 3*s), busy: 12 * s / 10, seen: 12 * s / 10},
		},
		"a ring that says more than it covers": {
			{at: s, live: 0, ring: ring(3*s, s), busy: s, seen: s}, {at: 2 * s, live: 0, ring: ring(-s, s), busy: 0, seen: s},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var m merge
			m.begin(epoch)
			last := time.Duration(0)
			for _, step := range steps {
				if !step.blind {
					m.observe(step.live, step.at-last)
				}
				last = step.at
				r := node.Opt[node.Ring]{Value: step.ring, Known: step.ring.Covered > 0 || step.empty}
				got := m.book(epoch.Add(step.at), r, 3*s/2)
				if want := (portion{step.busy, step.seen}); got != want {
					t.Fatalf("at %v: booked %v, want %v", step.at, got, want)
				}
			}
		})
	}
}
