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
	failure      = "nv_inference_request_failure"
	requestTime  = "nv_inference_request_duration_us"
	queueTime    = "nv_inference_queue_duration_us"
	pending      = "nv_inference_pending_request_count"
	batcher      = "nv_trt_llm_request_metrics"
	cache        = "nv_trt_llm_kv_cache_block_metrics"
	microseconds = 1e-6
	milliseconds = 1e-3
)

// Dialect returns Triton's dialect. Per model all versions are summed, and the label gpu_uuid, which comes and goes
// (server issue 7479), is summed away. What the vLLM backend adds to the page carries the labels model and version.
func Dialect() engine.Dialect {
	return engine.Dialect{
		Name:       "triton",
		Port:       8002,
		Images:     []string{"tritonserver"},
		Commands:   []string{"tritonserver"},
		Marks:      []engine.Mark{{Prefix: "nv_"}, {Prefix: "vllm:", Label: "model"}},
		Precedence: 1,
		Model:      []string{"model", "model_name"},
		Noise:      []string{"gpu_uuid"},
		Blind: []string{
			"running requests of plain models but as an estimate, by Little's law",
			"requests that wait in an ensemble: they are counted by the models it is made of",
			"waiting requests before 23.09, and how a request failed before 24.08",
			"durations with counter_latencies=false, unless summary_latencies is on",
			"running, waiting and the key-value cache of its vLLM backend",
		},
		Readings: map[engine.Measure][]engine.Candidate{
			engine.Running: {
				batch("scheduled"), batch("active"), level("vllm:num_requests_running"),
				// Plain models have no such gauge.
				{Kind: engine.Little, Of: of(requestTime, queueTime), Scale: microseconds},
			},
			// A request may wait in Triton, or in the batcher behind it.
			engine.Waiting: {
				{Kind: engine.Gauge, Of: []engine.Series{{Name: batcher, Label: "request_type", Value: "waiting"}, {Name: pending}}},
				{Kind: engine.Gauge, Of: of("vllm:num_requests_waiting", pending)},
				level(pending),
			},
			engine.KVCache: {
				{Kind: engine.Ratio, Of: []engine.Series{block("used"), block("max")}},
				{Kind: engine.Gauge, Of: []engine.Series{block("fraction")}, Aggregation: engine.Greatest},
				{Kind: engine.Gauge, Of: of("vllm:kv_cache_usage_perc"), Aggregation: engine.Greatest},
				{Kind: engine.Gauge, Of: of("vllm:gpu_cache_usage_perc"), Aggregation: engine.Greatest},
			},
			engine.MaxRunning:       {batch("max")},
			engine.PromptTokens:     {{Kind: engine.Counter, Of: of("vllm:prompt_tokens_total")}},
			engine.GenerationTokens: {{Kind: engine.Counter, Of: of("vllm:generation_tokens_total")}},
			engine.Queue: {
				{Kind: engine.Quotient, Of: of(queueTime, success), Scale: microseconds},
				{Kind: engine.Histogram, Of: of("nv_inference_queue_summary_us"), Scale: microseconds},
			},
			engine.ComputeInput: {
				{Kind: engine.Quotient, Of: of("nv_inference_compute_input_duration_us", success), Scale: microseconds},
				{Kind: engine.Histogram, Of: of("nv_inference_compute_input_summary_us"), Scale: microseconds},
			},
			engine.FirstToken: {
				{Kind: engine.Histogram, Of: of("vllm:time_to_first_token_seconds")},
				{Kind: engine.Histogram, Of: of("nv_inference_first_response_histogram_ms"), Scale: milliseconds},
			},
			engine.InterToken: {
				{Kind: engine.Histogram, Of: of("vllm:inter_token_latency_seconds")},
				{Kind: engine.Histogram, Of: of("vllm:time_per_output_token_seconds")},
			},
			engine.Requests: {{Kind: engine.Outcome, Outcomes: outcomes()}},
		},
	}
}

// outcomes of requests, from Triton's own counters alone. Before 24.08 failures have no reason.
func outcomes() []engine.Outcomes {
	return []engine.Outcomes{
		{Of: engine.Series{Name: success}, Otherwise: "success"},
		{
			Of: engine.Series{Name: failure}, Label: "reason", Otherwise: "error",
			By: map[string]string{"CANCELED": "cancelled", "REJECTED": "rejected"},
		},
	}
}

// of the names, each with all its series.
func of(names ...string) []engine.Series {
	var series []engine.Series
	for _, n := range names {
		series = append(series, engine.Series{Name: n})
	}
	return series
}

func level(name string) engine.Candidate {
	return engine.Candidate{Kind: engine.Gauge, Of: of(name)}
}

// batch is a number of the TensorRT-LLM batcher.
func batch(kind string) engine.Candidate {
	return engine.Candidate{Kind: engine.Gauge, Of: []engine.Series{{Name: batcher, Label: "request_type", Value: kind}}}
}

// block counts blocks of the TensorRT-LLM key-value cache.
func block(kind string) engine.Series {
	return engine.Series{Name: cache, Label: "kv_cache_block_type", Value: kind}
}
