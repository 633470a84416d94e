package sim

import (
	"math"
	"time"

	"gpusignal/node"
)

// boardInterval is Triton's --metrics-interval-ms: how often it renews what it shows of GPU and CPU.
const boardInterval = 2 * time.Second

// page writes the server's metrics page, and returns its number since the start. All models are locked while it is
// written, so the page is of one instant.
func (t *Triton) page() (int, []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.models {
		m.mu.Lock()
		defer m.mu.Unlock()
	}
	p := &page{b: make([]byte, 0, 16<<10), number: plainNumber}
	t.writeRequests(p)
	t.writeBoard(p)
	t.writeLatencies(p)
	t.pages++
	t.log.event("page", "pod", t.cfg.Pod, "n", t.pages)
	return t.pages, p.b
}

// each writes a family with one line for every model.
func (t *Triton) each(p *page, name, help, kind string, value func(m *model) float64) {
	each(p, t.models, name, help, kind, value)
}

func each(p *page, models []*model, name, help, kind string, value func(m *model) float64) {
	p.family(name, help, kind)
	for _, m := range models {
		p.sample(name, value(m), m.labels()...)
	}
}

func (m *model) labels(more ...string) []string {
	return append([]string{"model", m.cfg.Name, "version", m.cfg.Version}, more...)
}

func (t *Triton) writeRequests(p *page) {
	count := func(name, help string, value func(s *modelStats) int) {
		t.each(p, name, help, "counter", func(m *model) float64 { return float64(value(&m.stats)) })
	}
	micros := func(name, help string, value func(s *modelStats) int64) {
		t.each(p, "nv_inference_"+name+"_duration_us", help, "counter",
			func(m *model) float64 { return float64(value(&m.stats)) })
	}
	count("nv_inference_request_success", "Number of successful inference requests, all batch sizes",
		func(s *modelStats) int { return s.success })
	p.family("nv_inference_request_failure", "Number of failed inference requests, all batch sizes", "counter")
	for _, m := range t.models {
		for _, reason := range []string{"REJECTED", "CANCELED", "BACKEND", "OTHER"} {
			p.sample("nv_inference_request_failure", float64(m.stats.failures[reason]), m.labels("reason", reason)...)
		}
	}
	count("nv_inference_count", "Number of inferences performed (does not include cached requests)",
		func(s *modelStats) int { return s.inferences })
	count("nv_inference_exec_count", "Number of model executions performed (does not include cached requests)",
		func(s *modelStats) int { return s.executions })
	micros("request", "Cumulative inference request duration in microseconds (includes cached requests)",
		func(s *modelStats) int64 { return s.request })
	micros("queue", "Cumulative inference queuing duration in microseconds (includes cached requests)",
		func(s *modelStats) int64 { return s.queue })
	micros("compute_input", "Cumulative compute input duration in microseconds (does not include cached requests)",
		func(s *modelStats) int64 { return s.input })
	micros("compute_infer", "Cumulative compute inference duration in microseconds (does not include cached requests)",
		func(s *modelStats) int64 { return s.infer })
	micros("compute_output", "Cumulative inference compute output duration in microseconds (does not include cached requests)",
		func(s *modelStats) int64 { return s.output })
	t.each(p, "nv_inference_pending_request_count", "Instantaneous number of pending requests awaiting execution per-model.",
		"gauge", func(m *model) float64 { return float64(len(m.queue)) })
}

