// Package triton says how NVIDIA's Triton Inference Server spells its metrics, with those of its TensorRT-LLM and vLLM
// backends.
//
// Names: triton-inference-server/core src/metrics.cc and metric_model_reporter.cc; the READMEs of tensorrtllm_backend and
// vllm_backend.
package triton

import "gpusignal/engine"

// The families that more than one reading needs.
const (
	success      = "nv_inference_request_success"
	requestTime  = "nv_inference_request_duration_us"
	queueTime    = "nv_inference_queue_duration_us"
	pending      = "nv_inference_pending_request_count"
	microseconds = 1e-6
	milliseconds = 1e-3
)

// The backends whose families a page may have beside Triton's own.
const (
	tensorRT = "TensorRT-LLM backend"
	vllm     = "vLLM backend"
)

// Dialect returns Triton's dialect. Per model all versions are summed, and the label gpu_uuid, which comes and goes (server
// issue 7479), is summed away. What the vLLM backend adds to the page carries the labels model and version.
func Dialect() engine.Dialect {
	return engine.Dialect{
		Name:       "triton",
		Port:       8002,
		Images:     []string{"tritonserver"},
		NoStart:    true,
		Commands:   []string{"tritonserver"},
		Marks:      []engine.Mark{{Prefix: "nv_"}, {Prefix: "vllm:", Label: "model"}},
		Precedence: 1,
		Model:      []string{"model", "model_name"},
		Noise:      []string{"gpu_uuid"},
		Readings: map[engine.Measure][]engine.Candidate{
			engine.Running: {
				engine.GaugeOf(batch("scheduled")).By(tensorRT), engine.GaugeOf(batch("active")).By(tensorRT),
				engine.GaugeOf("vllm:num_requests_running").By(vllm),
				// Plain models have no such gauge.
				engine.LittleOf(requestTime, queueTime).In(microseconds),
			},
			// A request may wait in Triton, or in the batcher behind it.
			engine.Waiting: {
				engine.GaugeOf(batch("waiting"), pending).By(tensorRT),
				engine.GaugeOf("vllm:num_requests_waiting", pending).By(vllm),
				engine.GaugeOf(pending).By("23.09 and later"),
			},
			engine.KVCache: {
				engine.RatioOf(block("used"), block("max")).By(tensorRT), engine.GreatestOf(block("fraction")).By(tensorRT),
				engine.GreatestOf("vllm:kv_cache_usage_perc").By(vllm), engine.GreatestOf("vllm:gpu_cache_usage_perc").By(vllm),
			},
			engine.MaxRunning:       {engine.GaugeOf(batch("max")).By(tensorRT)},
			engine.PromptTokens:     {engine.CounterOf("vllm:prompt_tokens_total").By(vllm)},
			engine.GenerationTokens: {engine.CounterOf("vllm:generation_tokens_total").By(vllm)},
			engine.Queue: {
				engine.QuotientOf(queueTime, success).In(microseconds),
				engine.HistogramOf("nv_inference_queue_summary_us").In(microseconds),
			},
			engine.ComputeInput: {
				engine.QuotientOf("nv_inference_compute_input_duration_us", success).In(microseconds),
				engine.HistogramOf("nv_inference_compute_input_summary_us").In(microseconds),
			},
			engine.FirstToken: {
				engine.HistogramOf("vllm:time_to_first_token_seconds").By(vllm),
				engine.HistogramOf("nv_inference_first_response_histogram_ms").In(milliseconds).By("24.11 and later, where switched on"),
			},
			engine.InterToken: {
				engine.HistogramOf("vllm:inter_token_latency_seconds").By(vllm),
				engine.HistogramOf("vllm:time_per_output_token_seconds").By(vllm),
			},
			// From Triton's own counters alone. Before 24.08 failures have no reason.
			engine.Requests: {engine.OutcomeOf(
				engine.Outcomes{Of: engine.Select(success), Otherwise: engine.Success},
				engine.Outcomes{
					Of: engine.Select("nv_inference_request_failure"), Label: "reason", Otherwise: engine.Failed,
					By: map[string]string{"CANCELED": engine.Cancelled, "REJECTED": engine.Rejected},
				},
			)},
		},
		Blind: []string{
			"running requests of plain models but as an estimate, by Little's law",
			"requests that wait in an ensemble: they are counted by the models it is made of",
			"waiting requests before 23.09, and how a request failed before 24.08",
			"durations with counter_latencies=false, unless summary_latencies is on",
			"running, waiting and the key-value cache of its vLLM backend",
		},
	}
}

// batch is a number of the TensorRT-LLM batcher.
func batch(kind string) string {
	return `nv_trt_llm_request_metrics{request_type="` + kind + `"}`
}

// block counts blocks of the TensorRT-LLM key-value cache.
func block(kind string) string {
	return `nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="` + kind + `"}`
}
