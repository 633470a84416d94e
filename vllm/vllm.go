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
		Blind: []string{
			"anything with --disable-log-stats",
			"the queue time before 0.6.4, or before the request that waited has ended",
			"failed requests that neither finished_reason nor an answer of 5xx tells",
			"what clients aborted: it is in no latency",
		},
		Readings: map[engine.Measure][]engine.Candidate{
			engine.Running:  levels("num_requests_running"),
			engine.Waiting:  levels("num_requests_waiting"),
			engine.Capacity: capacity(),
			// A fraction from 0 to 1, though it is named percent. Renamed in 0.9.2.
			engine.KVCache:          append(greatest("kv_cache_usage_perc"), greatest("gpu_cache_usage_perc")...),
			engine.Awake:            awake(),
			engine.PromptTokens:     counters("prompt_tokens_total"),
			engine.GenerationTokens: counters("generation_tokens_total"),
			engine.Queue:            histograms("request_queue_time_seconds"),
			engine.FirstToken:       histograms("time_to_first_token_seconds"),
			// Renamed in 0.11.
			engine.InterToken: append(histograms("inter_token_latency_seconds"), histograms("time_per_output_token_seconds")...),
			engine.Requests:   requests(),
		},
	}
}

// spelled returns the ways a family is named: by vLLM, by Ray's wrapper, and by an older one.
func spelled(name string) []string {
	return []string{"vllm:" + name, "ray_vllm_" + name, "ray_vllm:" + name}
}

func each(name string, candidate func(name string) engine.Candidate) []engine.Candidate {
	var candidates []engine.Candidate
	for _, s := range spelled(name) {
		candidates = append(candidates, candidate(s))
	}
	return candidates
}

func levels(name string) []engine.Candidate {
	return each(name, func(name string) engine.Candidate {
		return engine.Candidate{Kind: engine.Gauge, Of: []engine.Series{{Name: name}}}
	})
}

func greatest(name string) []engine.Candidate {
	return each(name, func(name string) engine.Candidate {
		return engine.Candidate{Kind: engine.Gauge, Aggregation: engine.Greatest, Of: []engine.Series{{Name: name}}}
	})
}

func counters(name string) []engine.Candidate {
	return each(name, func(name string) engine.Candidate {
		return engine.Candidate{Kind: engine.Counter, Of: []engine.Series{{Name: name}}}
	})
}

func histograms(name string) []engine.Candidate {
	return each(name, func(name string) engine.Candidate {
		return engine.Candidate{Kind: engine.Histogram, Of: []engine.Series{{Name: name}}}
	})
}

// capacity is the part of the queue that a further replica would shorten; the rest is deferred for other reasons.
func capacity() []engine.Candidate {
	return each("num_requests_waiting_by_reason", func(name string) engine.Candidate {
		return engine.Candidate{Kind: engine.Gauge, Of: []engine.Series{{Name: name, Label: "reason", Value: "capacity"}}}
	})
}

func awake() []engine.Candidate {
	return each("engine_sleep_state", func(name string) engine.Candidate {
		return engine.Candidate{
			Kind: engine.Gauge, Aggregation: engine.Greatest, Of: []engine.Series{{Name: name, Label: "sleep_state", Value: "awake"}},
		}
	})
}

// requests by outcome. request_success_total counts every finished request, whatever its name says. vLLM counts no other
// failures: those the HTTP server tells of are added as far as they are not among the former.
func requests() []engine.Candidate {
	return each("request_success_total", func(name string) engine.Candidate {
		return engine.Candidate{Kind: engine.Outcome, Outcomes: []engine.Outcomes{
			{
				Of:        engine.Series{Name: name},
				Label:     "finished_reason",
				By:        map[string]string{"stop": "success", "length": "success", "abort": "cancelled", "error": "error"},
				Otherwise: "success",
			},
			{Of: engine.Series{Name: rejections(name)}, Otherwise: "rejected"},
			{Of: engine.Series{Name: "http_requests_total"}, Label: "status", By: map[string]string{"5xx": engine.Answered5xx}},
		}}
	})
}

// rejections names the counter of requests refused for a full queue, spelled as the family of finished ones is.
func rejections(success string) string {
	const suffix = "request_success_total"
	return success[:len(success)-len(suffix)] + "admission_rejections_total"
}
