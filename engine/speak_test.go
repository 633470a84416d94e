package engine_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gpusignal/engine"
)

func TestWhichDialectAPageSpeaks(t *testing.T) {
	const (
		vllm    = "vllm:num_requests_running{model_name=\"m\"} 1\n"
		dynamo  = "dynamo_component_inflight_requests{dynamo_endpoint=\"generate\",model=\"m\"} 1\n"
		running = "num_requests_running{model_name=\"m\"} 1\n"
		usage   = "gpu_cache_usage_perc{model_name=\"m\"} 0.5\n"
	)
	for _, tt := range []struct{ name, page, engine string }{
		{"vLLM", vllm, "vllm"},
		{"a worker of Dynamo with its engine's families", dynamo + vllm, "vllm"},
		{"in another order", vllm + dynamo, "vllm"},
		{"a worker of Dynamo without", dynamo, "dynamo"},
		{"vLLM within Triton", vllm + "nv_inference_request_success{model=\"m\",version=\"1\"} 1\n", "triton"},
		{"NIM", running + usage, "nim"},
		{"NIM in another order", usage + running, "nim"},
		{"one bare name is anybody's", running, ""},
		{"bare latencies are not TensorRT-LLM's without its label", "request_queue_time_seconds_sum{model_name=\"m\"} 1\ne2e_request_latency_seconds_sum 1\n", ""},
		{"a mark in a comment", "# HELP vllm:num_requests_running x\nnode_load1 1\n", ""},
		{"a mark within a name", "my_vllm:num_requests_running 1\n", ""},
		{"a frontend of Dynamo speaks of others", "dynamo_frontend_inflight_requests{model=\"m\"} 1\n", ""},
		{"text-generation-inference", "tgi_queue_size 0\n", "tgi"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, engine.Config{}, func(s *stage) {
				s.setPods(vllmPod(time.Now()))
				got := s.show(tt.page, read)
				if got.Engine != tt.engine {
					t.Errorf("engine %q, want %q: fault %q %s", got.Engine, tt.engine, got.Fault, got.Detail)
				}
			})
		})
	}
}

// A worker's page gets its engine's families with the first request: from then on it is read as its engine, and what it
// told before is not held.
func TestAPageLearnsToSpeak(t *testing.T) {
	const (
		dynamo = "dynamo_component_inflight_requests{dynamo_endpoint=\"generate\",model=\"m\"} 1\n"
		vllm   = "vllm:num_requests_running{model_name=\"m\"} 5\nvllm:generation_tokens_total{model_name=\"m\"} 1000\n"
	)
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Now()))
		if got := s.show(dynamo, read); got.Engine != "dynamo" {
			t.Fatalf("engine %q", got.Engine)
		}
		got := s.show(dynamo+vllm, 80*time.Second)
		if got.Engine != "vllm" {
			t.Fatalf("after 40 pages: engine %q", got.Engine)
		}
		check(t, "as its engine", got, map[string]float64{"ranks": 1, "running": 5, "generation": 0})
	})
}

// own is a dialect as users write it, in the place of vLLM's.
func own() []engine.Dialect {
	return []engine.Dialect{{
		Name: "vllm", Port: 8000, Marks: []engine.Mark{{Prefix: "vllm:"}}, Model: []string{"model_name"},
		Readings: map[engine.Measure][]engine.Candidate{engine.Waiting: {engine.GaugeOf("vllm:num_requests_running")}},
	}}
}

func TestUsersDialectsComeAndGo(t *testing.T) {
	var current atomic.Pointer[[]engine.Dialect]
	current.Store(new([]engine.Dialect))
	play(t, engine.Config{Own: func() []engine.Dialect { return *current.Load() }}, func(s *stage) {
		s.setPods(vllmPod(time.Now()))
		page := func(tokens float64) string { return vllmPage(3, 1, tokens, 0) }
		s.show(page(100), read)
		check(t, "built in", s.show(page(110), read), map[string]float64{
			"ranks": 1, "running": 3, "waiting": 1, "generation": 10, "requests success": 0,
		})
		shadow := own()
		current.Store(&shadow)
		got := s.show(page(110), 2*read) // The page of the same instant may still be read by the old ones.
		if w := got.Models[0].Waiting; !w.Known || w.Value.Last != 3 {
			t.Errorf("shadowed: waiting %+v, want 3: fault %q %s", w, got.Fault, got.Detail)
		}
		again := own()
		current.Store(&again) // The same once more: nothing begins anew.
		before := got.FirstPage
		if got = s.show(page(130), read); got.FirstPage != before || got.Fault != "" {
			t.Errorf("the same dialects: first page %v, before %v, fault %q", got.FirstPage, before, got.Fault)
		}
		current.Store(new([]engine.Dialect))
		s.show(page(130), 2*read)
		got = s.show(page(140), read)
		if m := got.Models[0]; m.Waiting.Value.Last != 1 || m.GenerationTokens.Value.Total != 20 {
			t.Errorf("built in again: waiting %+v, tokens %+v; want 1, and 10 and 10 that were seen", m.Waiting, m.GenerationTokens)
		}
	})
}

func TestShadow(t *testing.T) {
	all := engine.Shadow(own(), dialects())
	if all[0].Precedence == 0 || len(all) != len(dialects()) {
		t.Errorf("%d dialects, the first with precedence %d; want %d, the users' own above the others", len(all), all[0].Precedence, len(dialects()))
	}
	var names []string
	for _, d := range all {
		names = append(names, d.Name)
	}
	if n := strings.Count(strings.Join(names, " "), "vllm"); n != 1 {
		t.Errorf("%q has %d of the name vllm", names, n)
	}
}
