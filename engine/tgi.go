package engine

// TGI returns the dialect of Hugging Face's Text Generation Inference.
//
// Names: text-generation-inference docs/source/reference/metrics.md, router/src/server.rs and router/src/infer/mod.rs,
// versions 1 to 3. No series carries the model.
func TGI() Dialect {
	return Dialect{
		Name:     "tgi",
		Port:     80,
		Images:   []string{"text-generation-inference"},
		NoStart:  true,
		Commands: []string{"text-generation-launcher"},
		Marks:    []Mark{{Prefix: "tgi_"}},
		Readings: map[Measure][]Candidate{
			Running: {GaugeOf("tgi_batch_current_size")},
			Waiting: {GaugeOf("tgi_queue_size")},
			// Histograms of tokens a request: their sums are the tokens.
			PromptTokens:     {CounterOf("tgi_request_input_length_sum")},
			GenerationTokens: {CounterOf("tgi_request_generated_tokens_sum")},
			Queue:            {HistogramOf("tgi_request_queue_duration")},
			InterToken:       {HistogramOf("tgi_request_mean_time_per_token_duration")},
			Requests: {OutcomeOf(
				Outcomes{Of: Select("tgi_request_success"), Otherwise: Success},
				Outcomes{
					Of: Select("tgi_request_failure"), Label: "err", Otherwise: Failed,
					// More requests at once than --max-concurrent-requests are "overloaded".
					By: map[string]string{"overloaded": Rejected, "validation": Invalid, "template": Invalid},
				},
			)},
		},
		Blind: []string{
			"anything before its first request: until then it loads for all that its page says",
			"the usage of the key-value cache", "the time to first token", "the model's name",
			"tokens before the request that they belong to has ended",
		},
	}
}
