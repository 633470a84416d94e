package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gpusignal/engine"
	"gpusignal/node"
	"gpusignal/scaling"
)

// loaded is the i-th page of a vLLM under steady load: of each two seconds ten requests that waited 2 s and one that was
// refused.
func loaded(i float64) string {
	var b strings.Builder
	level := func(name string, v float64) { fmt.Fprintf(&b, "vllm:%s{model_name=\"m\",engine=\"0\"} %g\n", name, v) }
	level("num_requests_running", 8)
	level("num_requests_waiting", 6)
	fmt.Fprintf(&b, "vllm:num_requests_waiting_by_reason{model_name=\"m\",engine=\"0\",reason=\"capacity\"} 6\n")
	level("kv_cache_usage_perc", 0.8)
	level("prompt_tokens_total", 5000*i)
	level("generation_tokens_total", 900*i)
	fmt.Fprintf(&b, "vllm:request_success_total{model_name=\"m\",engine=\"0\",finished_reason=\"stop\"} %g\n", 10*i)
	fmt.Fprintf(&b, "vllm:admission_rejections_total{model_name=\"m\",reason=\"queue\"} %g\n", i)
	for _, name := range []string{"request_queue_time_seconds", "time_to_first_token_seconds", "inter_token_latency_seconds"} {
		fmt.Fprintf(&b, "vllm:%s_bucket{model_name=\"m\",engine=\"0\",le=\"+Inf\"} %g\n", name, 10*i)
		level(name+"_count", 10*i)
		level(name+"_sum", 20*i)
	}
	return b.String()
}

func without(page, family string) string {
	var b strings.Builder
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "vllm:"+family) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// saturationOf the only server now, with every target set; and its components by name.
func (s *stage) saturationOf() (node.Opt[float64], map[string]float64) {
	sources := node.Sources{Servers: s.engine.Servers, Pods: func(time.Time) []node.Pod { return s.pods }, ServerGrace: time.Minute}
	pods := scaling.Derive(sources.Snapshot(time.Now()), scaling.Targets{Rules: []scaling.Rule{{
		Queue: new(5.0), MaxRunning: new(8.0), Concurrency: new(7.0), QueueTime: new(1.0), TimeToFirstToken: new(1.0), InterTokenLatency: new(1.0),
	}}})
	if len(pods) != 1 {
		s.t.Fatalf("%d pods", len(pods))
	}
	components := make(map[string]float64)
	for _, c := range pods[0].Components {
		components[c.Name] = c.Value
	}
	v, ok := pods[0].Value(scaling.Saturation)
	return node.Opt[float64]{Value: v, Known: ok}, components
}

// A page that cannot be read, that comes late or lacks a family never lowers saturation, nor any of its components, while
// what was read lives; after that there is none rather than a smaller one.
func TestNothingMissingLowersSaturation(t *testing.T) {
	families := []string{
		"", "num_requests_running", "num_requests_waiting{", "num_requests_waiting_by_reason", "kv_cache_usage_perc", "generation_tokens_total",
		"request_success_total", "admission_rejections_total", "request_queue_time_seconds", "time_to_first_token_seconds", "inter_token_latency_seconds",
	}
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			play(t, engine.Config{}, func(s *stage) {
				s.setPods(vllmPod(time.Now()))
				i := 0.0
				for ; i < 10; i++ {
					s.show(loaded(i), read)
				}
				before, components := s.saturationOf()
				if !before.Known || len(components) != 8 {
					t.Fatalf("saturation %+v of %v, want eight components", before, components)
				}
				for ; i < 38; i++ {
					if family == "" {
						s.hide(read) // Refused.
					} else {
						s.show(without(loaded(i), family), read)
					}
					now, after := s.saturationOf()
					if !now.Known || now.Value < before.Value-1e-9 {
						t.Fatalf("page %g: saturation %+v, before %+v", i, now, before)
					}
					for name, v := range components {
						if after[name] < v-1e-9 {
							t.Fatalf("page %g: %s is %g, before %g", i, name, after[name], v)
						}
					}
				}
				for ; i < 44; i++ {
					if family == "" {
						s.hide(read)
					} else {
						s.show(without(loaded(i), family), read)
					}
				}
				if now, after := s.saturationOf(); now.Known {
					t.Errorf("after more than a minute: saturation %+v of %v, want none", now, after)
				}
			})
		})
	}
}

func TestALatePageDoesNotLowerSaturation(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Now()))
		for i := range 10 {
			s.show(loaded(float64(i)), read)
		}
		before, _ := s.saturationOf()
		s.mu.Lock()
		s.took = 4 * time.Second
		s.mu.Unlock()
		for i := range 20 {
			s.show(loaded(float64(10+5*i)), 10*time.Second) // It is read once in ten seconds then, at the same load.
			if now, _ := s.saturationOf(); !now.Known || now.Value < before.Value-1e-9 {
				t.Fatalf("reading %d: saturation %+v, before %+v", i, now, before)
			}
		}
	})
}
