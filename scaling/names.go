package scaling

// Name of a signal, without the prefix of the series.
type Name string

// The signals.
const (
	GPUUtilization        Name = "gpu_utilization_ratio"
	GPUUtilizationPeak    Name = "gpu_utilization_peak_ratio"
	GPUMemoryUsage        Name = "gpu_memory_usage_ratio"
	RequestsRunning       Name = "requests_running"
	RequestsWaiting       Name = "requests_waiting"
	RequestsWaitingPeak   Name = "requests_waiting_peak"
	Requests              Name = "requests_per_second"
	RequestErrors         Name = "request_errors_per_second"
	QueueTime             Name = "queue_time_mean_seconds"
	QueueComputeInputTime Name = "queue_compute_input_time_mean_seconds"
	PromptTokens          Name = "prompt_tokens_per_second"
	GenerationTokens      Name = "generation_tokens_per_second"
	KVCacheUsage          Name = "kv_cache_usage_ratio"
	FirstTokenMean        Name = "time_to_first_token_mean_seconds"
	FirstTokenP95         Name = "time_to_first_token_p95_seconds"
	InterTokenMean        Name = "inter_token_latency_mean_seconds"
	InterTokenP95         Name = "inter_token_latency_p95_seconds"
	Idle                  Name = "idle_seconds"
	Startup               Name = "startup_seconds"
	Saturation            Name = "saturation_ratio"
)

// Info describes a signal.
type Info struct {
	Name Name
	Help string
}

// Names returns every signal in the order in which Pod.Values holds them.
func Names() []Info {
	return []Info{
		{GPUUtilization, "Share of time in which a kernel ran, mean over the pod's GPUs and the signal window, 0-1."},
		{GPUUtilizationPeak, "Greatest single utilisation reading of the pod's GPUs within the signal window, 0-1."},
		{GPUMemoryUsage, "GPU memory in use by the pod as a share of the memory of its GPUs, 0-1."},
		{RequestsRunning, "Requests the pod's server is working on, mean over the signal window."},
		{RequestsWaiting, "Requests that wait in the pod's server, mean over the signal window."},
		{RequestsWaitingPeak, "Most requests seen waiting in the pod's server within the signal window."},
		{Requests, "Requests that ended per second over the signal window, whatever their outcome."},
		{RequestErrors, "Requests that failed per second over the signal window; those cancelled by their clients do not count."},
		{QueueTime, "Mean time a request waited in the queue over the signal window; while requests wait and none ends, the time since the last one did."},
		{QueueComputeInputTime, "Mean time a request waited in the queue and had its inputs prepared over the signal window (Triton); while requests wait and none ends, the time since the last one did."},
		{PromptTokens, "Prompt tokens processed per second over the signal window."},
		{GenerationTokens, "Tokens generated per second over the signal window."},
		{KVCacheUsage, "Usage of the key-value cache, greatest over the models and ranks of the pod, mean over the signal window, 0-1."},
		{FirstTokenMean, "Mean time from a request's arrival to its first token over the signal window; a lower bound while none comes."},
		{FirstTokenP95, "95th percentile of the time to first token over the signal window, by buckets; a lower bound while none comes."},
		{InterTokenMean, "Mean time between two tokens of a request over the signal window; a lower bound while none comes."},
		{InterTokenP95, "95th percentile of the time between two tokens over the signal window, by buckets; a lower bound while none comes."},
		{Idle, "Time since the pod's server last had a request in hand or a work counter moved; 0 while it has."},
		{Startup, "Time from the start of the server's container to its first good page; only where the exporter saw that it was not ready at first."},
		{Saturation, "How full the pod is: the greatest of its components, 1 at its target, capped at 4."},
	}
}

// ComponentNames returns the components of saturation in the order in which Pod.Components holds them.
func ComponentNames() []string {
	return []string{
		componentQueue, componentSlots, componentKVCache, componentRejected, componentConcurrency, componentQueueTime,
		componentFirstToken, componentInterToken, componentGPU,
	}
}

const (
	componentQueue       = "queue"
	componentSlots       = "slots"
	componentKVCache     = "kv_cache"
	componentRejected    = "rejected"
	componentConcurrency = "concurrency"
	componentQueueTime   = "queue_time"
	componentFirstToken  = "time_to_first_token"
	componentInterToken  = "inter_token_latency"
	componentGPU         = "gpu"
)
