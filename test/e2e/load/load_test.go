package load

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

const service = 20 * time.Millisecond

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers a request in place of a network.
type server func(*http.Request) (status int, err error)

func (s server) RoundTrip(r *http.Request) (*http.Response, error) {
	status, err := s(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: http.NoBody, Request: r}, nil
}

// sleep computes until the time is over, or nobody waits for the answer any more.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start runs a load against s, inside a synctest bubble, until the function it returns is called.
func start(t *testing.T, cfg Config, s server) (l *Load, stop func()) {
	t.Helper()
	cfg.Request, cfg.Client = Infer("m", service), &http.Client{Transport: s}
	l = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return l, stop
}

// askOnce asks a target, which stays the only one, and waits for the answer.
func askOnce(t *testing.T, l *Load, target Target) {
	t.Helper()
	l.SetTargets([]Target{target})
	l.mu.Lock()
	c := l.begin(l.anyTarget)
	l.mu.Unlock()
	l.ask(t.Context(), c)
}

func TestRateAndTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 7 * time.Millisecond
		l, _ := start(t, Config{Seed: 1}, func(r *http.Request) (int, error) { return 200, sleep(r.Context(), service+delay) })
		l.SetTargets([]Target{{"a", "http://a"}, {"b", "http://b"}})
		l.SetRate(0.001) // The first gap is a quarter of an hour or so, and must not be waited out.
		began := time.Now()
		time.Sleep(2 * time.Second)
		early := l.Arrived()
		l.SetRate(200)
		time.Sleep(2 * time.Second)
		checkCount(t, "two seconds at 200/s", l.Arrived()-early, 400)
		l.SetTargets([]Target{{"b", "http://b"}, {"c", "http://c"}})
		time.Sleep(service + delay)
		change := time.Now()
		time.Sleep(10 * time.Second)
		for name, mean := range map[string]float64{"a": 0, "b": 1000, "c": 1000, "": 2000} {
			s := l.Between(name, change, time.Now())
			checkCount(t, "target "+name, s.Requests, mean)
			if s.Requests > 0 && (s.MeanWait != delay || s.MaxWait != delay || s.Failed > 0) {
				t.Errorf("target %q: %+v, want waits of %v", name, s, delay)
			}
		}
		l.SetRate(0)
		time.Sleep(service + delay)
		quiet, arrived := time.Now(), l.Arrived()
		time.Sleep(time.Hour)
		if s := l.Between("", quiet, time.Now()); s != (Stats{}) || l.Arrived() != arrived {
			t.Errorf("at rate 0: %+v", s)
		}
		if all := l.Between("", began, quiet); all.Requests != arrived || l.Dropped() != 0 {
			t.Errorf("%d requests ended, %d were dropped; %d arrived", all.Requests, l.Dropped(), arrived)
		}
	})
}

// TestWaitsAgreeWithTheory asks one server that computes one request at a time: an M/D/1 queue.
func TestWaitsAgreeWithTheory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{}, 1)
		l, _ := start(t, Config{Seed: 2}, func(r *http.Request) (int, error) {
			turn <- struct{}{}
			defer func() { <-turn }()
			return 200, sleep(r.Context(), service)
		})
		l.SetTargets([]Target{{"a", "http://a"}})
		l.SetRate(30) // a utilization of 0.6
		began := time.Now()
		time.Sleep(10 * time.Minute)
		s := l.Between("a", began, time.Now())
		const want = 15 * time.Millisecond // 0.6 ∙ 20 ms / (2 ∙ 0.4)
		if s.MeanWait < want*9/10 || s.MeanWait > want*11/10 || s.MaxWait < 2*s.MeanWait {
			t.Errorf("%+v, want a mean wait of %v", s, want)
		}
	})
}

func TestFailuresAndWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("connection refused")
		l, _ := start(t, Config{}, func(r *http.Request) (int, error) {
			wait := map[string]time.Duration{"/1": 30 * time.Millisecond, "/3": 60 * time.Millisecond}[r.URL.Path[:2]]
			time.Sleep(wait)
			return map[string]int{"/1": 200, "/2": 503, "/3": 200}[r.URL.Path[:2]], map[string]error{"/4": broken}[r.URL.Path[:2]]
		})
		times := []time.Time{time.Now()}
		for _, path := range []string{"/1", "/2", "/3", "/4"} {
			time.Sleep(time.Second)
			askOnce(t, l, Target{"a", "http://a" + path})
			times = append(times, time.Now())
		}
		for _, c := range []struct {
			from, to int
			want     Stats
			err      string
		}{
			{0, 1, Stats{Requests: 1, MeanWait: 10 * time.Millisecond, MaxWait: 10 * time.Millisecond}, ""},
			{1, 2, Stats{Requests: 1, Failed: 1}, `answer of "http://a/2/v2/models/m/infer": Service Unavailable: `},
			{0, 3, Stats{Requests: 3, Failed: 1, MeanWait: 25 * time.Millisecond, MaxWait: 40 * time.Millisecond}, "Service Unavailable"},
			{2, 4, Stats{Requests: 2, Failed: 1, MeanWait: 40 * time.Millisecond, MaxWait: 40 * time.Millisecond}, "connection refused"},
			{4, 4, Stats{}, ""},
		} {
			got := l.Between("a", times[c.from], times[c.to])
			err := got.Err
			got.Err = nil
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("(%d, %d]: %+v with %v, want %+v with %q", c.from, c.to, got, err, c.want, c.err)
			}
		}
	})
}

func TestDropsAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Config{MaxInFlight: 3}, func(r *http.Request) (int, error) { return 200, sleep(r.Context(), time.Hour) })
		began := time.Now()
		l.SetRate(100)
		time.Sleep(time.Second)
		none := l.Arrived()
		if none == 0 || l.Dropped() != none {
			t.Errorf("without targets %d arrived, %d were dropped", none, l.Dropped())
		}
		l.SetTargets([]Target{{"a", "http://a"}})
		time.Sleep(time.Second)
		if sent := l.Arrived() - l.Dropped(); sent != 3 {
			t.Errorf("%d requests under way, want 3", sent)
		}
		stop()
		if s := l.Between("", began, time.Now().Add(time.Hour)); s != (Stats{}) {
			t.Errorf("cancelled requests were recorded: %+v", s)
		}
	})
}
