package sampler

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func TestEvery(t *testing.T) {
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	e := every{period: time.Second}
	for _, step := range []struct {
		at   time.Duration
		want bool
	}{
		{0, true},
		{100 * time.Millisecond, false},
		{960 * time.Millisecond, true}, // A little early is on time.
		{1060 * time.Millisecond, false},
		{2300 * time.Millisecond, true}, // Late, and the grid stands still.
		{3000 * time.Millisecond, true},
		{9500 * time.Millisecond, true}, // Missed ones are not made up for.
		{9600 * time.Millisecond, false},
		{10500 * time.Millisecond, true},
	} {
		if got := e.due(start.Add(step.at), 50*time.Millisecond); got != step.want {
			t.Errorf("at %v: due %v, want %v", step.at, got, step.want)
		}
	}
}

// asked counts how often each part was asked for.
func asked(p *plan, interval, span time.Duration) map[node.Want]int {
	out := make(map[node.Want]int)
	for at := time.Duration(0); at < span; at += interval {
		a := p.due(epoch.Add(at))
		for w := node.WantMemory; w != 0; w <<= 1 {
			if a.want&w != 0 {
				out[w]++
			}
		}
	}
	return out
}

func TestPlan(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		interval, slow time.Duration
		live, late     int
		want           [7]int // in a minute: memory, utilisation, ring, counters, activity, status, processes
	}{
		"as it comes":                        {100 * ms, time.Second, 1, 1, [7]int{600, 600, 60, 60, 60, 6, 12}},
		"memory at 100 Hz, and nothing more": {10 * ms, time.Second, 1, 1, [7]int{6000, 600, 60, 60, 60, 6, 12}},
		"seldom":                             {500 * ms, 15 * time.Second, 1, 1, [7]int{120, 120, 4, 4, 4, 4, 4}},
		"live readings put off":              {100 * ms, time.Second, 16, 1, [7]int{38, 38, 60, 60, 60, 6, 12}},
		"slow readings put off":              {100 * ms, time.Second, 1, 4, [7]int{600, 600, 15, 15, 15, 3, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlan(test.interval, test.slow)
			p.pace(test.live, test.late)
			got := asked(&p, test.interval, time.Minute)
			for i, want := range test.want {
				if n := got[1<<i]; n != want {
					t.Errorf("part %d: asked %d times a minute, want %d", i, n, want)
				}
			}
		})
	}
}

// Parts are asked for when they are due, the slow ones together: processes and status in a tick that reads the ring.
func TestWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		got := make(map[time.Duration]node.Want)
		start(t, &fake{read: func(_ node.DeviceID, want node.Want) (node.Reading, error) {
			if want != node.WantMemory|node.WantUtilization {
				got[time.Since(began)] = want
			}
			return reading(want, 1), nil
		}}, func(c *Config) {
			c.Shared, c.Sees = func(node.DeviceID) bool { return true }, func() bool { return true }
			c.Owner = func(int) (node.ContainerID, time.Time, bool) { return node.ContainerID{}, time.Time{}, true }
		})
		pass(11*time.Second + 50*time.Millisecond)
		slow := node.WantMemory | node.WantUtilization | node.WantRing | node.WantCounters | node.WantActivity
		want := make(map[time.Duration]node.Want)
		for n := range 11 {
			want[100*time.Millisecond+time.Duration(n)*time.Second] = slow
		}
		want[100*time.Millisecond] |= node.WantStatus | node.WantProcesses
		want[5100*time.Millisecond] |= node.WantProcesses
		want[10100*time.Millisecond] |= node.WantStatus | node.WantProcesses
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ticks that ask for more than memory and utilisation (-want +got):\n%s", diff)
		}
	})
}

// What is read less often lives longer: else it would come and go.
func TestGrace(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		interval, slow time.Duration
		live, late     int
		want           time.Duration
	}{
		"as it comes":             {100 * ms, time.Second, 1, 1, 5 * time.Second},
		"slow readings put off":   {100 * ms, time.Second, 1, 4, 12 * time.Second},
		"live readings put off":   {400 * ms, time.Second, 16, 1, 19200 * ms},
		"both put off, live more": {time.Second, time.Second, 16, 4, 48 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlan(test.interval, test.slow)
			p.pace(test.live, test.late)
			if got := p.due(epoch).grace; got != test.want {
				t.Errorf("grace %v, want %v", got, test.want)
			}
		})
	}
}
