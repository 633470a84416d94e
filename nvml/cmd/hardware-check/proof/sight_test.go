package proof

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// live are sights each half second with the given utilisation, in percent; energy rises by 100 J a sight.
func live(percent ...float64) (out []Sight) {
	for i, p := range percent {
		out = append(out, Sight{At: time.Duration(i) * second / 2, Live: new(p), Energy: new(1e5 * float64(i))})
	}
	return out
}

func TestHeld(t *testing.T) {
	sights := live(0, 100, 50, 100, 0, 0, 80, 0, 40)
	for _, tc := range []struct {
		name            string
		every, from, to time.Duration
		want            float64
		known           bool
	}{
		{"each reading", second / 2, 0, 2 * second, (0 + 1 + 0.5 + 1) / 4, true},
		{"each second one", second, 0, 2 * second, (0 + 0.5) / 2, true},
		{"between readings the last one stands", second, 1200 * time.Millisecond, 1800 * time.Millisecond, 0.5, true},
		{"one in all", 30 * second, second, 4 * second, 0, true},
		{"after the last", second, 4 * second, 5 * second, 0.4, true},
	} {
		got, known := held(sights, tc.every, tc.from, tc.to)
		if math.Abs(got-tc.want) > 1e-9 || known != tc.known {
			t.Errorf("%s: %v, %t, want %v", tc.name, got, known, tc.want)
		}
	}
	if _, known := held(nil, second, 0, second); known {
		t.Error("no reading tells something")
	}
	late := live(0, 70)
	late[0].At, late[1].At = 10*second, 11*second-20*time.Millisecond
	if got, _ := held(late, second, 10*second, 13*second); math.Abs(got-0.7*2.02/3) > 1e-9 {
		t.Errorf("a reading that is a little early does not count: %v", got)
	}
}

func TestEnergy(t *testing.T) {
	sights := live(0, 0, 0)
	sights = append(sights[:1], append([]Sight{{At: second / 4}}, sights[1:]...)...) // one that tells none
	for at, want := range map[time.Duration]float64{second / 4: 50, second / 2: 100, 3 * second / 4: 150, second: 200} {
		if got, known := energy(sights, at); !known || math.Abs(got-want) > 1e-9 {
			t.Errorf("energy at %v is %v, %t, want %v", at, got, known, want)
		}
	}
	for _, at := range []time.Duration{0, 2 * second} {
		if got, known := energy(sights, at); known {
			t.Errorf("energy at %v is %v, outside of what was seen", at, got)
		}
	}
}

func TestParseSights(t *testing.T) {
	got, err := ParseSights(strings.NewReader(`{"at_ns":5,"live_percent":12,"samples":[{"stamp_us":7,"percent":50}],"processes":[{"pid":3,"share":0.5}]}
{"at_ns":6,"processes":[]}
{"at_n`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Sight{
		{At: 5, Live: new(12.0), Samples: []Sample{{7, 50}}, Processes: []Process{{3, 0.5}}},
		{At: 6, Processes: []Process{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := ParseSights(strings.NewReader("{}\n[]\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("err = %v, want the line", err)
	}
}
