package sampler

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"
)

// Factors follow what the two kinds of readings cost, and come to rest.
func TestBudget(t *testing.T) {
	const us = time.Microsecond
	for name, test := range map[string]struct {
		slow             time.Duration // the slow interval
		perLive, perSlow time.Duration // what a reading costs, ten and one a second
		live, late       int
		share            float64
	}{
		"cheap":                         {time.Second, 15 * us, 3000 * us, 1, 1, 0.00315},
		"live readings are dear":        {time.Second, 1500 * us, 1000 * us, 4, 1, 0.00475},
		"dearer than can be put off":    {time.Second, 100_000 * us, 1000 * us, 16, 1, 0.0635},
		"slow readings are dear":        {time.Second, 15 * us, 9000 * us, 1, 2, 0.00465},
		"slow ones too dear to put off": {time.Second, 15 * us, 90_000 * us, 1, 4, 0.02265},
		"both":                          {time.Second, 1000 * us, 8000 * us, 4, 4, 0.0045},
		"slow enough already":           {5 * time.Second, 15 * us, 90_000 * us, 1, 1, 0.01815},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBudget(test.slow)
			p := newPlan(100*time.Millisecond, test.slow)
			changes := 0
			run := func(span time.Duration, perLive, perSlow time.Duration, from time.Time) time.Time {
				for at := time.Duration(0); at < span; at += 100 * time.Millisecond {
					var s spent
					a := p.due(from.Add(at))
					if a.want&node.WantUtilization != 0 {
						s.live = perLive
					}
					if a.slow {
						s.slow = perSlow
					}
					if b.spend(from.Add(at), s) {
						changes++
						p.pace(b.pace())
					}
				}
				return from.Add(span)
			}
			at := run(5*time.Minute, test.perLive, test.perSlow, epoch)
			if live, late := b.pace(); live != test.live || late != test.late {
				t.Errorf("live readings put off by %d, slow ones by %d, want %d and %d", live, late, test.live, test.late)
			}
			share, slowed := b.told()
			if share.Value < 0.75*test.share || share.Value > 1.25*test.share || slowed != float64(max(test.live, test.late)) {
				t.Errorf("share %v, slowed by %v, want %v", share, slowed, test.share)
			}
			settled := changes
			at = run(5*time.Minute, test.perLive, test.perSlow, at)
			if changes != settled {
				t.Errorf("%d changes of a load that does not change", changes-settled)
			}
			run(5*time.Minute, 15*us, 1000*us, at)
			if live, late := b.pace(); live != 1 || late != 1 {
				t.Errorf("when calls are cheap again: put off by %d and %d", live, late)
			}
		})
	}
}

// Between half of the budget and the whole of it nothing changes, whichever side it came from.
func TestBudgetHysteresis(t *testing.T) {
	b := newBudget(time.Second)
	at := epoch
	spend := func(perSecond time.Duration, seconds int) {
		for range seconds {
			b.spend(at, spent{live: perSecond})
			at = at.Add(time.Second)
		}
	}
	factor := func(want int, when string) {
		t.Helper()
		if live, _ := b.pace(); live != want {
			t.Errorf("%s: put off by %d, want %d", when, live, want)
		}
	}
	spend(4900*time.Microsecond, 60)
	factor(1, "just within the budget")
	spend(6*time.Millisecond, 1)
	spend(4900*time.Microsecond, 1)
	factor(2, "above it")
	spend(4900*time.Microsecond, 60)
	factor(2, "just within it again")
	spend(2600*time.Microsecond, 60)
	factor(2, "above half of it")
	spend(2400*time.Microsecond, 21)
	factor(1, "below half of it")
	// A hang of a minute takes one step, and its share is the whole.
	at = at.Add(time.Minute)
	b.spend(at, spent{live: time.Minute})
	at = at.Add(time.Second)
	spend(time.Microsecond, 1)
	factor(2, "after a hang")
	if share, _ := b.told(); share != node.Some(1.0) {
		t.Errorf("share %v after a hang, want 1", share)
	}
	spend(time.Microsecond, 40)
	factor(1, "long after a hang")
}

