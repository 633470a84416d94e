package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/engine"
	"gpusignal/node"
)

// page of a vLLM server with one model m, from its numbers.
func vllmPage(running, waiting, tokens, finished float64) string {
	return fmt.Sprintf(`vllm:num_requests_running{model_name="m",engine="0"} %g
vllm:num_requests_waiting{model_name="m",engine="0"} %g
vllm:generation_tokens_total{model_name="m",engine="0"} %g
vllm:request_success_total{model_name="m",engine="0",finished_reason="stop"} %g
`, running, waiting, tokens, finished)
}

// step is a page that is shown for some time, and what is then said of the only model.
type step struct {
	name string
	page string // Empty: refused.
	pass time.Duration
	want map[string]float64
}

const read = 2 * time.Second

func TestCounters(t *testing.T) {
	counter := func(engine string, n float64) string {
		return fmt.Sprintf("vllm:generation_tokens_total{model_name=\"m\",engine=%q} %g\n", engine, n)
	}
	finished := func(reason string, n float64) string {
		return fmt.Sprintf("vllm:request_success_total{model_name=\"m\",finished_reason=%q} %g\n", reason, n)
	}
	start := func(at float64) string { return fmt.Sprintf("process_start_time_seconds %g\n", at) }
	tests := []struct {
		name  string
		steps []step
	}{
		{"history does not count", []step{
			{"first", counter("0", 1000), read, map[string]float64{"ranks": 1, "generation": 0}},
			{"second", counter("0", 1010), read, map[string]float64{"ranks": 1, "generation": 10}},
		}},
		{"a restart of the server counts what is new", []step{
			{"first", counter("0", 1000), read, map[string]float64{"ranks": 1, "generation": 0}},
			{"fallen", counter("0", 30), read, map[string]float64{"ranks": 1, "generation": 30}},
			{"on", counter("0", 35), read, map[string]float64{"ranks": 1, "generation": 35}},
		}},
		{"another process counts whole though its counter is greater", []step{
			{"first", start(1e9) + counter("0", 1000), read, map[string]float64{"ranks": 1, "generation": 0}},
			{"same", start(1e9) + counter("0", 1001), read, map[string]float64{"ranks": 1, "generation": 1}},
			{"down", "", 10 * time.Second, map[string]float64{"ranks": 1, "generation": 1}},
			{"another", start(1e9+60) + counter("0", 5000), read, map[string]float64{"ranks": 1, "generation": 5001}},
			{"on", start(1e9+60) + counter("0", 5005), read, map[string]float64{"ranks": 1, "generation": 5006}},
		}},
		{"a boot time that wobbles is no restart", []step{
			{"first", start(1e9) + counter("0", 1000), read, map[string]float64{"ranks": 1, "generation": 0}},
			{"wobble", start(1e9+1) + counter("0", 1001), read, map[string]float64{"ranks": 1, "generation": 1}},
		}},
		{"two processes that answer in turn make no spikes", []step{
			{"first", start(1e9) + counter("0", 1000), read, map[string]float64{"ranks": 1, "generation": 0}},
			{"a later one, as after a restart", start(1e9+60) + counter("0", 50), read, map[string]float64{"ranks": 1, "generation": 50}},
			{"the first again", start(1e9) + counter("0", 1004), read, map[string]float64{"ranks": 1, "generation": 50}},
			{"and on", start(1e9) + counter("0", 1007), read, map[string]float64{"ranks": 1, "generation": 53}},
			{"the later one again", start(1e9+60) + counter("0", 55), read, map[string]float64{"ranks": 1, "generation": 53}},
		}},
		{"two ranks are summed", []step{
			{"first", counter("0", 1000) + counter("1", 2000), read, map[string]float64{"ranks": 2, "generation": 0}},
			{"both", counter("0", 1010) + counter("1", 2005), read, map[string]float64{"ranks": 2, "generation": 15}},
			{"one restarts", counter("0", 1020) + counter("1", 7), read, map[string]float64{"ranks": 2, "generation": 32}},
			{"one is gone", counter("0", 1021), read, map[string]float64{"ranks": 1, "generation": 33}},
			{"it comes back", counter("0", 1021) + counter("1", 9), read, map[string]float64{"ranks": 2, "generation": 35}},
		}},
		{"another order of lines changes nothing", []step{
			{"first", counter("0", 10) + counter("1", 20), read, map[string]float64{"ranks": 2, "generation": 0}},
			{"turned", counter("1", 21) + counter("0", 12), read, map[string]float64{"ranks": 2, "generation": 3}},
		}},
		{"a series that is new on a known server began at 0", []step{
			{"first", finished("stop", 100), read, map[string]float64{"ranks": 1, "requests success": 0}},
			{
				"new", finished("stop", 100) + finished("length", 3) + finished("abort", 2), read,
				map[string]float64{"ranks": 1, "requests success": 3, "requests cancelled": 2},
			},
		}},
		{"a series that is new after a gap may have a history", []step{
			{"first", finished("stop", 100), read, map[string]float64{"ranks": 1, "requests success": 0}},
			{"down", "", read, map[string]float64{"ranks": 1, "requests success": 0}},
			{
				"up", finished("stop", 104) + finished("length", 3000), read,
				map[string]float64{"ranks": 1, "requests success": 4},
			},
			{
				"on", finished("stop", 104) + finished("length", 3001), read,
				map[string]float64{"ranks": 1, "requests success": 5},
			},
		}},
		{"a half page is none", []step{
			{"first", counter("0", 1000), read, map[string]float64{"ranks": 1, "generation": 0}},
			{
				"half", "vllm:generation_tokens_total{model_name=\"m\",engine=\"0\"} 20", read,
				map[string]float64{"ranks": 1, "generation": 0},
			},
			{"whole", counter("0", 2000), read, map[string]float64{"ranks": 1, "generation": 1000}},
		}},
		{"a half page is a gap as well", []step{
			{"first", finished("stop", 100), read, map[string]float64{"ranks": 1, "requests success": 0}},
			{"half", finished("stop", 100) + "vllm:request_succ", read, map[string]float64{"ranks": 1, "requests success": 0}},
			{
				"up", finished("stop", 101) + finished("length", 3000), read,
				map[string]float64{"ranks": 1, "requests success": 1},
			},
		}},
		{"what is no number is not used", []step{
			{"first", counter("0", 1000), read, map[string]float64{"ranks": 1, "generation": 0}},
			{
				"NaN", "vllm:generation_tokens_total{model_name=\"m\",engine=\"0\"} NaN\n", read,
				map[string]float64{"ranks": 1, "generation": 0},
			},
			{"negative", counter("0", -5), read, map[string]float64{"ranks": 1, "generation": 0}},
			{"back", counter("0", 1001), read, map[string]float64{"ranks": 1, "generation": 1}},
		}},
		{"a vLLM behind Ray, by either name", []step{
			{
				"first", "ray_vllm_generation_tokens_total{model_name=\"m\",ReplicaId=\"a\"} 10\n" +
					"ray_vllm_num_requests_waiting{model_name=\"m\",ReplicaId=\"a\"} 2\n" +
					"ray_vllm_num_requests_waiting{model_name=\"m\",ReplicaId=\"b\"} 3\n", read,
				map[string]float64{"ranks": 2, "generation": 0, "waiting": 5},
			},
		}},
		{"requests refused are no errors twice", []step{
			{"first", finished("stop", 0), read, map[string]float64{"ranks": 1, "requests success": 0}},
			{
				"refused", finished("stop", 1) + finished("error", 1) +
					"vllm:admission_rejections_total{model_name=\"m\",reason=\"queue\"} 5\n" +
					"http_requests_total{handler=\"/v1\",status=\"2xx\"} 1\n" +
					"http_requests_total{handler=\"/v1\",status=\"5xx\"} 8\n", read,
				// Of 8 answers of 5xx five are the refusals, one is the engine's error: two are the server's own.
				map[string]float64{"ranks": 1, "requests success": 1, "requests rejected": 5, "requests error": 3},
			},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, engine.Config{}, func(s *stage) {
				s.setPods(vllmPod(time.Now()))
				for _, step := range tt.steps {
					s.mu.Lock()
					s.pages[podURL] = step.page
					if step.page == "" {
						delete(s.pages, podURL)
					}
					s.mu.Unlock()
					check(t, step.name, s.pass(step.pass), step.want)
				}
			})
		})
	}
}

