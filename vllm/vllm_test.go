package vllm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/engine"
	"gpusignal/vllm"
)

// The order of the candidates is what makes a renamed family win over the name it had.
func TestNewNamesComeFirst(t *testing.T) {
	want := map[engine.Measure][]string{
		engine.KVCache: {
			"vllm:kv_cache_usage_perc", "ray_vllm_kv_cache_usage_perc", "ray_vllm:kv_cache_usage_perc",
			"vllm:gpu_cache_usage_perc", "ray_vllm_gpu_cache_usage_perc", "ray_vllm:gpu_cache_usage_perc",
		},
		engine.InterToken: {
			"vllm:inter_token_latency_seconds", "ray_vllm_inter_token_latency_seconds", "ray_vllm:inter_token_latency_seconds",
			"vllm:time_per_output_token_seconds", "ray_vllm_time_per_output_token_seconds",
			"ray_vllm:time_per_output_token_seconds",
		},
	}
	got := make(map[engine.Measure][]string)
	for measure := range want {
		for _, c := range vllm.Dialect().Readings[measure] {
			got[measure] = append(got[measure], c.Of[0].Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
}

// Refused requests are spelled as the finished ones are.
func TestRejections(t *testing.T) {
	var got []string
	for _, c := range vllm.Dialect().Readings[engine.Requests] {
		got = append(got, c.Outcomes[0].Of.Name, c.Outcomes[1].Of.Name)
	}
	want := []string{
		"vllm:request_success_total", "vllm:admission_rejections_total",
		"ray_vllm_request_success_total", "ray_vllm_admission_rejections_total",
		"ray_vllm:request_success_total", "ray_vllm:admission_rejections_total",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
