package engine_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/engine"
	"gpusignal/node"
)

// moments of a server, in seconds since the play began; -1 is never.
type moments struct{ At, First, Waiting, InHand, Ended, Progress, Busy float64 }

func momentsOf(s node.Server, began time.Time) moments {
	since := func(t time.Time) float64 {
		if t.IsZero() {
			return -1
		}
		return t.Sub(began).Seconds()
	}
	return moments{
		since(s.At), since(s.FirstPage), since(s.WaitingSince), since(s.InHandSince), since(s.EndedAt),
		since(s.ProgressSince), since(s.BusyAt),
	}
}

func TestStamps(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(s.began))
		// Pages are read at 1, 3, 5 … s.
		steps := []struct {
			name string
			page string
			want moments
		}{
			{"refused", "", moments{-1, -1, -1, -1, -1, -1, -1}},
			{"idle", vllmPage(0, 0, 100, 5), moments{3, 3, -1, -1, -1, 3, 3}},
			{"running", vllmPage(1, 0, 100, 5), moments{5, 3, -1, 5, -1, 3, 5}},
			{"tokens", vllmPage(1, 0, 110, 5), moments{7, 3, -1, 5, -1, 7, 7}},
			{"waiting", vllmPage(1, 3, 110, 5), moments{9, 3, 9, 5, -1, 7, 9}},
			{"ended", vllmPage(1, 2, 110, 6), moments{11, 3, 9, 5, 11, 11, 11}},
			{"still", vllmPage(1, 2, 110, 6), moments{13, 3, 9, 5, 11, 11, 13}},
			{"refused", "", moments{13, 3, 9, 5, 11, 11, 13}},
			{"queue empty", vllmPage(1, 0, 110, 6), moments{17, 3, -1, 5, 11, 11, 17}},
			{"idle", vllmPage(0, 0, 110, 6), moments{19, 3, -1, -1, 11, 11, 17}},
			{"waiting", vllmPage(0, 1, 110, 6), moments{21, 3, 21, 21, 11, 11, 21}},
		}
		for _, step := range steps {
			s.mu.Lock()
			s.pages[podURL] = step.page
			if step.page == "" {
				delete(s.pages, podURL)
			}
			s.mu.Unlock()
			if diff := cmp.Diff(step.want, momentsOf(s.pass(read), s.began)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.name, diff)
			}
		}
	})
}

func TestContainerRestart(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(s.began.Add(-time.Hour)))
		time.Sleep(time.Second)
		s.show(vllmPage(2, 1, 1000, 50), 20*time.Second)
		got := s.show(vllmPage(2, 1, 1010, 51), read)
		if got.Span == 0 {
			t.Error("no span after more than a window")
		}
		// The container dies: refused, then its successor is known to have started, and loads.
		s.hide(3 * time.Second)
		s.setPods(vllmPod(time.Now()))
		got = s.pass(4 * time.Second)
		if diff := cmp.Diff(moments{23, -1, -1, -1, -1, -1, -1}, momentsOf(got, s.began)); diff != "" {
			t.Errorf("loading (-want +got):\n%s", diff)
		}
		if len(got.Models) != 0 || got.Span != 0 {
			t.Errorf("loading: models %+v, span %v; nothing is known of the new container", got.Models, got.Span)
		}
		// Its first page: what it counted it counted since the last page of the old one.
		got = s.show(vllmPage(1, 0, 3000, 7), read)
		check(t, "new container", got, map[string]float64{
			"ranks": 1, "running": 1, "waiting": 0, "generation": 3010, "requests success": 8,
		})
		if got.FirstPage != got.At || got.Span != 0 {
			t.Errorf("first page %v, at %v, span %v", got.FirstPage, got.At, got.Span)
		}
		if i := got.Models[0].GenerationTokens.Value.Increase; i != 0 {
			t.Errorf("increase %g on the first page of a window", i)
		}
		got = s.show(vllmPage(1, 0, 3005, 7), 12*time.Second)
		if got.Span == 0 || got.Models[0].GenerationTokens.Value.Total != 3015 {
			t.Errorf("a window later: span %v, tokens %+v", got.Span, got.Models[0].GenerationTokens)
		}
	})
}

