package sampler

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"
)

// What hardware counters tell is integrated exactly, each unit by itself, and its mean is over the signal window.
func TestActivity(t *testing.T) {
	d := newDevice(New(Config{Window: 3 * time.Second}), false)
	take := func(n int, r node.Activity) {
		d.took(&node.Reading{At: epoch.Add(time.Duration(n) * time.Second), Activity: node.Some(r)}, ask{slow: true, grace: 5 * time.Second}, 0)
	}
	unit := func(graphics, tensor node.Opt[float64]) node.Activity {
		a := node.Activity{Span: time.Second, PCIeTx: node.Some(1000.0)}
		a.Units[node.UnitGraphics], a.Units[node.UnitTensor] = graphics, tensor
		return a
	}
	none := node.Opt[float64]{}
	take(1, unit(node.Some(1.0), none))
	take(2, unit(node.Some(0.5), node.Some(1.0/3)))
	if s := d.state(d.now.At); s.Activity[node.UnitGraphics].Known {
		t.Error("a mean before a whole window")
	}
	take(3, unit(node.Some(0.25), node.Some(1.0/3)))
	take(4, unit(node.Some(7.0), node.Some(math.NaN())))
	take(5, node.Activity{}) // No time.

	s := d.state(d.now.At)
	if got := s.Totals.ActivityObserved; got != node.Some(3*time.Second) {
		t.Errorf("observed %v, want 3s: what lacks a unit is not counted", got)
	}
	if got := s.Totals.Active[node.UnitGraphics]; got != node.Some(1750*time.Millisecond) {
		t.Errorf("graphics active for %v, want 1.75s", got)
	}
	if got := s.Totals.Active[node.UnitTensor]; got != node.Some(2*time.Second/3) {
		t.Errorf("tensor active for %v, want 0.67s", got)
	}
	if s.Totals.Active[node.UnitFP64].Known || s.Activity[node.UnitFP64].Known {
		t.Error("a unit that was never told of is known")
	}
	if got := s.Activity[node.UnitGraphics]; !got.Known || math.Abs(got.Value-1.75/3) > 1e-9 {
		t.Errorf("mean of graphics %v, want 0.58", got)
	}
	if got := s.Totals.PCIeTx; got != node.Some[uint64](4000) {
		t.Errorf("bytes %v, want 4000", got)
	}
	for n := 6; n <= 10; n++ { // It falls silent.
		d.took(&node.Reading{At: epoch.Add(time.Duration(n) * time.Second), Memory: node.Some(node.Memory{Used: 1})}, ask{slow: true, grace: 5 * time.Second}, 0)
	}
	s = d.state(d.now.At)
	if s.Activity[node.UnitGraphics].Known || s.Last.Activity.Known || !s.Totals.Active[node.UnitGraphics].Known {
		t.Errorf("after it fell silent: mean %v, last %v", s.Activity[node.UnitGraphics], s.Last.Activity)
	}
}

// Rounding to whole nanoseconds never adds up.
func TestActivityRounding(t *testing.T) {
	var a activity
	third := node.Activity{Span: time.Second}
	third.Units[node.UnitSM] = node.Some(1.0 / 3)
	for n := range 3000 {
		a.take(epoch.Add(time.Duration(n)*time.Second), &third)
	}
	if off := a.units[node.UnitSM].active - 1000*time.Second; off.Abs() > 2 {
		t.Errorf("active is %v off 1000 s", off)
	}
}

// The use of a MIG instance is what hardware counters tell, over the time that they tell of, and nothing before they do.
func TestInstanceUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const mig = node.DeviceID("MIG-a")
		reads := 0
		r := start(t, &fake{
			devices: func() ([]node.Device, error) {
				return []node.Device{{ID: gpu0}, {ID: mig, Parent: gpu0, GPUInstance: 1}}, nil
			},
			read: func(id node.DeviceID, want node.Want) (node.Reading, error) {
				out := reading(want, 1)
				if want&node.WantActivity == 0 || id != mig {
					return out, nil
				}
				// Four fifths of a second, then one and a fifth; one of six readings fails, and the next tells of its time too.
				reads++
				a := node.Activity{Span: []time.Duration{1200, 800}[reads%2] * time.Millisecond}
				a.Units[node.UnitGraphics] = node.Some(0.3)
				if reads%6 == 1 && reads > 1 {
					a.Span += 1200 * time.Millisecond
				}
				out.Activity = node.Opt[node.Activity]{Value: a, Known: reads > 1 && reads%6 != 0}
				return out, nil
			},
		})
		pass(61*time.Second + 50*time.Millisecond)
		var busy, observed time.Duration
		for _, u := range r.booked(mig) {
			busy += u.Busy
			observed += u.Observed
			if u.Observed > 0 && u.Peak != node.Some(0.3) || u.Divided {
				t.Fatalf("booked %+v", u)
			}
			if passed := u.To.Sub(r.booked(mig)[0].From); observed > passed {
				t.Fatalf("%v observed of %v", observed, passed)
			}
		}
		if short := 60*time.Second - observed; short > 1200*time.Millisecond {
			t.Errorf("%v observed of a minute", observed)
		}
		if off := busy - observed*3/10; off.Abs() > time.Microsecond {
			t.Errorf("busy %v of %v, want three tenths", busy, observed)
		}
		s := r.state(t, mig)
		if !s.Utilization.Known || math.Abs(s.Utilization.Value-0.3) > 1e-9 || !s.Last.Utilization.Known || s.Busy.Known {
			t.Errorf("state: utilisation %v, last %v, driver time %v", s.Utilization, s.Last.Utilization, s.Busy)
		}
	})
}

// A span that lacks a unit counts for none, so that active and observed time are of the same time; a unit that is told of no more
// holds the others up for a while only, and is not known then.
func TestActivityOfUnitsThatFail(t *testing.T) {
	a := activity{span: 3 * time.Second}
	told := func(n int, units ...node.Unit) (observed, graphics, tensor node.Opt[time.Duration]) {
		r := node.Activity{Span: time.Second}
		for _, u := range units {
			r.Units[u] = node.Some(0.5)
		}
		a.take(epoch.Add(time.Duration(n)*time.Second), &r)
		var out node.DeviceState
		a.enter(&out, epoch, time.Hour)
		return out.Totals.ActivityObserved, out.Totals.Active[node.UnitGraphics], out.Totals.Active[node.UnitTensor]
	}
	const half = time.Second / 2
	none := node.Opt[time.Duration]{}
	if observed, graphics, tensor := told(0); observed != none || graphics != none || tensor != none {
		t.Errorf("no unit: observed %v, graphics %v, tensor %v", observed, graphics, tensor)
	}
	for n := 1; n <= 20; n++ {
		units := []node.Unit{node.UnitGraphics, node.UnitTensor}
		counted, known := min(n, 4), true
		if n >= 5 { // From now on it fails, for ten spans without a count, and then the others go on.
			units = units[:1]
			counted, known = 4+max(0, n-14), n < 14
		}
		observed, graphics, tensor := told(n, units...)
		if observed.Value != 2*graphics.Value || observed.Value != time.Duration(counted)*time.Second {
			t.Errorf("span %d: observed %v, graphics %v, want %d s and half of it", n, observed, graphics, counted)
		}
		if tensor.Known != known || known && tensor.Value != time.Duration(counted)*half {
			t.Errorf("span %d: tensor %v, want known %v and half of %d s", n, tensor, known, counted)
		}
	}
}
