package main

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSpread(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[len(hundred)-1-i] = float64(i + 1)
	}
	for _, tc := range []struct {
		name   string
		values []float64
		want   *Spread
	}{
		{"none", nil, nil},
		{"one", []float64{7}, &Spread{1, 7, 7, 7, 7, 7}},
		{"two", []float64{3, 1}, &Spread{2, 1, 2, 1, 3, 3}},
		{"a hundred, unsorted", hundred, &Spread{100, 1, 50.5, 50, 99, 100}},
		{"one of a hundred and one is slow", append([]float64{1e6}, hundred...), &Spread{101, 1, (5050 + 1e6) / 101, 51, 100, 1e6}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, spread(tc.values)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := deviation([]float64{2, 4, 4, 4, 5, 5, 7, 9}); got != 2 {
		t.Errorf("deviation = %v, want 2", got)
	}
	if got := deviation(nil); got != 0 {
		t.Errorf("deviation of nothing = %v", got)
	}
}

func TestRingKind(t *testing.T) {
	for _, tc := range []struct {
		name    string
		samples []sample
		percent bool
		want    RingKind
	}{
		{name: "empty", want: RingKind{}},
		{
			name: "in order", percent: true,
			samples: []sample{{1_000_000, 10}, {1_200_000, 20}, {1_300_000, 100}},
			want:    RingKind{Entries: 3, Span: 0.3, Spacing: &Spread{2, 100, 150, 100, 200, 200}},
		},
		{
			name: "garbage", percent: true,
			samples: []sample{{2_000_000, 1}, {1_000_000, 1}, {0, 50}, {2_000_000, 1}, {9_000_000, 101}, {8_000_000, math.MaxUint32}},
			want:    RingKind{Entries: 6, Zero: 1, Over: 2, Unsorted: 3, Repeated: 1, Span: 1, Spacing: &Spread{1, 1000, 1000, 1000, 1000, 1000}},
		},
		{name: "no percentage", samples: []sample{{1, 250_000}}, want: RingKind{Entries: 1}},
		{name: "garbage alone", percent: true, samples: []sample{{0, 0}, {5, 200}}, want: RingKind{Entries: 2, Zero: 1, Over: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, ringKind("", tc.samples, tc.percent)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDomain(t *testing.T) {
	const day = 24 * time.Hour
	clocks := map[string]time.Duration{"realtime": 20000 * day, "boottime": 10 * day, "monotonic": 3 * day}
	never := map[string]time.Duration{"realtime": 20000 * day, "boottime": 10 * day, "monotonic": 10*day - time.Millisecond}
	for _, tc := range []struct {
		name   string
		stamp  time.Duration
		clocks map[string]time.Duration
		want   string
	}{
		{"of the epoch", 20000*day - 300*time.Millisecond, clocks, "realtime"},
		{"a little ahead", 20000*day + 300*time.Millisecond, clocks, "realtime"},
		{"since boot", 10 * day, clocks, "boottime"},
		{"since boot without sleep", 3 * day, clocks, "monotonic"},
		{"a machine that never slept", 10 * day, never, "boottime or monotonic"},
		{"an old entry of an idle ring", 20000*day - time.Minute, clocks, "nearest: realtime"},
		{"no clock", 0, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := domain(ages(uint64(tc.stamp.Microseconds()), tc.clocks)); got != tc.want {
				t.Errorf("domain = %q, want %q", got, tc.want)
			}
		})
	}
	for domain, want := range map[string]string{"realtime": "realtime", "boottime or monotonic": "boottime", "nearest: realtime": "realtime", "": ""} {
		if got, known := nearest(domain); got != want || known != (want != "") {
			t.Errorf("nearest(%q) = %q, %t", domain, got, known)
		}
	}
}

func TestIntegral(t *testing.T) {
	for _, tc := range []struct {
		name          string
		samples       []sample
		from          uint64
		busy, covered time.Duration
	}{
		{"nothing", nil, 5, 0, 0},
		{"half of a second", []sample{{2_000_000, 50}}, 1_000_000, time.Second / 2, time.Second},
		{"unsorted, a repeat", []sample{{3_000_000, 100}, {2_000_000, 0}, {3_000_000, 100}}, 1_000_000, time.Second, 2 * time.Second},
		{"garbage and what was seen", []sample{{0, 100}, {1_000_000, 100}, {1_500_000, 101}, {2_000_000, 10}}, 1_000_000, 100 * time.Millisecond, time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			busy, covered := integral(tc.samples, tc.from)
			if busy != tc.busy || covered != tc.covered {
				t.Errorf("integral = %v of %v, want %v of %v", busy, covered, tc.busy, tc.covered)
			}
		})
	}
}

func TestRenewal(t *testing.T) {
	ms := func(n ...int) (out []time.Duration) {
		for _, n := range n {
			out = append(out, time.Duration(n)*time.Millisecond)
		}
		return out
	}
	for _, tc := range []struct {
		name string
		in   series
		want Reading
	}{
		{"nothing read", series{}, Reading{}},
		{
			"did not change",
			series{ms(0, 10, 20), []float64{5, 5, 5}},
			Reading{Reads: 3, Every: &Spread{2, 10, 10, 10, 10, 10}, Distinct: 1, Least: 5, Most: 5},
		},
		{
			"changed once: no interval",
			series{ms(0, 10, 20), []float64{5, 6, 6}},
			Reading{Reads: 3, Every: &Spread{2, 10, 10, 10, 10, 10}, Distinct: 2, Changes: 1, Least: 5, Most: 6},
		},
		{
			"to and fro",
			series{ms(0, 10, 20, 30, 40, 50), []float64{1, 2, 2, 2, 1, 3}},
			Reading{Reads: 6, Every: &Spread{5, 10, 10, 10, 10, 10}, Distinct: 3, Changes: 3, Renewed: &Spread{2, 10, 20, 10, 30, 30}, Least: 1, Most: 3},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, renewal(tc.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWithin(t *testing.T) {
	at := func(n int) time.Time { return time.Unix(0, 0).Add(time.Duration(n) * time.Second) }
	in := span{at(10), at(20)}
	for _, tc := range []struct {
		name  string
		spans []span
		want  time.Duration
	}{
		{"none", nil, 0},
		{"inside", []span{{at(11), at(12)}, {at(13), at(15)}}, 3 * time.Second},
		{"over both edges", []span{{at(5), at(11)}, {at(19), at(25)}}, 2 * time.Second},
		{"around it", []span{{at(0), at(100)}}, 10 * time.Second},
		{"outside", []span{{at(0), at(9)}, {at(21), at(22)}}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := within(tc.spans, in); got != tc.want {
				t.Errorf("within = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestWallShare(t *testing.T) {
	mean := func(name string, µs float64) Round { return Round{Name: name, Took: &Spread{Mean: µs}} }
	all := []Round{mean("tick", 20), mean("slow tick", 520), mean("status tick", 1520), mean("full set", 9999)}
	got := wallShare(all)
	if got == nil {
		t.Fatal("no share")
	}
	// Ten ticks of 20 µs, 500 µs more each second, 1 ms more each ten.
	if diff := cmp.Diff(0.0002+0.0005+0.0001, *got, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Error(diff)
	}
	if got := wallShare([]Round{all[0], {Name: "slow tick"}, all[2]}); got != nil {
		t.Errorf("without slow ticks the share is %v", *got)
	}
}