func TestLevels(t *testing.T) {
	gauge := func(name, labels string, v float64) string { return fmt.Sprintf("vllm:%s{%s} %g\n", name, labels, v) }
	tests := []struct {
		name, page string
		want       map[string]float64
	}{
		{
			"ranks: requests are summed, of usage the greatest counts",
			gauge("num_requests_running", `model_name="m",engine="0"`, 3) +
				gauge("num_requests_running", `model_name="m",engine="1"`, 4) +
				gauge("kv_cache_usage_perc", `model_name="m",engine="0"`, 0.2) +
				gauge("kv_cache_usage_perc", `model_name="m",engine="1"`, 0.7),
			map[string]float64{"ranks": 2, "running": 7, "kv": 0.7, "max": 512},
		},
		{
			"API servers of one rank: the greatest counts",
			gauge("num_requests_running", `model_name="m",engine="0",pid="1"`, 0) +
				gauge("num_requests_running", `model_name="m",engine="0",pid="2"`, 4) +
				gauge("num_requests_running", `model_name="m",engine="1",pid="1"`, 5) +
				gauge("num_requests_running", `model_name="m",engine="1",pid="2"`, 3) +
				gauge("kv_cache_usage_perc", `model_name="m",engine="0",pid="1"`, 0) +
				gauge("kv_cache_usage_perc", `model_name="m",engine="0",pid="2"`, 0.6),
			map[string]float64{"ranks": 2, "running": 9, "kv": 0.6, "max": 512},
		},
		{
			"what waits for capacity alone",
			gauge("num_requests_running", `model_name="m"`, 1) +
				gauge("num_requests_waiting", `model_name="m"`, 9) +
				gauge("num_requests_waiting_by_reason", `model_name="m",reason="capacity"`, 6) +
				gauge("num_requests_waiting_by_reason", `model_name="m",reason="deferred"`, 3),
			map[string]float64{"ranks": 1, "running": 1, "waiting": 9, "capacity": 6, "max": 256},
		},
		{
			"not a number, infinite, negative",
			gauge("num_requests_running", `model_name="m"`, 1) + "vllm:num_requests_waiting{model_name=\"m\"} NaN\n" +
				"vllm:kv_cache_usage_perc{model_name=\"m\"} +Inf\nvllm:engine_sleep_state{model_name=\"m\",sleep_state=\"awake\"} 1\n",
			map[string]float64{"ranks": 1, "running": 1, "max": 256},
		},
		{
			"Triton's TensorRT-LLM backend",
			`nv_inference_pending_request_count{model="m",version="1"} 2
nv_trt_llm_request_metrics{model="m",version="1",request_type="waiting"} 5
nv_trt_llm_request_metrics{model="m",version="1",request_type="context"} 1
nv_trt_llm_request_metrics{model="m",version="1",request_type="scheduled"} 7
nv_trt_llm_request_metrics{model="m",version="1",request_type="max"} 64
nv_trt_llm_request_metrics{model="m",version="1",request_type="active"} 12
nv_trt_llm_kv_cache_block_metrics{model="m",version="1",kv_cache_block_type="fraction"} 0.9
nv_trt_llm_kv_cache_block_metrics{model="m",version="1",kv_cache_block_type="tokens_per"} 64
nv_trt_llm_kv_cache_block_metrics{model="m",version="1",kv_cache_block_type="used"} 300
nv_trt_llm_kv_cache_block_metrics{model="m",version="1",kv_cache_block_type="free"} 700
nv_trt_llm_kv_cache_block_metrics{model="m",version="1",kv_cache_block_type="max"} 1000
`,
			// Waiting before the batcher and in it; 300 of 1000 blocks.
			map[string]float64{"ranks": 1, "running": 7, "waiting": 7, "max": 64, "kv": 0.3},
		},
		{
			"the same, when the cache tells no more than its fraction",
			`nv_trt_llm_request_metrics{model="m",version="1",request_type="active"} 12
nv_trt_llm_kv_cache_block_metrics{model="m",version="1",kv_cache_block_type="fraction"} 0.9
`,
			map[string]float64{"ranks": 1, "running": 12, "kv": 0.9},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, engine.Config{}, func(s *stage) {
				s.setPods(vllmPod(time.Now(), "serve", "m", "--max-num-seqs=256"))
				check(t, "page", s.show(tt.page, read), tt.want)
			})
		})
	}
}

