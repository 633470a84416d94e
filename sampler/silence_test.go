package sampler

import (
	"testing"
	"time"

	"gpusignal/node"
)

// telling is a reading of a device that tells everything, n seconds after the first.
func telling(n int) node.Reading {
	r := node.Reading{
		At: epoch.Add(time.Duration(n) * time.Second), Memory: node.Some(node.Memory{Used: 1}),
		Utilization: node.Some(0.5), MemoryUtilization: node.Some(0.5), Ring: node.Some(node.Ring{Covered: time.Second, Spacing: time.Second / 6}),
		Power: node.Some(300.0), PowerLimit: node.Some(700.0), Temperature: node.Some(40.0), MemoryTemperature: node.Some(50.0),
		Energy: node.Some(int64(n)), Status: node.Status{Known: true, Fan: node.Some(0.5), SMClock: node.Some(1e9)},
		Processes: node.Some([]node.Process{{PID: 1}}), Activity: node.Some(node.Activity{Span: time.Second}),
	}
	r.Counters.Throttled[node.ThrottlePower] = node.Some(time.Duration(n))
	for u := range r.Activity.Value.Units {
		r.Activity.Value.Units[u] = node.Some(0.5)
	}
	return r
}

// silences are what a driver may stop to tell, each alone, and for how many seconds it lives on.
func silences() map[string]silence {
	const slow, status, processes = 5, 30, 15
	without := func(number func(*node.Reading) *node.Opt[float64]) func(*node.Reading) {
		return func(r *node.Reading) { *number(r) = node.Opt[float64]{} }
	}
	return map[string]silence{
		"memory": {slow, func(r *node.Reading) { r.Memory = node.Opt[node.Memory]{} }, func(s *node.DeviceState) bool {
			return s.Last.Memory.Known && s.MemoryPeak.Known
		}},
		"utilisation": {slow, without(func(r *node.Reading) *node.Opt[float64] { return &r.Utilization }), func(s *node.DeviceState) bool {
			return s.Last.Utilization.Known && s.Last.MemoryUtilization.Known && s.Utilization.Known && s.UtilizationPeak.Known
		}},
		"the ring": {slow, func(r *node.Reading) { r.Ring = node.Opt[node.Ring]{} }, func(s *node.DeviceState) bool { return s.Last.Ring.Known }},
		"utilisation of both kinds": {slow, func(r *node.Reading) {
			r.Utilization, r.Ring = node.Opt[float64]{}, node.Opt[node.Ring]{}
		}, func(s *node.DeviceState) bool { return s.Refresh.Known }},
		"all counters": {slow, func(r *node.Reading) {
			none := node.Opt[float64]{}
			r.Power, r.PowerLimit, r.Temperature, r.MemoryTemperature = none, none, none, none
			r.Energy, r.Counters = node.Opt[int64]{}, node.Counters{}
		}, func(s *node.DeviceState) bool {
			return s.Last.Power.Known && s.Last.Energy.Known && s.Last.Counters.Throttled[node.ThrottlePower].Known
		}},
		// What a batch no longer holds is gone at once: the rest of it is of now.
		"power":       {0, without(func(r *node.Reading) *node.Opt[float64] { return &r.Power }), func(s *node.DeviceState) bool { return s.Last.Power.Known }},
		"temperature": {0, without(func(r *node.Reading) *node.Opt[float64] { return &r.Temperature }), func(s *node.DeviceState) bool { return s.Last.Temperature.Known }},
		"activity": {slow, func(r *node.Reading) { r.Activity = node.Opt[node.Activity]{} }, func(s *node.DeviceState) bool {
			return s.Last.Activity.Known && s.Activity[node.UnitSM].Known
		}},
		"activity of one unit": {slow, without(func(r *node.Reading) *node.Opt[float64] { return &r.Activity.Value.Units[node.UnitSM] }), func(s *node.DeviceState) bool {
			return s.Activity[node.UnitSM].Known
		}},
		"status":    {status, func(r *node.Reading) { r.Status = node.Status{} }, func(s *node.DeviceState) bool { return s.Last.Status.Known }},
		"one clock": {0, without(func(r *node.Reading) *node.Opt[float64] { return &r.Status.SMClock }), func(s *node.DeviceState) bool { return s.Last.Status.SMClock.Known }},
		"processes": {processes, func(r *node.Reading) { r.Processes = node.Opt[[]node.Process]{} }, func(s *node.DeviceState) bool { return s.Last.Processes.Known }},
	}
}

type silence struct {
	grace int
	of    func(*node.Reading)
	known func(*node.DeviceState) bool
}

// Each part that a driver stops to tell is dropped after three of its own intervals, 5 s at least, while all others go on.
func TestEachPartFallsSilentAlone(t *testing.T) {
	const heard = 20
	everything := newPlan(100*time.Millisecond, time.Second)
	a := everything.due(epoch)
	a.want |= node.WantProcesses
	for name, test := range silences() {
		t.Run(name, func(t *testing.T) {
			d := newDevice(New(Config{Window: 3 * time.Second}), false)
			for n := range heard + 70 {
				r := telling(n)
				if n > heard {
					test.of(&r)
				}
				d.took(&r, a, 0)
				s := d.state(r.At)
				if want := n <= heard+test.grace; n >= heard && test.known(&s) != want {
					t.Errorf("%d s after it was last told: known %v, want %v", n-heard, !want, want)
				}
				for other, of := range silences() {
					if n >= heard && other == "memory" && name != other && !of.known(&s) {
						t.Errorf("%d s after: %s is gone too", n-heard, other)
					}
				}
			}
		})
	}
}

// When nothing is told any more, each part is dropped after its grace all the same: ages are those of the instant of the question.
func TestAllPartsFallSilent(t *testing.T) {
	d := newDevice(New(Config{Window: 3 * time.Second}), false)
	p := newPlan(100*time.Millisecond, time.Second)
	a := p.due(epoch)
	a.want |= node.WantProcesses
	const heard = 20
	for n := range heard + 1 {
		r := telling(n)
		d.took(&r, a, 0)
	}
	for name, test := range silences() {
		for _, after := range []int{0, max(test.grace, 5), max(test.grace, 5) + 1} {
			s := d.state(epoch.Add(time.Duration(heard+after) * time.Second))
			if want := after <= max(test.grace, 5); name != "one clock" && test.known(&s) != want {
				t.Errorf("%s, %d s after the last reading: known %v, want %v", name, after, !want, want)
			}
			if told := s.Told[node.PartStatus]; !told.Equal(epoch.Add(heard * time.Second)) {
				t.Errorf("status was told at %v", told)
			}
		}
	}
}

// Status and processes that are put off live longer, by their own intervals.
func TestGraceOfSeldomParts(t *testing.T) {
	p := newPlan(100*time.Millisecond, time.Second)
	if a := p.due(epoch); a.statusGrace != 30*time.Second || a.processGrace != 15*time.Second {
		t.Errorf("status lives %v, processes %v, want 30 s and 15 s", a.statusGrace, a.processGrace)
	}
	p.pace(1, 4)
	if a := p.due(epoch); a.statusGrace != time.Minute || a.processGrace != 30*time.Second {
		t.Errorf("put off: status lives %v, processes %v, want 60 s and 30 s", a.statusGrace, a.processGrace)
	}
}
