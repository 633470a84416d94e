package proof

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// observed are pages each second: the age of the bookings, and the observed seconds on each; below 0 the page has neither.
func observed(t *testing.T, counters ...[2]float64) []Page {
	t.Helper()
	var out []Page
	for i, c := range counters {
		lines := map[string]float64{}
		if c[1] >= 0 {
			lines[`gpusignal_device_booking_age_seconds{gpu_uuid="GPU-1"}`] = c[0]
			lines[`gpusignal_device_observed_seconds_total{gpu_uuid="GPU-1"}`] = c[1]
		}
		out = append(out, on(t, time.Duration(i+1)*second, lines))
	}
	return out
}

func TestGaps(t *testing.T) {
	for _, tc := range []struct {
		name     string
		counters [][2]float64
		want     []Gap
	}{
		{"nothing", nil, nil},
		{"steady", [][2]float64{{0.2, 10}, {0.2, 11}, {0.2, 12}}, nil},
		{"bookings come when they come", [][2]float64{{0.2, 10}, {0.9, 10.3}, {0.1, 12.1}}, nil},
		{"a sample lies this or that side of a booking", [][2]float64{{0.2, 10}, {0.2, 10.9}, {0.2, 12.05}, {0.2, 12.9}}, nil},
		{"made up for later", [][2]float64{{0.2, 10}, {0.2, 10}, {0.2, 10.5}, {0.2, 13}}, nil},
		{"two seconds are lost", [][2]float64{{0.2, 10}, {0.2, 11}, {0.2, 11}, {0.2, 11}, {0.2, 12}}, []Gap{{3 * second, second}, {4 * second, second}}},
		{
			"a little is lost again and again",
			[][2]float64{{0, 10}, {0, 10.9}, {0, 11.8}, {0, 12.7}, {0, 13.6}},
			[]Gap{{4 * second, 300 * time.Millisecond}},
		},
		{"a page without", [][2]float64{{0.2, 10}, {0, -1}, {0.2, 12}}, []Gap{{2 * second, second}}},
		{"the counter begins anew", [][2]float64{{0.2, 10}, {0.2, 1}, {0.2, 2}}, []Gap{{2 * second, second}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Gaps(observed(t, tc.counters...), uuid, 250*time.Millisecond)
			for i := range got { // counters are floats
				got[i].Missing = got[i].Missing.Round(time.Millisecond)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStamps(t *testing.T) {
	sights := []Sight{
		{Samples: []Sample{{300, 1}, {0, 50}, {100, 100}, {200, 101}}},
		{Samples: []Sample{{300, 1}, {500, 2}, {400, 3}, {900, 0}}},
	}
	stamps := Stamps(sights)
	if diff := cmp.Diff([]uint64{100, 300, 400, 500, 900}, stamps); diff != "" {
		t.Error(diff)
	}
	if got := Spacing(stamps); got != 200*time.Microsecond {
		t.Errorf("spacing %v", got)
	}
	if got := Holes(stamps); got != 1 {
		t.Errorf("%d holes, want the one before 900", got)
	}
	if got := Spacing(stamps[:1]); got != 0 {
		t.Errorf("spacing of one stamp %v", got)
	}
}