func TestWindows(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Now()))
		// A page each 2 s, a window of 10 s. Tokens grow by 20 a page.
		var got node.Server
		for i := range 6 {
			got = s.show(vllmPage(float64(i), 0, float64(20*i), 0), read)
			if full := i >= 5; (got.Span != 0) != full {
				t.Errorf("page %d: span %v", i, got.Span)
			}
		}
		m := got.Models[0]
		// Five pages of 2 s with 1, 2, 3, 4 and 5 running.
		if diff := cmp.Diff(node.Some(node.Gauge{Last: 5, Mean: 3, Peak: 5}), m.Running, near()); diff != "" {
			t.Errorf("running (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(node.Some(node.Counter{Total: 100, Increase: 100}), m.GenerationTokens, near()); diff != "" {
			t.Errorf("tokens (-want +got):\n%s", diff)
		}
		got = s.show(vllmPage(0, 0, 100, 0), read)
		m = got.Models[0]
		if diff := cmp.Diff(node.Some(node.Gauge{Last: 0, Mean: 2.8, Peak: 5}), m.Running, near()); diff != "" {
			t.Errorf("running (-want +got):\n%s", diff)
		}
		// The window has moved: the first 20 are out of it.
		if diff := cmp.Diff(node.Some(node.Counter{Total: 100, Increase: 80}), m.GenerationTokens, near()); diff != "" {
			t.Errorf("tokens (-want +got):\n%s", diff)
		}
		if got.Span != 10*time.Second {
			t.Errorf("span %v", got.Span)
		}
	})
}

