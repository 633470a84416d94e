package engine_test

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gpusignal/engine"
	"gpusignal/node"
)

func TestServersNeverRead(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		bad := vllmPod(time.Time{})
		bad.ID = node.PodID{Namespace: "ml", Name: "bad"}
		bad.Annotations = map[string]string{"gpusignal/port": "x"}
		s.setPods(vllmPod(time.Time{}), bad)
		got := s.servers(read)
		if len(got) != 2 {
			t.Fatalf("%d servers, want 2", len(got))
		}
		if g := got[0]; g.Pod.Name != "bad" || g.Fault != engine.FaultConfig || !g.At.IsZero() || g.Detail == "" {
			t.Errorf("bad annotation: %+v", g)
		}
		if g := got[1]; g.Fault != engine.FaultMalformed && g.Fault == "" || !g.At.IsZero() || g.URL != podURL || g.Failures != 1 {
			t.Errorf("refused: %+v", g)
		}
	})
}

// A fault is told, the last good page lives on with its age, and the next good page ends the fault.
func TestFaultKeepsTheLastPage(t *testing.T) {
	half := strings.TrimSuffix(vllmPage(1, 2, 3, 4), "\n")
	for name, tt := range map[string]struct{ page, fault string }{
		"half page":         {half, engine.FaultMalformed},
		"rubbish":           {"<html>\n<body>no metrics here\n", engine.FaultMalformed},
		"binary":            {"\x1f\x8b\x08\x00\n", engine.FaultMalformed},
		"another's metrics": {"node_load1 0.5\n", engine.FaultNoEngine},
		"empty":             {"", engine.FaultNoEngine},
		"comments":          {"# HELP vllm:num_requests_running x\n", engine.FaultNoEngine},
		"JSON":              {"{\"a\": 1}\n", engine.FaultNoEngine},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, engine.Config{}, func(s *stage) {
				s.setPods(vllmPod(time.Time{}))
				good := s.show(vllmPage(1, 2, 3, 4), read)
				got := s.show(tt.page, read)
				if strings.HasPrefix(tt.page, "<") && !strings.Contains(got.Detail, "HTML") {
					t.Errorf("detail %q, want it to say HTML", got.Detail)
				}
				if got.Fault != tt.fault || got.Detail == "" || got.At != good.At || got.Failures != 1 || got.Pages != 1 {
					t.Errorf("server %+v, want fault %q and the page before", got, tt.fault)
				}
				check(t, "models", got, map[string]float64{
					"ranks": 1, "running": 1, "waiting": 2, "generation": 0, "requests success": 0,
				})
				got = s.show(vllmPage(1, 2, 5, 4), read)
				if got.Fault != "" || got.Detail != "" || !got.At.After(good.At) || got.FirstPage != good.FirstPage {
					t.Errorf("server %+v, want it good again", got)
				}
				check(t, "models", got, map[string]float64{
					"ranks": 1, "running": 1, "waiting": 2, "generation": 2, "requests success": 0,
				})
			})
		})
	}
}

// What was announced is told before the first page and after it, also when it changes, and pages alone decide the engine.
func TestAnnouncedEngine(t *testing.T) {
	var mu sync.Mutex
	announced := "triton"
	static := func() []engine.Endpoint {
		mu.Lock()
		defer mu.Unlock()
		return []engine.Endpoint{{URL: podURL, Engine: announced, Pod: node.PodID{Name: "10.0.0.1:8000"}}}
	}
	play(t, engine.Config{Static: static}, func(s *stage) {
		if got := s.pass(read); got.Announced != "triton" || got.Engine != "" {
			t.Errorf("announced %q, engine %q before the first page", got.Announced, got.Engine)
		}
		if got := s.show(vllmPage(1, 2, 3, 4), read); got.Announced != "triton" || got.Engine != "vllm" {
			t.Errorf("announced %q, engine %q after the first page", got.Announced, got.Engine)
		}
		mu.Lock()
		announced = "vllm"
		mu.Unlock()
		if got := s.pass(read); got.Announced != "vllm" {
			t.Errorf("announced %q after it changed", got.Announced)
		}
	})
	play(t, engine.Config{}, func(s *stage) {
		bad := vllmPod(time.Time{})
		bad.Annotations["gpusignal/port"] = "x"
		s.setPods(bad)
		if got := s.pass(read); got.Announced != "vllm" || got.Fault != engine.FaultConfig {
			t.Errorf("announced %q, fault %q of a page that is not tried", got.Announced, got.Fault)
		}
	})
}

