package engine

// Dynamo returns the dialect of a worker of NVIDIA's Dynamo whose page has none of its engine's families, as it is before
// the first request: with them it is read as its engine, which tells more. A frontend speaks of workers elsewhere, and is
// none.
//
// Names: dynamo lib/runtime/src/metrics/prometheus_names.rs and
// docs/guides/metrics.md. The page is on DYN_SYSTEM_PORT.
func Dynamo() Dialect {
	return Dialect{
		Name:     "dynamo",
		Port:     9090,
		Commands: []string{"dynamo.vllm", "dynamo.sglang", "dynamo.trtllm"},
		Marks:    []Mark{{Prefix: "dynamo_component_"}},
		// Its engine's dialect goes before it.
		Precedence: -1,
		Model:      []string{"model", "model_name"},
		Readings: map[Measure][]Candidate{
			// Of its endpoints that which generates; the others keep house.
			Running: {GaugeOf(`dynamo_component_inflight_requests{dynamo_endpoint="generate"}`)},
			// From 0 to 1, though they are named percent.
			KVCache: {
				GreatestOf("dynamo_component_gpu_cache_usage_percent"),
				GreatestOf("dynamo_component_kvstats_gpu_cache_usage_percent").By("older releases"),
			},
			Requests: {OutcomeOf(
				Outcomes{Of: Select(`dynamo_component_requests_total{dynamo_endpoint="generate"}`), Otherwise: Unknown},
			)},
		},
		Blind: []string{"waiting requests, tokens and latencies: they are on its engine's families"},
	}
}
