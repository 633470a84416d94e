// Package vllm says how vLLM spells its metrics, from V0 (0.4) to V1, bare or behind Ray Serve.
//
// Names: vllm/engine/metrics.py (V0), vllm/v1/metrics/loggers.py (V1), vllm/v1/metrics/ray_wrappers.py (Ray).
package vllm

import "gpusignal/engine"

// Dialect returns vLLM's dialect.
func Dialect() engine.Dialect {
	return engine.Dialect{
		Name:       "vllm",
		Port:       8000,
		Images:     []string{"vllm"},
		Commands:   []string{"vllm serve", "vllm.entrypoints.openai.api_server", "vllm.entrypoints.grpc_server"},
		Marks:      []engine.Mark{{Prefix: "vllm:"}, {Prefix: "ray_vllm_"}, {Prefix: "ray_vllm:"}},
		Model:      []string{"model_name", "model"},
		Ranks:      []string{"engine", "ReplicaId"},
		MaxRunning: []string{"--max-num-seqs"},
		Readings: map[engine.Measure][]engine.Candidate{
			engine.Running: each("num_requests_running", "", level),
			engine.Waiting: each("num_requests_waiting", "", level),
			// The part of the queue that a further replica would shorten; the rest is deferred for other reasons.
			engine.Capacity: each(`num_requests_waiting_by_reason{reason="capacity"}`, "2026 and later", level),
			// A fraction from 0 to 1, though it is named percent.
			engine.KVCache: append(each("kv_cache_usage_perc", "0.9.2 and later", engine.GreatestOf),
				each("gpu_cache_usage_perc", "until 0.11", engine.GreatestOf)...),
			engine.Awake:            each(`engine_sleep_state{sleep_state="awake"}`, "0.11 and later", engine.GreatestOf),
			engine.PromptTokens:     each("prompt_tokens_total", "", count),
			engine.GenerationTokens: each("generation_tokens_total", "", count),
			engine.Queue:            each("request_queue_time_seconds", "0.6.4 and later", engine.HistogramOf),
			engine.FirstToken:       each("time_to_first_token_seconds", "", engine.HistogramOf),
			engine.InterToken: append(each("inter_token_latency_seconds", "0.11 and later", engine.HistogramOf),
				each("time_per_output_token_seconds", "until 0.12", engine.HistogramOf)...),
			engine.Requests: each("", "", requests),
		},
		Blind: []string{
			"anything with --disable-log-stats",
			"the queue time before 0.6.4, or before the request that waited has ended",
			"failed requests that neither finished_reason nor an answer of 5xx tells",
			"what clients aborted: it is in no latency",
		},
	}
}

// each makes a candidate of every way a family is named: by vLLM, by Ray's wrapper, and by an older one.
func each(name, versions string, candidate func(series string) engine.Candidate) []engine.Candidate {
	var candidates []engine.Candidate
	for _, prefix := range []string{"vllm:", "ray_vllm_", "ray_vllm:"} {
		candidates = append(candidates, candidate(prefix+name).By(versions))
	}
	return candidates
}

func level(series string) engine.Candidate { return engine.GaugeOf(series) }

func count(series string) engine.Candidate { return engine.CounterOf(series) }

// requests by outcome. request_success_total counts every finished request, whatever its name says. vLLM counts no other
// failures: those the HTTP server tells of are added as far as they are not among the former.
func requests(prefix string) engine.Candidate {
	return engine.OutcomeOf(
		engine.Outcomes{
			Of: engine.Select(prefix + "request_success_total"), Label: "finished_reason", Otherwise: engine.Success,
			By: map[string]string{
				"stop": engine.Success, "length": engine.Success, "abort": engine.Cancelled, "error": engine.Failed,
			},
		},
		engine.Outcomes{Of: engine.Select(prefix + "admission_rejections_total"), Otherwise: engine.Rejected},
		engine.Outcomes{
			Of: engine.Select("http_requests_total"), Label: "status", By: map[string]string{"5xx": engine.Answered5xx},
		},
	)
}