func TestLoadingPageIsNotTheFirst(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Time{}))
		got := s.show("process_start_time_seconds 1e9\npython_info 1\n", read)
		if got.Fault != engine.FaultNoEngine || !got.FirstPage.IsZero() || !got.At.IsZero() || got.Engine != "" {
			t.Errorf("server %+v, want it loading", got)
		}
		got = s.show("vllm:cache_config_info{block_size=\"16\"} 1\n", read)
		if got.Fault != engine.FaultNoEngine || !got.FirstPage.IsZero() {
			t.Errorf("server %+v, want it loading", got)
		}
		got = s.show(vllmPage(0, 0, 0, 0), read)
		if got.Fault != "" || got.FirstPage.IsZero() || got.Engine != "vllm" {
			t.Errorf("server %+v, want it read", got)
		}
	})
}

// A page that has Triton's and vLLM's families is one Triton, whatever comes first, and whatever was announced.
func TestPageOfTwoDialects(t *testing.T) {
	parts := []string{
		"nv_inference_request_success{model=\"m\",version=\"1\"} 4\n",
		"vllm:generation_tokens_total{model=\"m\",version=\"1\"} 9\nvllm:request_success_total{model=\"m\"} 4\n",
	}
	for range 2 {
		slices.Reverse(parts)
		play(t, engine.Config{}, func(s *stage) {
			s.setPods(vllmPod(time.Time{}))
			got := s.show(strings.Join(parts, ""), read)
			if got.Engine != "triton" {
				t.Errorf("engine %q", got.Engine)
			}
			check(t, "models", got, map[string]float64{"ranks": 1, "generation": 0, "requests success": 0})
		})
	}
}

func TestEndpointsFollowPods(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		first := s.servers(read)
		if len(first) != 0 {
			t.Errorf("servers %+v without a pod", first)
		}
		s.setPods(vllmPod(time.Time{}))
		s.show(vllmPage(1, 0, 10, 0), read)
		s.show(vllmPage(1, 0, 15, 0), read)

		// Nothing but its names is known: its sources are gone, the server is not.
		s.setPods(node.Pod{ID: node.PodID{Namespace: "ml", Name: "server-0"}})
		got := s.show(vllmPage(1, 0, 20, 0), read)
		if n := got.Models[0].GenerationTokens.Value.Total; n != 10 || got.Fault != "" {
			t.Errorf("tokens %g, want 10 (%+v)", n, got)
		}

		// Its successor has its name and address.
		next := vllmPod(time.Time{})
		next.ID.UID = "u2"
		s.setPods(next)
		got = s.show(vllmPage(1, 0, 25, 0), read)
		if n := got.Models[0].GenerationTokens.Value.Total; n != 0 || got.Pod.UID != "u2" {
			t.Errorf("successor: tokens %g, pod %+v", n, got.Pod)
		}

		s.setPods()
		if got := s.servers(read); len(got) != 0 {
			t.Errorf("servers %+v of a pod that is gone", got)
		}
	})
}

func TestUIDIsLearntLater(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		pod := vllmPod(time.Time{})
		pod.ID.UID = ""
		s.setPods(pod)
		s.show(vllmPage(1, 0, 10, 0), read)
		s.setPods(vllmPod(time.Time{}))
		got := s.show(vllmPage(1, 0, 15, 0), read)
		if n := got.Models[0].GenerationTokens.Value.Total; n != 5 || got.Pod.UID != "u1" {
			t.Errorf("tokens %g, pod %+v; want the same server", n, got.Pod)
		}
	})
}

func TestStaticEndpoint(t *testing.T) {
	endpoint, err := engine.ParseEndpoint(podURL)
	if err != nil {
		t.Fatal(err)
	}
	play(t, engine.Config{Static: func() []engine.Endpoint { return []engine.Endpoint{endpoint} }}, func(s *stage) {
		got := s.show(vllmPage(1, 0, 10, 0), read)
		if got.Pod != (node.PodID{Name: "10.0.0.1:8000"}) || got.Engine != "vllm" || got.Fault != "" {
			t.Errorf("server %+v", got)
		}
	})
}

// Any pod may ask Prometheus to scrape it. Where its page is no engine's it is no server, and is read seldom.
func TestPrometheusAnnotationAlone(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		pod := vllmPod(time.Time{})
		pod.Containers[0].Image = "coredns"
		pod.Annotations = map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "8000"}
		s.setPods(pod)
		s.mu.Lock()
		s.pages[podURL] = "coredns_build_info 1\n"
		s.mu.Unlock()
		if got := s.servers(time.Minute); len(got) != 0 {
			t.Errorf("servers %+v", got)
		}
		if h := s.engine.Health(time.Now())[0]; !h.Up || h.Detail != "" {
			t.Errorf("health %+v", h)
		}
		if n := s.calls[podURL]; n != 5 { // After 2, 4, 8 and 16 s.
			t.Errorf("asked %d times in the first minute", n)
		}
		got := s.show(vllmPage(1, 0, 0, 0), 31*time.Second)
		if got.Engine != "vllm" || got.Pages < 2 {
			t.Errorf("server %+v, want it read", got)
		}
	})
}

