package engine

// TensorRTLLM returns the dialect of TensorRT-LLM's own server, trtllm-serve. Its /metrics is JSON; this page wants
// return_perf_metrics and enable_iter_perf_stats.
//
// Names: TensorRT-LLM tensorrt_llm/metrics/collector.py. Until 1.1 five families without a prefix; Dynamo put its own before
// them.
func TensorRTLLM() Dialect {
	return Dialect{
		Name:     "trtllm",
		Port:     8000,
		Path:     "/prometheus/metrics",
		Images:   []string{"tensorrt-llm", "tensorrt-llm/", "tensorrtllm"},
		Commands: []string{"trtllm-serve"},
		Marks: []Mark{
			{Prefix: "trtllm_"},
			{Prefix: "trtllm:"},
			{Prefix: "request_queue_time_seconds", Label: "engine_type", With: "e2e_request_latency_seconds"},
		},
		Model:      []string{"model_name", "model"},
		MaxRunning: []string{"--max_batch_size"},
		Readings: map[Measure][]Candidate{
			Running: {GaugeOf("trtllm_num_requests_running").By("1.3 and later")},
			Waiting: {GaugeOf("trtllm_num_requests_waiting").By("1.3 and later")},
			KVCache: {
				GreatestOf("trtllm_kv_cache_utilization").By("1.3 and later"),
				RatioOf("trtllm_kv_cache_used_blocks", "trtllm_kv_cache_max_blocks").By("1.3 and later"),
			},
			MaxRunning: {
				GaugeOf("trtllm_max_num_active_requests").By("1.3 and later"),
				GaugeOf("trtllm_max_batch_size_runtime").By("1.3 and later"),
			},
			PromptTokens:     {CounterOf("trtllm_prompt_tokens_total").By("1.3 and later")},
			GenerationTokens: {CounterOf("trtllm_generation_tokens_total").By("1.3 and later")},
			Queue:            trtllmHistograms("request_queue_time_seconds"),
			FirstToken:       trtllmHistograms("time_to_first_token_seconds"),
			InterToken:       trtllmHistograms("time_per_output_token_seconds"),
			Requests: {
				trtllmRequests("trtllm_"), trtllmRequests("trtllm:").By("1.1 behind Dynamo"), trtllmRequests("").By("until 1.1"),
			},
		},
		Blind: []string{
			"running, waiting, tokens and the key-value cache before 1.3",
			"anything without return_perf_metrics and enable_iter_perf_stats: queue time and latencies want the first, levels the second",
			"levels between two iterations: an idle server repeats its last",
		},
	}
}

func trtllmHistograms(name string) []Candidate {
	return []Candidate{
		HistogramOf("trtllm_" + name), HistogramOf("trtllm:" + name).By("1.1 behind Dynamo"), HistogramOf(name).By("until 1.1"),
	}
}

func trtllmRequests(prefix string) Candidate {
	return OutcomeOf(
		Outcomes{
			Of: Select(prefix + "request_success_total"), Label: "finished_reason", Otherwise: Success,
			By: map[string]string{"cancelled": Cancelled, "timeout": Failed},
		},
		Outcomes{
			Of: Select(prefix + "request_error_total"), Label: "http_code", Otherwise: Failed,
			By: map[string]string{
				"400": Invalid, "401": Invalid, "404": Invalid, "413": Invalid, "415": Invalid, "422": Invalid, "429": Rejected,
			},
		},
	)
}