func TestLittlesLaw(t *testing.T) {
	page := func(request, queue float64) string {
		return fmt.Sprintf("nv_inference_request_duration_us{model=\"m\",version=\"1\"} %g\n"+
			"nv_inference_queue_duration_us{model=\"m\",version=\"1\"} %g\n"+
			"nv_inference_request_success{model=\"m\",version=\"1\"} %g\n", request, queue, request/1e6)
	}
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Now()))
		if m := s.show(page(1e6, 0), read).Models[0]; m.Running.Known {
			t.Errorf("running %+v after one page", m.Running)
		}
		// In 2 s requests of 10 s in all ended, of which 4 s in the queue: 3 ran at a time.
		m := s.show(page(11e6, 4e6), read).Models[0]
		if !m.RunningEstimated || !m.Running.Known || m.Running.Value.Last != 3 {
			t.Errorf("running %+v, estimated %v, want 3", m.Running, m.RunningEstimated)
		}
		if m = s.show(page(11e6, 4e6), read).Models[0]; m.Running.Value.Last != 0 || !m.Running.Known {
			t.Errorf("running %+v, want 0", m.Running)
		}
	})
}

func TestModelsComeAndGo(t *testing.T) {
	page := func(model string, waiting, success float64) string {
		return fmt.Sprintf("nv_inference_pending_request_count{model=%[1]q,version=\"1\"} %[2]g\n"+
			"nv_inference_request_success{model=%[1]q,version=\"1\"} %[3]g\n", model, waiting, success)
	}
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Now()))
		s.show(page("a", 3, 100), read)
		got := s.show(page("a", 3, 101)+page("b", 2, 4), read)
		check(t, "b is loaded", got, map[string]float64{
			"a ranks": 1, "a waiting": 3, "a requests success": 1, "b ranks": 1, "b waiting": 2, "b requests success": 4,
		})
		if i := got.Models[1].Requests["success"].Increase; i != 4 {
			t.Errorf("increase %g, want 4", i)
		}
		got = s.show(page("b", 1, 4), read)
		check(t, "a is unloaded: nothing of it waits", got, map[string]float64{
			"a ranks": 1, "a waiting": 0, "a requests success": 1, "b ranks": 1, "b waiting": 1, "b requests success": 4,
		})
		got = s.show("nv_cpu_utilization 0\n", read)
		check(t, "all are unloaded", got, map[string]float64{
			"a ranks": 1, "a waiting": 0, "a requests success": 1, "b ranks": 1, "b waiting": 0, "b requests success": 4,
		})
		if got.Fault != "" || !got.WaitingSince.IsZero() {
			t.Errorf("server %+v", got)
		}
		check(t, "a is loaded anew", s.show(page("a", 0, 2), read), map[string]float64{
			"a ranks": 1, "a waiting": 0, "a requests success": 3, "b ranks": 1, "b waiting": 0, "b requests success": 4,
		})
	})
}

func TestLostLevel(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Now()))
		s.show(vllmPage(1, 6, 10, 0), read)
		less := strings.Replace(vllmPage(1, 6, 10, 0), "vllm:num_requests_waiting", "vllm:num_requests_elsewhere", 1)
		got := s.show(less, 50*time.Second)
		if w := got.Models[0].Waiting; !w.Known || w.Value.Last != 6 || got.Lost != nil {
			t.Errorf("within a minute: waiting %+v, lost %v; want it held", w, got.Lost)
		}
		got = s.pass(20 * time.Second)
		if w := got.Models[0].Waiting; w.Known || !cmp.Equal(got.Lost, []string{"waiting"}) {
			t.Errorf("after a minute: waiting %+v, lost %v; want it unknown and named", w, got.Lost)
		}
		got = s.show(vllmPage(1, 2, 10, 0), read)
		if w := got.Models[0].Waiting; !w.Known || w.Value.Last != 2 || got.Lost != nil {
			t.Errorf("back: waiting %+v, lost %v", w, got.Lost)
		}
	})
}
