package proof

import (
	"fmt"
	"math"
	"testing"
	"time"

	"gpusignal/nvml/cmd/hardware-check/load"
)

const msec = time.Millisecond

// scene is a load of two steps on a GPU of 100 W, 700 W in a burst, and a daemon that books it each second.
type scene struct {
	log    load.Log
	pages  []Page
	sights []Sight
}

// newScene makes one. What the daemon counts of busy time and of energy is multiplied by a factor.
func newScene(t *testing.T, busy, joules float64) scene {
	t.Helper()
	s := scene{}
	var all []load.Span
	at := 100 * second
	for _, name := range []string{"0 % of nothing", "50 % of 40 ms", "100 %"} {
		at += quiet
		s.log = append(s.log, load.Line{What: load.Began, Name: name, From: at, To: at + 8*second})
		for k := range 100 {
			from := at + time.Duration(k)*80*msec
			length := map[string]time.Duration{"0 % of nothing": 0, "50 % of 40 ms": 40 * msec, "100 %": 80 * msec}[name]
			if length > 0 {
				all = append(all, load.Span{From: from, To: from + length})
				s.log = append(s.log, load.Line{What: load.Burst, From: from, To: from + length, Host: from - 10*time.Microsecond})
			}
		}
		at += 8 * second
	}
	spans := load.Union(all)
	watts := func(until time.Duration) float64 { return 100*until.Seconds() + 600*spans.Busy(0, until).Seconds() }
	for p := 100 * second; p < at+quiet; p += 250 * msec {
		booked := p.Truncate(second)
		was := spans.Busy(0, booked).Seconds()
		s.pages = append(s.pages, on(t, p, map[string]float64{
			`gpusignal_device_booking_age_seconds{gpu_uuid="GPU-1"}`:                               (p - booked).Seconds(),
			`gpusignal_device_busy_seconds_total{gpu_uuid="GPU-1"}`:                                busy * was,
			`gpusignal_container_gpu_busy_seconds_total{gpu_uuid="GPU-1",attribution="exclusive"}`: busy * was,
			`gpusignal_device_energy_joules_total{gpu_uuid="GPU-1"}`:                               joules * watts(booked),
			`gpusignal_device_utilization_peak_ratio{gpu_uuid="GPU-1"}`:                            peak(spans, p-11*second, p),
		}))
	}
	for p := 99 * second; p < at+quiet; p += 500 * msec {
		period := p.Truncate(100 * msec)
		s.sights = append(s.sights, Sight{
			At: p, Live: new(100 * float64(spans.Busy(period-100*msec, period)) / float64(100*msec)), Energy: new(1e3 * watts(p)),
			Samples: []Sample{{uint64(p / time.Microsecond), 1}, {uint64((p + 100*msec) / time.Microsecond), 1}, {uint64((p + 200*msec) / time.Microsecond), 1}},
		})
	}
	return s
}

// peak of sample periods of 100 ms.
func peak(spans load.Spans, from, to time.Duration) float64 {
	_, most := spans.Peak(100*msec, from.Truncate(100*msec), to)
	return most
}

func (s scene) judge() map[string]Check {
	r := &run{gpu: GPU{UUID: uuid}, report: &Report{}}
	r.judgeTruth(s.log, s.pages, s.sights)
	out := map[string]Check{}
	for _, c := range r.report.Checks {
		out[c.Name] = c
	}
	return out
}

func TestTruthOfAnExactDaemon(t *testing.T) {
	checks := newScene(t, 1, 1).judge()
	if len(checks) != 3*2+4 {
		t.Fatalf("%d checks", len(checks))
	}
	for name, c := range checks {
		if c.Status != Passed {
			t.Errorf("%s: %s, %s %v", name, c.Status, c.Reason, c.Values)
		}
	}
	half := checks["busy seconds: 50 % of 40 ms"]
	if math.Abs(half.value("true_ratio")-0.5) > 1e-6 || math.Abs(half.value("counter_ratio")-0.5) > 1e-6 || half.value("each_1s_ratio") < 0 {
		t.Errorf("half %+v", half.Values)
	}
	energy := checks["energy is the driver's counter"]
	if math.Abs(energy.value("idle_w")-100) > 1 || math.Abs(energy.value("full_w")-700) > 1 || math.Abs(energy.value("by_duty_j")/energy.value("driver_j")-1) > 0.01 {
		t.Errorf("energy %+v", energy.Values)
	}
	if errors := checks["root mean square error over the steps, in points"]; errors.value("counter_points") > 1e-6 || errors.value("each_1s_points") <= 0 {
		t.Errorf("errors %+v", errors.Values)
	}
}

// TestTruthFindsErrors: a daemon that counts a twentieth too little fails where there is a load, and so does its energy.
func TestTruthFindsErrors(t *testing.T) {
	checks := newScene(t, 0.95, 1.05).judge()
	for name, want := range map[string]Status{
		"busy seconds: 0 % of nothing": Passed, "busy seconds: 50 % of 40 ms": Failed, "busy seconds: 100 %": Failed,
		"root mean square error over the steps, in points": Failed, "energy is the driver's counter": Failed,
		"all use of the GPU is its holder's": Passed, "the GPU's events and this machine's clock agree": Passed,
	} {
		if got := checks[name]; got.Status != want {
			t.Errorf("%s: %+v, want %s", name, got, want)
		}
	}
}

