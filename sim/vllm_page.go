package sim

import (
	"slices"
	"strconv"
	"time"
)

// pythonPage is a page as prometheus_client for Python writes it: labels sorted, and beside each counter and histogram a
// gauge that tells when it was created.
type pythonPage struct {
	page
	created float64
}

func newPythonPage(created time.Time) *pythonPage {
	return &pythonPage{
		page:    page{b: make([]byte, 0, 48<<10), number: pythonNumber, sorted: true},
		created: float64(created.UnixMicro()) / 1e6,
	}
}

// counter writes a family of counters; name has no _total.
func (p *pythonPage) counter(name, help string, all ...series) {
	p.plain(name+"_total", help, "counter", all...)
	p.createdAt(name, help, all...)
}

// histogram writes a histogram of one series.
func (p *pythonPage) histogram(name, help string, h *histogram, labels ...string) {
	p.family(name, help, "histogram")
	p.buckets(name, h, labels...)
	p.createdAt(name, help, one(0, labels...))
}

func (p *pythonPage) createdAt(name, help string, all ...series) {
	p.family(name+"_created", help, "gauge")
	for _, s := range all {
		p.sample(name+"_created", p.created, s.labels...)
	}
}

// page writes the server's metrics page, and returns its number since the start.
func (v *VLLM) page() (int, []byte) {
	p := newPythonPage(v.cfg.Started)
	p.python(v.cfg.Started)
	e := v.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	v.writeLoad(p)
	v.writeTokens(p)
	v.writeRequests(p)
	v.writeConfig(p)
	n := v.http.write(p)
	e.log.event("page", "pod", v.cfg.Pod, "n", n)
	return n, p.b
}

// labels of nearly every vLLM series: the served model name and the data-parallel rank; more are label pairs.
func (v *VLLM) labels(more ...string) []string {
	return append([]string{"model_name", v.cfg.Model, "engine", "0"}, more...)
}

func (v *VLLM) writeLoad(p *pythonPage) {
	e := v.engine
	waiting := float64(len(e.waiting))
	p.gauge("vllm:num_requests_running", "Number of requests in model execution batches.",
		one(float64(len(e.running)), v.labels()...))
	p.gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.", one(waiting, v.labels()...))
	p.gauge("vllm:num_requests_waiting_by_reason", "Number of requests waiting to be processed, by reason.",
		one(waiting, v.labels("reason", "capacity")...), one(0, v.labels("reason", "deferred")...))
	p.gauge("vllm:engine_sleep_state", "Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; "+
		"weights_offloaded = 1 means sleep level 1; discard_all = 1 means sleep level 2.",
		one(1, v.labels("sleep_state", "awake")...), one(0, v.labels("sleep_state", "weights_offloaded")...),
		one(0, v.labels("sleep_state", "discard_all")...))
	p.gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.",
		one(float64(e.cfg.Blocks-e.free)/float64(e.cfg.Blocks), v.labels()...))
	p.counter("vllm:num_preemptions", "Cumulative number of preemption from the engine.",
		one(float64(e.stats.preemptions), v.labels()...))
	if e.cfg.MaxQueued > 0 {
		p.counter("vllm:admission_rejections", "Number of requests refused because the queue is full.",
			one(float64(e.stats.rejected), "model_name", v.cfg.Model, "reason", "max_num_queued_reqs"))
	}
}

func (v *VLLM) writeTokens(p *pythonPage) {
	s := &v.engine.stats
	count := func(name, help string, n int) { p.counter(name, help, one(float64(n), v.labels()...)) }
	count("vllm:prefix_cache_queries", "Prefix cache queries, in terms of number of queried tokens.", s.cacheQueries)
	count("vllm:prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.", s.cacheHits)
	count("vllm:external_prefix_cache_queries",
		"External prefix cache queries from KV connector cross-instance cache sharing, in terms of number of queried tokens.", 0)
	count("vllm:external_prefix_cache_hits",
		"External prefix cache hits from KV connector cross-instance cache sharing, in terms of number of cached tokens.", 0)
	count("vllm:mm_cache_queries", "Multi-modal cache queries, in terms of number of queried items.", 0)
	count("vllm:mm_cache_hits", "Multi-modal cache hits, in terms of number of cached items.", 0)
	count("vllm:prompt_tokens", "Number of prefill tokens processed.", s.promptTokens)
	p.counter("vllm:prompt_tokens_by_source", "Number of prompt tokens by source.",
		one(float64(s.promptTokens-s.cachedTokens), v.labels("source", "local_compute")...),
		one(float64(s.cachedTokens), v.labels("source", "local_cache_hit")...),
		one(0, v.labels("source", "external_kv_transfer")...))
	count("vllm:prompt_tokens_cached", "Number of cached prompt tokens (local + external).", s.cachedTokens)
	count("vllm:prompt_tokens_recomputed", "Number of cached tokens recomputed for forward pass.", s.recomputed)
	count("vllm:generation_tokens", "Number of generation tokens processed.", s.generationTokens)
	if v.cfg.Drafts == 0 {
		return
	}
	accepted, positions := 0, make([]series, v.cfg.Drafts)
	for i, n := range s.accepted {
		accepted += n
		positions[i] = one(float64(n), v.labels("position", strconv.Itoa(i))...)
	}
	count("vllm:spec_decode_num_drafts", "Number of spec decoding drafts.", s.drafts)
	count("vllm:spec_decode_num_draft_tokens", "Number of draft tokens.", s.drafts*v.cfg.Drafts)
	count("vllm:spec_decode_num_accepted_tokens", "Number of accepted tokens.", accepted)
	p.counter("vllm:spec_decode_num_accepted_tokens_per_pos", "Accepted tokens per draft position.", positions...)
}

