package engine

// SGLang returns the dialect of SGLang, which has a metrics page only with --enable-metrics.
//
// Names: sglang python/sglang/srt/observability/metrics_collector.py, before 2026 srt/metrics/collector.py. A request that
// waits for its grammar stands in a queue of its own (scheduler_metrics_mixin.py); a disaggregated worker has queues
// before and behind its own, of which that for memory on a decode worker waits for capacity.
func SGLang() Dialect {
	const unlabelled = `{priority=""}` // With priorities each queue is told whole, and once more by priority.
	return Dialect{
		Name:     "sglang",
		Port:     30000,
		Images:   []string{"sglang"},
		Commands: []string{"sglang.launch_server", "sglang serve"},
		Marks:    []Mark{{Prefix: "sglang:"}},
		Model:    []string{"model_name", "name"},
		Ranks:    []string{"dp_rank"},
		// With --enable-metrics-for-all-schedulers each shard of a rank tells the same.
		Copies: []string{"tp_rank", "pp_rank", "moe_ep_rank"},
		// Divided among the data-parallel ranks.
		MaxRunning: []string{"--max-running-requests"}, MaxOfAll: true,
		Readings: map[Measure][]Candidate{
			Running: {GaugeOf("sglang:num_running_reqs" + unlabelled)},
			Waiting: {GaugeOf("sglang:num_queue_reqs"+unlabelled, "sglang:num_grammar_queue_reqs"+unlabelled,
				"sglang:num_prefill_bootstrap_queue_reqs"+unlabelled, "sglang:num_prefill_prealloc_queue_reqs"+unlabelled,
				"sglang:num_decode_prealloc_queue_reqs"+unlabelled)},
			Capacity: {GaugeOf("sglang:num_queue_reqs"+unlabelled, "sglang:num_decode_prealloc_queue_reqs"+unlabelled)},
			// Over all pools of a hybrid model already the greatest.
			KVCache:          {GreatestOf("sglang:token_usage")},
			PromptTokens:     {CounterOf("sglang:prompt_tokens_total")},
			GenerationTokens: {CounterOf("sglang:generation_tokens_total")},
			Queue:            {HistogramOf("sglang:queue_time_seconds")},
			FirstToken:       {HistogramOf("sglang:time_to_first_token_seconds")},
			InterToken: {
				HistogramOf("sglang:inter_token_latency_seconds").By("0.4.5 and later"),
				HistogramOf("sglang:time_per_output_token_seconds").By("until 0.4.4"),
			},
			Requests: {OutcomeOf(
				// Aborted ones that had begun are among them; the server's count of aborts has the others as well.
				Outcomes{Of: Select("sglang:num_requests_total"), Otherwise: Unknown},
				sglangAnswers("/generate"), sglangAnswers("/v1/chat/completions"), sglangAnswers("/v1/completions"),
			)},
		},
		Blind: []string{
			"how a request ended: those that clients aborted are counted like those that succeeded",
			"refusals of streamed requests, which are answered with 200; of others a full queue is answered with 503",
			"tokens before the request that they belong to has ended",
		},
	}
}

// sglangAnswers of one endpoint. Those to probes of the server's health say nothing of requests.
func sglangAnswers(endpoint string) Outcomes {
	return Outcomes{
		Of: Series{Name: "sglang:http_responses_total", Label: "endpoint", Value: endpoint}, Label: "status_code",
		By: map[string]string{"500": Answered5xx, "502": Answered5xx, "503": Answered503, "504": Answered5xx},
	}
}
