package engine

// TorchServe returns the dialect of TorchServe.
//
// Names: pytorch/serve docs/metrics_api.md and docs/metrics.md, version 0.8 and later, and before that by another label than
// the host's name. Latencies are counted when a request ends, the queue's within them
// (frontend/server/src/main/java/org/pytorch/serve/job/RestJob.java).
func TorchServe() Dialect {
	const (
		requests     = "ts_inference_requests_total"
		spent        = "ts_inference_latency_microseconds"
		waited       = "ts_queue_latency_microseconds"
		microseconds = 1e-6
	)
	return Dialect{
		Name:     "torchserve",
		Port:     8082,
		Images:   []string{"torchserve"},
		Commands: []string{"torchserve"},
		Marks:    []Mark{{Prefix: "ts_inference_"}},
		Model:    []string{"model_name"},
		Noise:    []string{"hostname", "uuid"},
		Readings: map[Measure][]Candidate{
			Running:  {LittleOf(spent, waited).In(microseconds)},
			Queue:    {QuotientOf(waited, requests).In(microseconds)},
			Requests: {OutcomeOf(Outcomes{Of: Select(requests), Otherwise: Unknown})},
		},
		Blind: []string{
			"waiting requests",
			"running requests but as an estimate",
			"how a request ended: they are counted when they arrive",
			"anything from outside its pod, unless metrics_address says otherwise",
		},
	}
}
