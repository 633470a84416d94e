package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gpusignal/test/e2e/cluster"
	"gpusignal/test/e2e/load"
)

// workload is a Deployment of simulated servers with its autoscaler and its clients, in a namespace of its own.
type workload struct {
	server
	ask load.Request
	// few and many are what the clients do before and after the step of load, and the replicas that it needs.
	few, many level
	// example is the autoscaler, a file of examples/, and changes what is changed in it, in pairs of old and new.
	example string
	changes []string
	// metric is the one that the autoscaler goes by here.
	metric string
	// target of a replica, and demand, what the clients' log says of the load in a span, all replicas together: both in the unit of
	// the metric.
	target float64
	demand func(l *load.Load, from, to time.Time) float64

	// uneven says that the first server gets twice as many requests as each other.
	uneven bool
	load   *load.Load
}

// level of load: requests per second at random, or clients that each wait for an answer before they ask again.
type level struct {
	rate     float64
	clients  int
	replicas int
}

func (w *workload) set(l level) {
	w.load.SetRate(l.rate)
	w.load.SetClients(l.clients)
}

// demanded is the load at an instant: the mean of the signal's window before it.
func (w *workload) demanded(at time.Time) float64 { return w.demand(w.load, at.Add(-window), at) }

// What simulated servers of language models do. A step of the engine takes 50 ms, and 0.3 ms more for each sequence in it, so a
// sequence gets some 19.4 tokens a second.
const (
	slots     = 8             // sequences at once, --max-num-seqs
	slotsUsed = 0.8 * slots   // where saturation is 1: what is in hand over 0.8 of the slots
	mostToken = slots / .0524 // tokens per second of a server all of whose slots are taken
)

// Prompts that are long, with short answers. A step takes two of them and then 215 ms, so a server ends at most 9.3 a second: two
// servers cannot serve 19, and three do it with some five of their 64 slots and a sixth of their cache in use.
const (
	longPrompt = 2000  // tokens
	longTarget = 13000 // prompt tokens per second, 0.7 of a server's most
)

// stabilization of these autoscalers before they take replicas away. The examples have 600 s, and no faster than one in 180 s: with
// that nothing would ever be seen here.
const stabilization = 35 * time.Second

// scaler is what reads the signal.
func (w *workload) scaler() string {
	if strings.HasPrefix(w.example, "keda/") {
		return "KEDA"
	}
	return "an HPA"
}

// signal is the name under which the daemon tells the metric.
func (w *workload) signal() string {
	return strings.Replace(w.metric, "vllm_num_", "gpusignal_", 1)
}

// autoscaler is the example with its changes, and in haste.
func (w *workload) autoscaler(t *testing.T) string {
	t.Helper()
	return substitute(t, read(t, root+"/examples/"+w.example), append([]string{
		"stabilizationWindowSeconds: 600", fmt.Sprintf("stabilizationWindowSeconds: %.0f", stabilization.Seconds()),
		"policies: [{type: Pods, value: 1, periodSeconds: 180}]", "policies: [{type: Percent, value: 100, periodSeconds: 15}]",
	}, w.changes...)...)
}

func vllm(namespace string, replicas int, args ...string) server {
	return server{
		Namespace: namespace, Engine: "vllm", Args: append([]string{"--served-model-name=chat", "--step=50ms"}, args...),
		Resource: wholeGPU, Replicas: replicas, Grace: 60,
	}
}

// inHand is the load of servers that go by their slots.
func inHand(l *load.Load, from, to time.Time) float64 { return l.InHand("", from, to) / slotsUsed }

// workloads that scale on the signals that people scale on.
func workloads() []*workload {
	chat := load.Complete("chat", 32, 700) // streams long
	return []*workload{
		{
			server: vllm("saturation", 2, "--max-num-seqs=8"), ask: chat,
			few: level{clients: 10, replicas: 2}, many: level{clients: 24, replicas: 4},
			example: "hpa/saturation.yaml", metric: "gpusignal_saturation_ratio", target: 1, demand: inHand,
		},
		{
			// Four pods a GPU, so that the most that one can have of it is a quarter. A request computes for 20 ms.
			server: server{Namespace: "utilization", Engine: "triton", Args: []string{"-listen=:8002", "-models=resnet"}, Resource: sharedGPU, Replicas: 2, Grace: 5},
			ask:    load.Infer("resnet", 20*time.Millisecond),
			few:    level{rate: 12, replicas: 2}, many: level{rate: 28, replicas: 4}, uneven: true,
			// No more than are needed: the arrivals are at random, and now and then ask for another.
			example: "hpa/gpu-utilization.yaml", changes: []string{`averageValue: "700m"`, `averageValue: "150m"`, "maxReplicas: 20", "maxReplicas: 4"},
			metric: "gpusignal_gpu_utilization_ratio", target: 0.15,
			demand: func(l *load.Load, from, to time.Time) float64 {
				return l.Busy("", from, to).Seconds() / to.Sub(from).Seconds()
			},
		},
		{
			// Whatever is beyond the slots of all three waits, and no more replicas are allowed.
			server: vllm("waiting", 2, "--max-num-seqs=8"), ask: chat,
			few: level{clients: 10, replicas: 2}, many: level{clients: 54, replicas: 3},
			example: "hpa/requests-waiting.yaml", changes: []string{"maxReplicas: 20", "maxReplicas: 3"},
			metric: "vllm_num_requests_waiting", target: 5,
			demand: func(l *load.Load, from, to time.Time) float64 { return max(0, l.InHand("", from, to)-3*slots) },
		},
		{
			server: vllm("tokens", 2, "--max-num-seqs=8"), ask: load.Complete("chat", 32, 100), // 5 s
			few: level{clients: 8, replicas: 2}, many: level{clients: 22, replicas: 4},
			// 0.7 of a server's most, as the page on targets has it.
			example: "hpa/token-throughput.yaml", changes: []string{`averageValue: "1500"`, `averageValue: "107"`},
			metric: "gpusignal_generation_tokens_per_second", target: 0.7 * mostToken,
			demand: func(l *load.Load, from, to time.Time) float64 {
				_, generation := l.Tokens(from, to)
				return generation / to.Sub(from).Seconds()
			},
		},
		{
			server: vllm("keda-prometheus", 2, "--max-num-seqs=8"), ask: chat,
			few: level{clients: 10, replicas: 2}, many: level{clients: 24, replicas: 4},
			example: "keda/prometheus.yaml", changes: []string{
				"namespace: chat\n", "namespace: keda-prometheus\n", `namespace="chat"`, `namespace="keda-prometheus"`,
				"prometheus.monitoring.svc:9090", cluster.PrometheusAddress,
			},
			metric: "gpusignal_saturation_ratio", target: 1, demand: inHand,
		},
		{
			server: vllm("prefill", 2, "--max-num-seqs=64", "--blocks=3200"), ask: load.Complete("chat", longPrompt, 8),
			few: level{rate: 8, replicas: 2}, many: level{rate: 19, replicas: 3},
			example: "hpa/long-prompts.yaml", changes: []string{`averageValue: "8000"`, `averageValue: "13000"`, "maxReplicas: 20", "maxReplicas: 3"},
			metric: "gpusignal_prompt_tokens_per_second", target: longTarget,
			demand: func(l *load.Load, from, to time.Time) float64 {
				prompt, _ := l.Tokens(from, to)
				return prompt / to.Sub(from).Seconds()
			},
		},
	}
}