func (v *VLLM) writeRequests(p *pythonPage) {
	s := &v.engine.stats
	var finished []series
	for _, reason := range []string{"stop", "length", "abort", "error"} {
		finished = append(finished, one(float64(s.success[reason]), v.labels("finished_reason", reason)...))
	}
	p.counter("vllm:request_success", "Count of successfully processed requests.", finished...)
	for _, h := range []struct {
		name, help string
		of         *histogram
	}{
		{"request_prompt_tokens", "Number of prefill tokens processed.", s.prompt},
		{"request_generation_tokens", "Number of generation tokens processed.", s.generation},
		{"iteration_tokens_total", "Histogram of number of tokens per engine_step.", s.iterationTokens},
		{"request_max_num_generation_tokens", "Histogram of maximum number of requested generation tokens.", s.maxGeneration},
		{"request_params_n", "Histogram of the n request parameter.", s.n},
		{"request_params_max_tokens", "Histogram of the max_tokens request parameter.", s.maxTokens},
		{"time_to_first_token_seconds", "Histogram of time to first token in seconds.", s.firstToken},
		{"inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", s.interToken},
		{"request_time_per_output_token_seconds", "Histogram of time_per_output_token_seconds per request.", s.perToken},
		{"e2e_request_latency_seconds", "Histogram of end to end request latency in seconds.", s.latency},
		{"request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", s.queue},
		{"request_inference_time_seconds", "Histogram of time spent in RUNNING phase for request.", s.inference},
		{"request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.", s.prefill},
		{"request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.", s.decode},
		{
			"request_prefill_kv_computed_tokens",
			"Histogram of new KV tokens computed during prefill (excluding cached tokens).", s.computed,
		},
	} {
		p.histogram("vllm:"+h.name, h.help, h.of, v.labels()...)
	}
}

func (v *VLLM) writeConfig(p *pythonPage) {
	tokens := v.cfg.Blocks * v.cfg.BlockSize
	p.gauge("vllm:cache_config_info", "Information of the LLMEngine CacheConfig", one(1,
		"block_size", strconv.Itoa(v.cfg.BlockSize), "cache_dtype", "auto", "calculate_kv_scales", "False",
		"cpu_kvcache_space_bytes", "None", "enable_prefix_caching", "True", "engine", "0",
		"gpu_memory_utilization", "0.9", "kv_cache_max_concurrency",
		strconv.FormatFloat(float64(tokens)/float64(v.cfg.MaxLen), 'f', 2, 64), "kv_cache_size_tokens", strconv.Itoa(tokens),
		"num_cpu_blocks", "None", "num_gpu_blocks", strconv.Itoa(v.cfg.Blocks), "num_gpu_blocks_override", "None",
		"prefix_caching_hash_algo", "sha256", "sliding_window", "None", "swap_space", "4", "user_specified_block_size", "False"))
	if len(v.cfg.Adapters) == 0 {
		return
	}
	var all []series
	for names, at := range v.engine.stats.adapters {
		all = append(all, one(float64(at.UnixMicro())/1e6, "max_lora", strconv.Itoa(len(v.cfg.Adapters)),
			"running_lora_adapters", names[0], "waiting_lora_adapters", names[1]))
	}
	slices.SortFunc(all, func(a, b series) int { return slices.Compare(a.labels, b.labels) })
	p.gauge("vllm:lora_requests_info", "Running stats on lora requests.", all...)
}
