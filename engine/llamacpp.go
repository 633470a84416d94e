package engine

// LlamaCPP returns the dialect of llama.cpp's llama-server, which has a metrics page only with --metrics.
//
// Names: llama.cpp tools/server/README.md and tools/server/server-context.cpp, before 2025 examples/server. No series carries
// the model; a proxy before several servers may add it.
func LlamaCPP() Dialect {
	return Dialect{
		Name:     "llamacpp",
		Port:     8080,
		Images:   []string{"llama.cpp", "llamacpp", "llama-cpp"},
		NoStart:  true,
		Commands: []string{"llama-server"},
		Marks:    []Mark{{Prefix: "llamacpp:"}},
		Model:    []string{"model_name", "model"},
		// The slots of the server; a page does not tell them.
		MaxRunning: []string{"--parallel", "-np"}, MaxOfAll: true,
		Readings: map[Measure][]Candidate{
			Running:          {GaugeOf("llamacpp:requests_processing")},
			Waiting:          {GaugeOf("llamacpp:requests_deferred")},
			KVCache:          {GreatestOf("llamacpp:kv_cache_usage_ratio").By("until 2025")},
			PromptTokens:     {CounterOf("llamacpp:prompt_tokens_total")},
			GenerationTokens: {CounterOf("llamacpp:tokens_predicted_total")},
			InterToken:       {QuotientOf("llamacpp:tokens_predicted_seconds_total", "llamacpp:tokens_predicted_total")},
		},
		Blind: []string{
			"requests, their outcome, the queue time and the time to first token",
			"the usage of the key-value cache since 2025",
			"tokens before the request that they belong to has ended",
			"anything while a step runs: the page waits for it",
		},
	}
}
