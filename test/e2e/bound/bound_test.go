package bound

import (
	"testing"
	"time"
)

// start of all tests; a load is a function of the seconds since.
var start = time.Unix(1_700_000_000, 0)

func second(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }

// steps is a load that has each value from its second on.
func steps(values map[int]float64) Load {
	return func(at time.Time) float64 {
		v, newest := 0.0, -1
		for from, value := range values {
			if n := int(at.Sub(start).Seconds()); from <= n && from > newest {
				v, newest = value, from
			}
		}
		return v
	}
}

func TestLeast(t *testing.T) {
	rule := Rule{Target: 10, Stabilization: 60 * time.Second, Reaction: 20 * time.Second}
	for _, c := range []struct {
		name   string
		load   map[int]float64
		at     int
		before int
		want   int
	}{
		{"no load, no replicas", nil, 100, 4, 0},
		{"a load that lasts needs its replicas", map[int]float64{0: 40}, 100, 9, 4},
		{"a tenth above the target is let be", map[int]float64{0: 33}, 100, 9, 3},
		{"and not more", map[int]float64{0: 33.1}, 100, 9, 4},
		{"those that were not there are not owed", map[int]float64{0: 40}, 100, 3, 3},
		{"what nobody can have seen yet is not owed", map[int]float64{0: 10, 81: 40}, 100, 9, 1},
		{"what could just be seen is", map[int]float64{0: 10, 80: 40}, 100, 9, 4},
		{"what is not yet forgotten is owed", map[int]float64{0: 40, 41: 10}, 100, 9, 4},
		{"what is forgotten is not", map[int]float64{0: 40, 40: 10}, 100, 9, 1},
		{"of a load that comes and goes the greatest counts", map[int]float64{0: 10, 60: 40, 61: 10}, 100, 9, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := rule.Least(c.before, steps(c.load), second(c.at)); got != c.want {
				t.Errorf("%d replicas, want %d", got, c.want)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	rule := Rule{Target: 10, Stabilization: 60 * time.Second, Reaction: 20 * time.Second}
	var seen []Seen
	for n := range 200 {
		replicas := 4
		if n >= 120 && n < 123 || n == 180 {
			replicas = 3
		}
		if n < 90 || n > 93 {
			seen = append(seen, Seen{second(n), replicas})
		}
	}
	for _, c := range []struct {
		name            string
		from, to        int
		load            map[int]float64
		before          int
		breaches, least int
		gap             time.Duration
	}{
		{"three seconds with too few", 70, 170, map[int]float64{0: 40}, 4, 3, 4, 5 * time.Second},
		{"a load that needs no more", 70, 170, map[int]float64{0: 30}, 4, 0, 3, 5 * time.Second},
		{"the smallest need of the span is told", 100, 170, map[int]float64{0: 40, 60: 20}, 4, 0, 2, time.Second},
		{"nobody looked at the end", 150, 210, map[int]float64{0: 40}, 4, 1, 4, 11 * time.Second},
		{"nobody looked at all", 300, 330, map[int]float64{0: 40}, 4, 0, 4, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := rule.Judge(seen, second(c.from), second(c.to), c.before, steps(c.load))
			if len(v.Breaches) != c.breaches || v.Least != c.least || v.Gap != c.gap {
				t.Errorf("%d breaches, %d owed, a gap of %v; want %d, %d, %v", len(v.Breaches), v.Least, v.Gap, c.breaches, c.least, c.gap)
			}
			for _, b := range v.Breaches {
				if b.Replicas != 3 || b.Least != 4 {
					t.Errorf("breach %+v, want 3 replicas of 4", b)
				}
			}
		})
	}
}
