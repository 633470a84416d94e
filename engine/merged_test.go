package engine_test

import (
	"fmt"
	"testing"
	"time"

	"gpusignal/engine"
)

// A page that a proxy joins of its own and the server's has both processes' starts. Which is the server's nobody says: the restart of
// the proxy must not count the server's history again, and that of the server must not be lost.
func TestProcessesOfAMergedPage(t *testing.T) {
	start := func(at float64) string { return fmt.Sprintf("process_start_time_seconds %g\n", at) }
	tokens := func(n float64) string {
		return fmt.Sprintf("vllm:generation_tokens_total{model_name=\"m\",engine=\"0\"} %g\n", n)
	}
	after := func(n float64) map[string]float64 { return map[string]float64{"ranks": 1, "generation": n} }
	const server, proxy = 1e9, 1e9 + 5
	for name, steps := range map[string][]step{
		"the proxy restarts, its start last": {
			{"first", tokens(1000) + start(server) + start(proxy), read, after(0)},
			{"on", tokens(1010) + start(server) + start(proxy), read, after(10)},
			{"proxy again", tokens(1015) + start(server) + start(proxy+60), read, after(15)},
			{"on", tokens(1020) + start(server) + start(proxy+60), read, after(20)},
		},
		"the proxy restarts, its start first": {
			{"first", start(proxy) + tokens(1000) + start(server), read, after(0)},
			{"proxy again", start(proxy+60) + tokens(1015) + start(server), read, after(15)},
		},
		"the proxy restarts, and spells its start otherwise": {
			{"first", tokens(1000) + start(server) + fmt.Sprintf("process_start_time_seconds{} %g\n", proxy), read, after(0)},
			{"proxy again", tokens(1015) + start(server) + fmt.Sprintf("process_start_time_seconds{} %g\n", proxy+60), read, after(15)},
		},
		"the server restarts, its start first": {
			{"first", tokens(1000) + start(server) + start(proxy), read, after(0)},
			{"server again", tokens(30) + start(server+60) + start(proxy), read, after(30)},
			{"on", tokens(35) + start(server+60) + start(proxy), read, after(35)},
		},
		"the server restarts, its start last": {
			{"first", start(proxy) + tokens(1000) + start(server), read, after(0)},
			{"server again", start(proxy) + tokens(30) + start(server+60), read, after(30)},
			{"on", start(proxy) + tokens(35) + start(server+60), read, after(35)},
		},
		"the proxy's part comes, changes and goes": {
			{"first", tokens(1000) + start(server), read, after(0)},
			{"with the proxy", tokens(1003) + start(server) + start(proxy), read, after(3)},
			{"without", tokens(1005) + start(server), read, after(5)},
			{"with it again", tokens(1008) + start(proxy+60) + start(server), read, after(8)},
			{"without", tokens(1009) + start(server), read, after(9)},
		},
		"the server restarts unseen between two parts of the proxy": {
			{"first", tokens(1000) + start(server), read, after(0)},
			{"server again", tokens(30) + start(server+60) + start(proxy), read, after(30)},
			{"without the proxy", tokens(33) + start(server+60), read, after(33)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, engine.Config{}, func(s *stage) {
				s.setPods(vllmPod(time.Now()))
				for _, st := range steps {
					check(t, st.name, s.show(st.page, st.pass), st.want)
				}
			})
		})
	}
}

// Where a server's counters have passed what they were before its restart, the start of its container tells.
func TestContainerRestartOnAMergedPage(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		page := func(server, tokens float64) string {
			return vllmPage(1, 0, tokens, tokens) + fmt.Sprintf("process_start_time_seconds %g\nprocess_start_time_seconds 2e9\n", server)
		}
		s.setPods(vllmPod(time.Now().Add(-time.Hour)))
		s.show(page(1e9, 100), read)
		s.hide(4 * time.Second)
		s.setPods(vllmPod(time.Now()))
		s.pass(4 * time.Second)
		check(t, "another container", s.show(page(1e9+60, 500), read), map[string]float64{
			"ranks": 1, "running": 1, "waiting": 0, "generation": 500, "requests success": 500,
		})
	})
}

// Triton tells no start of its own: one on its page is the proxy's.
func TestStartOnThePageOfAServerWithoutOne(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		page := func(proxy, success float64) string {
			return fmt.Sprintf("nv_inference_request_success{model=\"m\",version=\"1\"} %g\nprocess_start_time_seconds %g\n", success, proxy)
		}
		s.setPods(vllmPod(time.Now()))
		s.show(page(1e9, 1000), read)
		check(t, "the proxy again", s.show(page(1e9+60, 1003), read), map[string]float64{"ranks": 1, "requests success": 3})
		check(t, "the server again", s.show(page(1e9+60, 2), read), map[string]float64{"ranks": 1, "requests success": 5})
	})
}
