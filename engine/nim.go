package engine

// NIM returns the dialect of NVIDIA's NIM for LLMs 1.x, which spells vLLM's names without a prefix. A NIM 2 that is vLLM by
// its page, or a NIM of other models that is Triton by its page, is read as such.
//
// Names: NIM for LLMs 1.x, its documentation of observability, and a page published with DataDog's integration.
func NIM() Dialect {
	return Dialect{
		Name:   "nim",
		Port:   8000,
		Path:   "/v1/metrics",
		Images: []string{"nim/"},
		// The names are anybody's: two of them tell more than one.
		Marks: []Mark{{Prefix: "num_requests_running", With: "gpu_cache_usage_perc"}, {Prefix: "num_request_max", With: "num_requests_running"}},
		Model: []string{"model_name"},
		Readings: map[Measure][]Candidate{
			Running: {GaugeOf("num_requests_running")},
			Waiting: {GaugeOf("num_requests_waiting")},
			// From 0 to 1, though it is named percent.
			KVCache:          {GreatestOf("gpu_cache_usage_perc")},
			MaxRunning:       {GaugeOf("num_request_max")},
			PromptTokens:     {CounterOf("prompt_tokens_total")},
			GenerationTokens: {CounterOf("generation_tokens_total")},
			FirstToken:       {HistogramOf("time_to_first_token_seconds")},
			InterToken:       {HistogramOf("time_per_output_token_seconds")},
			Requests: {OutcomeOf(
				Outcomes{Of: Select("request_success_total"), Otherwise: Success},
				Outcomes{Of: Select("request_failure_total"), Otherwise: Failed},
			)},
		},
		Blind: []string{"the queue time", "refused requests"},
	}
}