func TestTruthOfADaemonThatFellSilent(t *testing.T) {
	s := newScene(t, 1, 1)
	s.pages = s.pages[:8]
	for _, name := range []string{"busy seconds: 100 %", "peak: 100 %"} {
		if c := s.judge()[name]; c.Status != Failed {
			t.Errorf("%+v", c)
		}
	}
}

func TestPeakOutsideOfWhatCanBe(t *testing.T) {
	for peak, want := range map[float64]Status{0.2: Failed, 0.34: Passed, 0.45: Passed, 0.61: Passed, 0.7: Failed} {
		s := step{name: "a", known: true, least: 0.35, most: 0.6, peak: peak}
		if c := s.peakCheck(); c.Status != want {
			t.Errorf("peak %v: %+v, want %s", peak, c, want)
		}
	}
}

func TestUseOfAnother(t *testing.T) {
	if c := owned([]step{{counted: 4, owned: 4}, {counted: 2, owned: 1.5}}); c.Status != Failed {
		t.Errorf("half a second is nobody's: %+v", c)
	}
	if c := owned([]step{{}}); c.Status != Failed {
		t.Errorf("nothing was counted: %+v", c)
	}
}

func TestWithoutEnergy(t *testing.T) {
	s := newScene(t, 1, 1)
	for i := range s.sights {
		s.sights[i].Energy = nil
	}
	if c := s.judge()["energy is the driver's counter"]; c.Status != NotRun {
		t.Errorf("%+v", c)
	}
}

func TestLag(t *testing.T) {
	late := func(by time.Duration) load.Log {
		return load.Log{{What: load.Burst, Host: second, From: second + by, To: 2 * second}}
	}
	for by, want := range map[time.Duration]Status{20 * time.Microsecond: Passed, 3 * msec: Failed, -2 * msec: Failed, second: Failed} {
		if c := lag(late(by)); c.Status != want {
			t.Errorf("%v late: %+v, want %s", by, c, want)
		}
	}
}

// sharedPages are the first and the last page of two pods on one GPU.
func sharedPages(t *testing.T, a, b, split float64) []Page {
	t.Helper()
	key := func(pod, attribution string) string {
		return fmt.Sprintf(`gpusignal_container_gpu_busy_seconds_total{gpu_uuid="GPU-1",pod=%q,attribution=%q}`, pod, attribution)
	}
	const age = `gpusignal_device_booking_age_seconds{gpu_uuid="GPU-1"}`
	return []Page{on(t, 10*second, map[string]float64{age: 0}), on(t, 20*second, map[string]float64{
		key("sharer-0", "process"): a, key("sharer-1", "process"): b, key("sharer-0", "split"): split, age: 0,
	})}
}

func TestPodShares(t *testing.T) {
	spans := []load.Spans{{{From: 10 * second, To: 13 * second}}, {{From: 12 * second, To: 14 * second}}} // 2.5 s and 1.5 s
	r := &run{gpu: GPU{UUID: uuid}}
	for _, tc := range []struct {
		name        string
		a, b, split float64
		want        Status
	}{
		{"exact", 2.5, 1.5, 0, Passed},
		{"within", 2.8, 1.2, 0, Passed},
		{"the other way round", 1.5, 2.5, 0, Failed},
		{"only split", 0, 0, 4, Failed},
	} {
		c := r.podShares(spans, sharedPages(t, tc.a, tc.b, tc.split), 10*second, 20*second)
		if c.Status != tc.want || math.Abs(c.value("true_a_s")-2.5) > 1e-9 || c.value("split_s") != tc.split {
			t.Errorf("%s: %+v, want %s", tc.name, c, tc.want)
		}
	}
}

func TestReaderShares(t *testing.T) {
	spans := []load.Spans{{{From: 10 * second, To: 13 * second}}, {{From: 13 * second, To: 14 * second}}}
	sights := func(pids ...int) (out []Sight) {
		out = append(out, Sight{At: 10 * second, Processes: []Process{{PID: pids[0], Share: 1}}}, Sight{At: 12 * second})
		return append(out, Sight{At: 15 * second, Processes: []Process{{pids[0], 0.7}, {pids[1], 0.3}}})
	}
	for _, tc := range []struct {
		name   string
		sights []Sight
		want   Status
	}{
		{"told", sights(7, 8), Passed},
		{"swapped", sights(8, 7), Failed},
		{"PIDs of another namespace", sights(70, 80), NotRun},
		{"never read", nil, NotRun},
	} {
		c := readerShares(spans, []int{7, 8}, tc.sights, 9*second, 20*second)
		if c.Status != tc.want || tc.want == Passed && (c.value("readings") != 1 || math.Abs(c.value("true_ratio")-0.75) > 1e-9) {
			t.Errorf("%s: %+v, want %s", tc.name, c, tc.want)
		}
	}
}
