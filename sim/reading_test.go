package sim

import (
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"
)

// edges are where the ring and the counters end.
func (g *gpu) edges() (ring, counters time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ring.newest, g.settled
}

// What the ring, the counters of activity and the bytes add up to is what the log says happened, over the time they cover.
func TestCountersAgreeWithTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buf := newLogBuffer()
		g := newGPU(node.Device{ID: "GPU-a"}, newTruth(buf), 37*time.Millisecond, 5e11)
		g.kernels = training().vary(stream(1, "work"))
		p := g.place(process{pid: 1})
		var wg sync.WaitGroup
		wg.Go(func() {
			r := stream(1, "bursts")
			for range 700 {
				p.execute(between(r, 5*time.Millisecond, 90*time.Millisecond))
				time.Sleep(between(r, time.Millisecond, 140*time.Millisecond))
			}
		})
		time.Sleep(500 * time.Millisecond)
		const want = node.WantRing | node.WantActivity | node.WantCounters
		first := g.read(want)
		if first.Ring.Known || first.Activity.Known {
			t.Errorf("the first reading told of %+v and %+v", first.Ring, first.Activity)
		}
		ringFrom, from := g.edges()
		var ring node.Ring
		var graphics, sm, span, sent float64
		last := first
		for range 40 {
			time.Sleep(time.Second)
			last = g.read(want)
			ring.Busy += last.Ring.Value.Busy
			ring.Covered += last.Ring.Value.Covered
			ring.Samples += last.Ring.Value.Samples
			a := last.Activity.Value
			graphics += a.Units[node.UnitGraphics].Value * a.Span.Seconds()
			sm += a.Units[node.UnitSM].Value * a.Span.Seconds()
			span += a.Span.Seconds()
			sent += a.PCIeTx.Value
		}
		ringTo, to := g.edges()
		wg.Wait()
		g.halt()
		lines := buf.lines(t)

		if ring.Covered != ringTo.Sub(ringFrom) || ring.Samples < 230 {
			t.Errorf("the ring covered %v with %d samples, want %v", ring.Covered, ring.Samples, ringTo.Sub(ringFrom))
		}
		busy := time.Duration(busyBetween(lines, "GPU-a", ringFrom.UnixNano(), ringTo.UnixNano()))
		// Each sample is rounded to a percent of a sixth of a second.
		if off := (ring.Busy - busy).Abs(); off > time.Duration(ring.Samples)*samplePeriod/200/4 {
			t.Errorf("the ring adds up to %v, the log says %v", ring.Busy, busy)
		}
		exact := float64(busyBetween(lines, "GPU-a", from.UnixNano(), to.UnixNano())) / 1e9
		near := func(what string, got, want float64) {
			if math.Abs(got-want) > 1e-6*want {
				t.Errorf("%s: %v, the log makes it %v", what, got, want)
			}
		}
		near("span", span, to.Sub(from).Seconds())
		near("graphics", graphics, exact)
		near("sm", sm, exact*g.kernels.sm)
		near("bytes by activity", sent, exact*g.kernels.sent)
		near("bytes by counter", float64(last.Counters.PCIeTx.Value.Value-first.Counters.PCIeTx.Value.Value), exact*g.kernels.sent)
		near("bytes over NVLink", float64(last.Counters.NVLinkRx.Value.Value-first.Counters.NVLinkRx.Value.Value), exact*g.kernels.exchanged)
	})
}

// The ring has room for 72 samples: what is read later than 12 s lacks the rest, and says so by what it covers.
func TestRingWraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGPU(node.Device{ID: "GPU-a"}, nil, 0, 0)
		g.place(process{pid: 1}).execute(time.Hour)
		g.read(node.WantRing)
		if r := g.read(node.WantRing); r.Ring.Known {
			t.Errorf("nothing is new, and the ring says %+v", r.Ring)
		}
		time.Sleep(30 * time.Second)
		want := node.Some(node.Ring{Samples: 72, Covered: 72 * samplePeriod, Busy: 72 * samplePeriod, Peak: 1, Spacing: samplePeriod})
		want.Value.Levels = node.Distribution{Counts: [node.Levels]uint64{node.Levels - 1: 72}, Sum: 72}
		if r := g.read(node.WantRing); r.Ring != want {
			t.Errorf("after 30 s: %+v, want %+v", r.Ring, want)
		}
		time.Sleep(time.Second)
		if r := g.read(node.WantRing); r.Ring.Value.Samples != 6 {
			t.Errorf("a second later: %+v", r.Ring)
		}
		g.halt()
	})
}

func TestReadingHasWhatWasWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGPU(node.Device{ID: "GPU-a"}, nil, 0, 0)
		if r := g.read(node.WantMemory); r.Lacks != 0 {
			t.Errorf("it lacks %b before it was asked", r.Lacks)
		}
		idle := g.read(node.WantStatus | node.WantUtilization)
		if s := idle.Status; !s.Known || s.SMClock != node.Some(idleClock) || s.Fan.Known || s.PCIeWidth != node.Some(16) {
			t.Errorf("an idle board says %+v", s)
		}
		if len(idle.Calls) != 2 || idle.Calls[0].Feature != node.FeatureUtilization || idle.Calls[1].Feature != node.FeatureClocks {
			t.Errorf("calls %+v", idle.Calls)
		}
		if !idle.Lacks.Has(node.FeatureFan) || !idle.Lacks.Has(node.FeatureRetiredPages) || idle.Lacks.Has(node.FeatureActivity) {
			t.Errorf("it lacks %b", idle.Lacks)
		}
		g.place(process{pid: 1}).execute(time.Minute)
		time.Sleep(time.Second)
		if s := g.read(node.WantStatus).Status; s.SMClock != node.Some(boostClock) {
			t.Errorf("a busy board runs at %v", s.SMClock)
		}
		if r := g.read(node.WantMemory); r.Status.Known || r.Lacks != idle.Lacks || r.Counters != (node.Counters{}) || r.Ring.Known || len(r.Calls) != 1 {
			t.Errorf("only memory was wanted: %+v", r)
		}
		if r := g.read(node.WantCounters); !r.Counters.Throttled[node.ThrottlePower].Known || !r.Counters.PCIeReplays.Known || r.Status.Known {
			t.Errorf("only counters were wanted: %+v", r)
		}
		g.read(node.WantActivity)
		time.Sleep(50 * time.Millisecond)
		if r := g.read(node.WantActivity); r.Activity.Known {
			t.Errorf("activity of %v", r.Activity.Value.Span)
		}
		time.Sleep(100 * time.Millisecond)
		if r := g.read(node.WantActivity); !r.Activity.Known || r.Activity.Value.Units[node.UnitGraphics] != node.Some(1.0) {
			t.Errorf("activity of a busy board: %+v", r.Activity)
		}
		g.halt()
	})
}