// What a board is listed by is in the share, and readings are put off for it only where that is worth it.
func TestBudgetAside(t *testing.T) {
	for name, test := range map[string]struct {
		live, aside time.Duration // a second
		factor      int
	}{
		"both within the budget":        {2 * time.Millisecond, 2 * time.Millisecond, 1},
		"together above it":             {3 * time.Millisecond, 3 * time.Millisecond, 2},
		"readings are not worth a word": {time.Millisecond / 10, 60 * time.Millisecond, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBudget(time.Second)
			for n := range 15 {
				b.spend(epoch.Add(time.Duration(n)*time.Second), spent{live: test.live, aside: test.aside})
			}
			share, slowed := b.told()
			want := 1.1 * (test.live + test.aside).Seconds() // Ten whole seconds, and the one before them.
			if diff := share.Value - want; diff < -0.11*want || diff > 0.01*want || slowed != float64(test.factor) {
				t.Errorf("share %v, put off by %v, want %v and %d", share.Value, slowed, want, test.factor)
			}
		})
	}
}

// A board whose driver is slow is read less often, says so, is logged once, loses nothing of its ring, and returns.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		var slow atomic.Bool
		began := time.Now()
		var live atomic.Int64
		r := start(t, &fake{
			devices: twoGPUs,
			read: func(id node.DeviceID, want node.Want) (node.Reading, error) {
				out := reading(want, 0.5)
				if want&node.WantRing != 0 {
					out.Ring = node.Opt[node.Ring]{
						Value: node.Ring{Busy: 700 * time.Millisecond, Covered: time.Second, Samples: 6, Spacing: time.Second / 6},
						Known: time.Since(began) > time.Second,
					}
				}
				if id == gpu0 && want&node.WantUtilization != 0 {
					live.Add(1)
				}
				if id == gpu0 && slow.Load() && want&node.WantUtilization != 0 {
					time.Sleep(6 * time.Millisecond)
					out.At = time.Now()
				}
				return out, nil
			},
		}, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		pass(30*time.Second + 50*time.Millisecond)
		if s := r.state(t, gpu0); s.Slowed != 1 || s.Busy != node.Some(0.0) {
			t.Errorf("of a driver that takes no time: slowed %v, busy %v", s.Slowed, s.Busy)
		}
		slow.Store(true)
		pass(2 * time.Minute)
		s := r.state(t, gpu0)
		if s.Slowed != 16 || s.Busy.Value < 0.0025 || s.Busy.Value > 0.005 {
			t.Errorf("of a driver that takes 6 ms: slowed %v, busy %v, want 16 and within the budget", s.Slowed, s.Busy)
		}
		if !s.Utilization.Known || s.Down != "" || time.Since(s.At) > time.Second {
			t.Errorf("a board that is read less often: %+v", s)
		}
		live.Store(0)
		pass(16 * time.Second)
		if got := live.Load(); got != 10 {
			t.Errorf("%d live readings in 16 s, want 10", got)
		}
		if other := r.state(t, gpu1); other.Slowed != 1 {
			t.Errorf("the other board is slowed by %v", other.Slowed)
		}
		if got := log.count("read less often"); got != 1 {
			t.Errorf("logged %d times that the board is read less often, want once:\n%s", got, log.String())
		}
		slow.Store(false)
		pass(2 * time.Minute)
		if s := r.state(t, gpu0); s.Slowed != 1 {
			t.Errorf("of a driver that is quick again: slowed %v", s.Slowed)
		}
		if got := log.count("as often as asked again"); got != 1 {
			t.Errorf("logged %d times that the board is read as often as asked again, want once", got)
		}
		uses := r.booked(gpu0)
		var busy, observed time.Duration
		for _, u := range uses[1:] { // The first is by live readings.
			busy += u.Busy
			observed += u.Observed
		}
		passed := uses[len(uses)-1].To.Sub(uses[0].To)
		if off := passed - observed; off.Abs() > 10*time.Millisecond {
			t.Errorf("%v observed of %v", observed, passed)
		}
		if off := busy - passed*7/10; off.Abs() > 10*time.Millisecond {
			t.Errorf("busy %v is %v off what the ring says", busy, off)
		}
	})
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) count(s string) int { return strings.Count(l.String(), s) }
