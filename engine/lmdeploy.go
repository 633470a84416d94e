package engine

// LMDeploy returns the dialect of LMDeploy's api_server.
//
// Names: lmdeploy lmdeploy/metrics/loggers.py; the reasons are those of ResponseType in lmdeploy/messages.py.
func LMDeploy() Dialect {
	return Dialect{
		Name:       "lmdeploy",
		Port:       23333,
		Images:     []string{"lmdeploy"},
		Commands:   []string{"lmdeploy serve"},
		Marks:      []Mark{{Prefix: "lmdeploy:"}},
		Model:      []string{"model_name"},
		Ranks:      []string{"engine"},
		MaxRunning: []string{"--max-batch-size"},
		Readings: map[Measure][]Candidate{
			Running: {GaugeOf("lmdeploy:num_requests_running")},
			// In the engine, and before it for want of a handle.
			Waiting: {GaugeOf("lmdeploy:num_requests_waiting", "lmdeploy:num_api_requests_waiting")},
			// From 0 to 1, though it is named percent.
			KVCache:          {GreatestOf("lmdeploy:gpu_cache_usage_perc")},
			PromptTokens:     {CounterOf("lmdeploy:prompt_tokens_total")},
			GenerationTokens: {CounterOf("lmdeploy:generation_tokens_total")},
			Queue:            {HistogramOf("lmdeploy:request_queue_time_seconds")},
			FirstToken:       {HistogramOf("lmdeploy:time_to_first_token_seconds")},
			InterToken: {
				HistogramOf("lmdeploy:iter_token_latency"), HistogramOf("lmdeploy:time_per_output_token_seconds"),
			},
			// num_requests_succeeded and num_requests_failed are gauges.
			Requests: {OutcomeOf(Outcomes{
				Of: Select("lmdeploy:request_success_total"), Label: "finished_reason", Otherwise: Failed,
				By: map[string]string{
					"ResponseType.SUCCESS": Success, "ResponseType.FINISH": Success, "ResponseType.CANCEL": Cancelled,
					"ResponseType.INPUT_LENGTH_ERROR": Invalid, "ResponseType.SESSION_REPEAT": Invalid,
					"ResponseType.SESSION_NOT_EXIST": Invalid,
				},
			})},
		},
		Blind: []string{"anything with --disable-metrics", "refused requests", "more than one rank of TurboMind"},
	}
}