func TestSlowPageIsReadLessOften(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		s.took = 100 * time.Millisecond // 2 % of 5 s.
		s.setPods(vllmPod(time.Time{}))
		got := s.show(vllmPage(1, 0, 0, 0), time.Minute)
		if n := s.calls[podURL]; n != 12 {
			t.Errorf("read %d times in a minute, want 12", n)
		}
		if got.Took != 100*time.Millisecond {
			t.Errorf("took %v", got.Took)
		}
		s.mu.Lock()
		s.took, s.calls[podURL] = time.Second, 0 // Its interval grows to 10 s and no further.
		s.mu.Unlock()
		s.pass(2 * time.Minute)
		if n := s.calls[podURL]; n < 12 || n > 13 {
			t.Errorf("read %d times in two minutes, want 12", n)
		}
	})
}

// A level stands since the page before, however long ago that was, but not over pages that could not be read.
func TestLevelsStandBetweenPages(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		s.took = 100 * time.Millisecond // A page each 5 s.
		s.setPods(vllmPod(time.Time{}))
		s.show(vllmPage(4, 0, 0, 0), 4*time.Second)
		got := s.show(vllmPage(0, 0, 0, 0), 5*time.Second)
		// The first page's level stands for the 2 s of an interval, the second's for 5 s.
		if m := got.Models[0].Running.Value.Mean; m < 8.0/7-1e-9 || m > 8.0/7+1e-9 {
			t.Errorf("mean %g, want 8/7", m)
		}
		s.hide(5 * time.Second)
		got = s.show(vllmPage(7, 0, 0, 0), 5*time.Second)
		// Of the last 10 s only the 2 s before this page are known.
		if m := got.Models[0].Running.Value.Mean; m != 7 {
			t.Errorf("mean %g after a gap, want 7", m)
		}
	})
}

func TestHangingPageIsTimedOut(t *testing.T) {
	play(t, engine.Config{Deadline: time.Second}, func(s *stage) {
		s.took = time.Hour
		s.setPods(vllmPod(time.Time{}))
		got := s.show(vllmPage(1, 0, 0, 0), 5*time.Second)
		if got.Failures == 0 || got.Took != time.Second || got.Detail == "" {
			t.Errorf("server %+v", got)
		}
	})
}

func TestTwoPagesOfOnePod(t *testing.T) {
	const otherURL = "http://10.0.0.1:8001/metrics"
	page := func(rank string) string {
		return "vllm:num_requests_waiting{model_name=\"m\",engine=\"" + rank + "\"} 3\n"
	}
	for name, tt := range map[string]struct{ rank, fault string }{
		"another rank": {"1", ""},
		"the same":     {"0", engine.FaultDuplicate},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, engine.Config{}, func(s *stage) {
				pod := vllmPod(time.Time{})
				pod.Annotations = map[string]string{"gpusignal/port": "8000,8001"}
				s.setPods(pod)
				s.mu.Lock()
				s.pages[podURL], s.pages[otherURL] = page("0"), page(tt.rank)
				s.mu.Unlock()
				got := s.servers(read)
				if len(got) != 2 || got[0].Fault != "" || got[1].Fault != tt.fault || (len(got[1].Models) == 0) != (tt.fault != "") {
					t.Errorf("servers %+v", got)
				}
			})
		})
	}
}

func TestHealth(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		health := func() node.SourceHealth {
			h := s.engine.Health(time.Now())
			if len(h) != 1 || h[0].Source != "engine" {
				t.Fatalf("health %+v", h)
			}
			return h[0]
		}
		if h := health(); !h.Up || h.Detail != "" || h.Attempts != 0 {
			t.Errorf("without endpoints: %+v", h)
		}
		one, two := vllmPod(time.Time{}), vllmPod(time.Time{})
		two.ID.Name, two.IPs = "server-1", []netip.Addr{netip.MustParseAddr("10.0.0.2")}
		s.setPods(one, two)
		s.servers(read)
		if h := health(); h.Up || !strings.Contains(h.Detail, podURL) || h.Failures != 2 || h.Attempts != 2 || !h.Success.IsZero() {
			t.Errorf("both refused: %+v", h)
		}
		s.mu.Lock()
		s.pages[podURL] = vllmPage(0, 0, 0, 0)
		s.mu.Unlock()
		s.servers(read)
		if h := health(); !h.Up || !strings.Contains(h.Detail, "10.0.0.2") || h.Failures != 3 || h.Attempts != 4 || h.Success.IsZero() {
			t.Errorf("one refused: %+v", h)
		}
		s.setPods(one)
		s.servers(read)
		if h := health(); !h.Up || h.Detail != "" || h.Failures < 3 {
			t.Errorf("none refused: %+v", h)
		}
	})
}