// A page of the new container may be read before anyone has said that it started.
func TestContainerRestartHeardLate(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Now().Add(-time.Hour)))
		time.Sleep(time.Second)
		s.show(vllmPage(2, 1, 1000, 50), 4*time.Second)
		restarted := time.Now()
		s.show(vllmPage(1, 0, 30, 2), 4*time.Second)
		s.setPods(vllmPod(restarted))
		got := s.show(vllmPage(1, 0, 40, 2), 4*time.Second)
		if !got.FirstPage.After(restarted) {
			t.Errorf("first page %v, container started %v", got.FirstPage, restarted)
		}
		if n := got.Models[0].GenerationTokens.Value.Total; n != 40 {
			t.Errorf("tokens %g, want 40, each counted once", n)
		}
	})
}

// How long a start took is known where it was seen, and of the container that it was seen of.
func TestStartup(t *testing.T) {
	page, empty := vllmPage(0, 0, 1, 1), "# TYPE vllm:cache_config_info gauge\nvllm:cache_config_info{engine=\"0\"} 1\n"
	// A script shows pages and says when the container started that is the last one.
	for name, test := range map[string]struct {
		ready  bool // from the beginning
		known  bool
		script func(s *stage, started time.Time) (node.Server, time.Time)
	}{
		"it was ready before": {true, false, func(s *stage, started time.Time) (node.Server, time.Time) {
			return s.show(page, 5*time.Second), started
		}},
		"it was not": {false, true, func(s *stage, started time.Time) (node.Server, time.Time) {
			s.hide(10 * time.Second)
			return s.show(page, 5*time.Second), started
		}},
		"it is not yet": {false, false, func(s *stage, started time.Time) (node.Server, time.Time) {
			return s.hide(10 * time.Second), started
		}},
		"a page without a model is not ready": {false, true, func(s *stage, started time.Time) (node.Server, time.Time) {
			s.show(empty, 10*time.Second)
			return s.show(page, 5*time.Second), started
		}},
		"failures after the first page do not count": {true, false, func(s *stage, started time.Time) (node.Server, time.Time) {
			s.show(page, 5*time.Second)
			s.hide(10 * time.Second)
			return s.show(page, 5*time.Second), started
		}},
		"another container": {false, true, func(s *stage, _ time.Time) (node.Server, time.Time) {
			s.hide(10 * time.Second)
			s.show(page, 5*time.Second)
			again := time.Now()
			s.setPods(vllmPod(again))
			s.hide(20 * time.Second)
			return s.show(page, 5*time.Second), again
		}},
		"another container that nobody saw load": {false, false, func(s *stage, _ time.Time) (node.Server, time.Time) {
			s.hide(10 * time.Second)
			again := time.Now()
			s.setPods(vllmPod(again))
			return s.show(page, 5*time.Second), again
		}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, engine.Config{}, func(s *stage) {
				if test.ready {
					s.pages[podURL] = page
				}
				started := s.began.Add(-time.Hour)
				s.setPods(vllmPod(started))
				time.Sleep(time.Second)
				got, started := test.script(s, started)
				want := node.Opt[time.Duration]{}
				if test.known {
					want = node.Some(got.FirstPage.Sub(started))
				}
				if got.Startup != want || want.Value < 0 {
					t.Errorf("startup %v, want %v", got.Startup, want)
				}
			})
		})
	}
}

// Of a container whose start nobody tells nothing is known.
func TestStartupOfAnUnknownStart(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Time{}))
		s.hide(10 * time.Second)
		if got := s.show(vllmPage(0, 0, 1, 1), 5*time.Second); got.Startup.Known || got.FirstPage.IsZero() {
			t.Errorf("startup %v, first page %v", got.Startup, got.FirstPage)
		}
	})
}
