package sim

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	names "github.com/prometheus/common/model"
)

// table is a page as its reader sees it: series to value, and family to type.
type table struct {
	values map[string]float64
	types  map[string]string
}

// parsePage reads a page with the reference parser.
func parsePage(t *testing.T, body []byte) table {
	t.Helper()
	parser := expfmt.NewTextParser(names.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("parse page: %v\n%s", err, body)
	}
	out := table{map[string]float64{}, map[string]string{}}
	for name, f := range families {
		out.types[name] = strings.ToLower(f.GetType().String())
		if f.GetHelp() == "" {
			t.Errorf("family %s has no help", name)
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			slices.Sort(labels)
			key := name + "{" + strings.Join(labels, ",") + "}"
			switch {
			case m.GetHistogram() != nil:
				out.values[key+".sum"] = m.GetHistogram().GetSampleSum()
				out.values[key+".count"] = float64(m.GetHistogram().GetSampleCount())
				buckets := m.GetHistogram().GetBucket()
				if last := buckets[len(buckets)-1]; last.GetCumulativeCount() != m.GetHistogram().GetSampleCount() {
					t.Errorf("%s: the last bucket has %d, the count is %v", key, last.GetCumulativeCount(), out.values[key+".count"])
				}
			case m.GetSummary() != nil:
				out.values[key+".sum"] = m.GetSummary().GetSampleSum()
				out.values[key+".count"] = float64(m.GetSummary().GetSampleCount())
			default:
				out.values[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return out
}

func TestPythonNumber(t *testing.T) {
	for in, want := range map[float64]string{
		0: "0.0", 8: "8.0", 0.3: "0.3", 1e-5: "1e-05", 123456: "123456.0", 1048576: "1.048576e+06",
		1.72365683894e9: "1.72365683894e+09", 3.9024848896e10: "3.9024848896e+010", 10000000: "1e+07", math.Inf(1): "+Inf",
		999999.5: "999999.5", 1234567.25: "1.23456725e+06",
	} {
		if got := string(pythonNumber(nil, in)); got != want {
			t.Errorf("%v is written %q, want %q", in, got, want)
		}
	}
}

// vllmFamilies are the families of a current page, and their types as written.
func vllmFamilies() map[string]string {
	return map[string]string{
		"vllm:num_requests_running": "gauge", "vllm:num_requests_waiting": "gauge", "vllm:num_requests_waiting_by_reason": "gauge",
		"vllm:engine_sleep_state": "gauge", "vllm:kv_cache_usage_perc": "gauge", "vllm:num_preemptions_total": "counter",
		"vllm:prompt_tokens_total": "counter", "vllm:generation_tokens_total": "counter",
		"vllm:prompt_tokens_by_source_total": "counter", "vllm:prompt_tokens_cached_total": "counter",
		"vllm:prompt_tokens_recomputed_total": "counter", "vllm:prefix_cache_queries_total": "counter",
		"vllm:prefix_cache_hits_total": "counter", "vllm:external_prefix_cache_queries_total": "counter",
		"vllm:external_prefix_cache_hits_total": "counter", "vllm:mm_cache_queries_total": "counter",
		"vllm:mm_cache_hits_total": "counter", "vllm:request_success_total": "counter",
		"vllm:time_to_first_token_seconds": "histogram", "vllm:inter_token_latency_seconds": "histogram",
		"vllm:request_time_per_output_token_seconds": "histogram", "vllm:e2e_request_latency_seconds": "histogram",
		"vllm:request_queue_time_seconds": "histogram", "vllm:request_inference_time_seconds": "histogram",
		"vllm:request_prefill_time_seconds": "histogram", "vllm:request_decode_time_seconds": "histogram",
		"vllm:request_prompt_tokens": "histogram", "vllm:request_generation_tokens": "histogram",
		"vllm:request_max_num_generation_tokens": "histogram", "vllm:request_params_n": "histogram",
		"vllm:request_params_max_tokens": "histogram", "vllm:request_prefill_kv_computed_tokens": "histogram",
		"vllm:iteration_tokens_total": "histogram", "vllm:lora_requests_info": "gauge", "vllm:cache_config_info": "gauge",
		"vllm:spec_decode_num_drafts_total": "counter", "vllm:spec_decode_num_draft_tokens_total": "counter",
		"vllm:spec_decode_num_accepted_tokens_total":         "counter",
		"vllm:spec_decode_num_accepted_tokens_per_pos_total": "counter", "vllm:admission_rejections_total": "counter",
		"vllm:prompt_tokens_created": "gauge", "vllm:request_success_created": "gauge", "vllm:iteration_tokens_total_created": "gauge",
		"http_requests_total": "counter", "http_requests_created": "gauge", "http_request_duration_seconds": "histogram",
		"http_request_duration_highr_seconds": "histogram", "http_request_size_bytes": "summary", "http_response_size_bytes": "summary",
		"python_gc_objects_collected_total": "counter", "python_gc_collections_total": "counter", "python_info": "gauge",
		"process_start_time_seconds": "gauge", "process_cpu_seconds_total": "counter", "process_resident_memory_bytes": "gauge",
	}
}

// tritonFamilies are the families of a page with everything switched on.
func tritonFamilies() map[string]string {
	return map[string]string{
		"nv_inference_request_success": "counter", "nv_inference_request_failure": "counter", "nv_inference_count": "counter",
		"nv_inference_exec_count": "counter", "nv_inference_request_duration_us": "counter",
		"nv_inference_queue_duration_us": "counter", "nv_inference_compute_input_duration_us": "counter",
		"nv_inference_compute_infer_duration_us": "counter", "nv_inference_compute_output_duration_us": "counter",
		"nv_inference_pending_request_count": "gauge", "nv_inference_first_response_histogram_ms": "histogram",
		"nv_inference_request_summary_us": "summary", "nv_inference_queue_summary_us": "summary",
		"nv_inference_compute_input_summary_us": "summary", "nv_inference_compute_infer_summary_us": "summary",
		"nv_inference_compute_output_summary_us": "summary", "nv_model_load_duration_secs": "gauge",
		"nv_cache_num_hits_per_model": "counter", "nv_cache_num_misses_per_model": "counter",
		"nv_cache_hit_duration_per_model": "counter", "nv_cache_miss_duration_per_model": "counter",
		"nv_energy_consumption": "counter", "nv_gpu_utilization": "gauge", "nv_gpu_memory_total_bytes": "gauge",
		"nv_gpu_memory_used_bytes": "gauge", "nv_gpu_power_usage": "gauge", "nv_gpu_power_limit": "gauge",
		"nv_cpu_utilization": "gauge", "nv_cpu_memory_total_bytes": "gauge", "nv_cpu_memory_used_bytes": "gauge",
		"nv_pinned_memory_pool_total_bytes": "gauge", "nv_pinned_memory_pool_used_bytes": "gauge",
	}
}

func checkFamilies(t *testing.T, got, want map[string]string) {
	t.Helper()
	have := map[string]string{}
	for name := range want {
		if kind, ok := got[name]; ok {
			have[name] = kind
		}
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("families (-want +got):\n%s", diff)
	}
}

func TestPagesAreOfOneForm(t *testing.T) {
	h := newHistogram([]float64{1, 2})
	h.observe(1)
	h.observe(5)
	p := &page{number: pythonNumber, sorted: true}
	p.family("x", "An x.", "histogram")
	p.buckets("x", h, "model_name", "a\"\n\\", "engine", "0")
	want := `# HELP x An x.
# TYPE x histogram
x_bucket{engine="0",le="1.0",model_name="a\"\n\\"} 1.0
x_bucket{engine="0",le="2.0",model_name="a\"\n\\"} 1.0
x_bucket{engine="0",le="+Inf",model_name="a\"\n\\"} 2.0
x_count{engine="0",model_name="a\"\n\\"} 2.0
x_sum{engine="0",model_name="a\"\n\\"} 6.0
`
	if diff := cmp.Diff(want, string(p.b)); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}