// writeBoard writes what Triton shows of the machine.
func (t *Triton) writeBoard(p *page) {
	if now := time.Now(); t.renewed.IsZero() || now.Sub(t.renewed) >= boardInterval {
		t.renewed = now
		t.board = t.on.gpu.read(node.WantMemory | node.WantUtilization | node.WantCounters)
	}
	b, id := &t.board, string(t.on.gpu.device.ID)
	of := func(v float64) series { return one(v, "gpu_uuid", id) }
	if b.Energy.Known { // Of a MIG instance only memory is told.
		p.plain("nv_energy_consumption", "GPU energy consumption in joules since the Triton Server started", "counter",
			of(float64(b.Energy.Value-t.energy)/1e6))
		p.gauge("nv_gpu_utilization", "GPU utilization rate [0.0 - 1.0)", of(b.Utilization.Value))
	}
	p.gauge("nv_gpu_memory_total_bytes", "GPU total memory, in bytes", of(float64(b.Memory.Value.Total)))
	p.gauge("nv_gpu_memory_used_bytes", "GPU used memory, in bytes", of(float64(b.Memory.Value.Used)))
	if b.Power.Known {
		p.gauge("nv_gpu_power_usage", "GPU power usage in watts", of(b.Power.Value))
		p.gauge("nv_gpu_power_limit", "GPU power management limit in watts", of(b.PowerLimit.Value))
	}
	running := 0
	for _, m := range t.models {
		running += m.running
	}
	p.gauge("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]", one(math.Min(1, 0.02+0.01*float64(running))))
	p.gauge("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes", one(270254829568))
	p.gauge("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes", one(41943040000))
	p.gauge("nv_pinned_memory_pool_total_bytes", "Pinned memory pool total memory size, in bytes", one(268435456))
	p.gauge("nv_pinned_memory_pool_used_bytes", "Pinned memory pool used memory size, in bytes", one(float64(running)*602112))
}

func (t *Triton) writeLatencies(p *page) {
	var cached []*model
	for _, m := range t.models {
		if m.cfg.Cache {
			cached = append(cached, m)
		}
	}
	if len(cached) > 0 {
		each(p, cached, "nv_cache_num_hits_per_model", "Number of cache hits per model", "counter",
			func(m *model) float64 { return float64(m.stats.hits) })
		each(p, cached, "nv_cache_num_misses_per_model", "Number of cache misses per model", "counter",
			func(m *model) float64 { return float64(m.stats.misses) })
		each(p, cached, "nv_cache_hit_duration_per_model", "Total cache hit duration per model, in microseconds", "counter",
			func(m *model) float64 { return float64(m.stats.hitTime.Microseconds()) })
		each(p, cached, "nv_cache_miss_duration_per_model", "Total cache miss duration per model, in microseconds", "counter",
			func(m *model) float64 { return float64(m.stats.missTime.Microseconds()) })
	}
	t.each(p, "nv_model_load_duration_secs", "Model load time in seconds", "gauge",
		func(m *model) float64 { return m.cfg.Load.Seconds() })
	if t.cfg.Histograms {
		const name = "nv_inference_first_response_histogram_ms"
		p.family(name, "Duration from request to first response in milliseconds", "histogram")
		for _, m := range t.models {
			p.buckets(name, m.stats.first, m.labels()...)
		}
	}
	if t.cfg.Summaries {
		t.writeSummaries(p)
	}
}

func (t *Triton) writeSummaries(p *page) {
	now := time.Now()
	for _, f := range []struct{ name, help string }{
		{"request", "Summary of inference request duration in microseconds (includes cached requests)"},
		{"queue", "Summary of inference queuing duration in microseconds (includes cached requests)"},
		{"compute_input", "Summary of compute input duration in microseconds (does not include cached requests)"},
		{"compute_infer", "Summary of compute inference duration in microseconds (does not include cached requests)"},
		{"compute_output", "Summary of inference compute output duration in microseconds (does not include cached requests)"},
	} {
		name := "nv_inference_" + f.name + "_summary_us"
		p.family(name, f.help, "summary")
		for _, m := range t.models {
			s := m.stats.summaries[f.name]
			p.sample(name+"_count", float64(s.n), m.labels()...)
			p.sample(name+"_sum", s.sum, m.labels()...)
			values := s.values(now)
			for _, q := range []float64{0.5, 0.9, 0.95, 0.99, 0.999} {
				v := math.NaN()
				if n := len(values); n > 0 {
					v = values[min(n-1, int(q*float64(n)))]
				}
				p.sample(name, v, m.labels("quantile", string(plainNumber(nil, q)))...)
			}
		}
	}
}
