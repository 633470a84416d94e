package sampler

import (
	"math/rand/v2"
	"testing"
	"time"

	"gpusignal/node"
)

func TestRefresh(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		renewed, interval time.Duration
		distinct          int // different values in a row
		want              time.Duration
	}{
		"as often as it is read":         {100 * ms, 100 * ms, 97, 100 * ms},
		"six times a second":             {time.Second / 6, 100 * ms, 97, time.Second / 6},
		"each half second":               {500 * ms, 100 * ms, 97, 500 * ms},
		"each second":                    {time.Second, 100 * ms, 97, time.Second},
		"of few values":                  {500 * ms, 100 * ms, 4, 500 * ms},
		"memory read more often":         {time.Second / 6, 10 * ms, 97, time.Second / 6},
		"a load that does not change":    {500 * ms, 100 * ms, 1, 0},
		"less often than anyone renews":  {5 * time.Second, 100 * ms, 97, 0},
		"read less often than it is new": {100 * ms, 400 * ms, 97, 400 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRefresh(test.interval)
			random := rand.New(rand.NewPCG(1, 2))
			step := max(test.interval, utilizationInterval)
			for n := range 600 {
				at := time.Duration(n)*step + time.Duration(random.Int64N(int64(20*ms)))
				value := float64(rand.New(rand.NewPCG(uint64(at/test.renewed), 7)).IntN(test.distinct)) / 100
				r.live(epoch.Add(at), value, 0)
			}
			got := r.period()
			if got.Known != (test.want > 0) || got.Known && (got.Value-test.want).Abs() > test.want/10 {
				t.Errorf("renewed each %v, want %v", got, test.want)
			}
			r.ring(0)
			if got != r.period() {
				t.Error("a ring that tells no distance changed it")
			}
			r.ring(167 * ms)
			if got := r.period(); got != node.Some(167*ms) {
				t.Errorf("with a ring: renewed each %v, want 167ms", got)
			}
		})
	}
}

// Readings that are far apart tell nothing of what happened between them.
func TestRefreshOfReadingsPutOff(t *testing.T) {
	r := newRefresh(100 * time.Millisecond)
	for n := range 100 {
		r.live(epoch.Add(time.Duration(n)*800*time.Millisecond), float64(n%7), 0)
	}
	if got := r.period(); got.Known {
		t.Errorf("renewed each %v, of readings 800 ms apart", got)
	}
}
