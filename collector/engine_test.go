package collector

import (
	"strings"
	"testing"
	"time"

	"gpusignal/node"
)

func TestServersOfOneLabelSetAreSummed(t *testing.T) {
	s := full()
	second := tokenServer(podID("chat", "llm-0"))
	second.URL, second.At, second.Took = "http://10.0.0.7:8001/metrics", ago(9*time.Second), time.Millisecond
	second.Models[0].KVCache = gaugeAt(0.9)
	second.Models[0].Requests = map[string]node.Counter{"success": counterAt(100), "cancelled": counterAt(7)}
	s.Servers = append(s.Servers, second)
	const labels = `engine="vllm",model="meta-llama/Llama-4",namespace="chat",pod="llm-0"`
	expect(t, series(t, s), map[string]string{
		`gpusignal_engine_requests_running{` + labels + `}`:                                                                          "24",
		`gpusignal_engine_kv_cache_usage_ratio{` + labels + `}`:                                                                      "0.9",
		`gpusignal_engine_tokens_total{engine="vllm",kind="prompt",` + labels[len(`engine="vllm",`):] + `}`:                          "100000",
		`gpusignal_engine_queue_time_seconds_sum{` + labels + `}`:                                                                    "180",
		`gpusignal_engine_queue_time_seconds_count{` + labels + `}`:                                                                  "1800",
		`gpusignal_exporter_endpoint_age_seconds{engine="vllm",namespace="chat",pod="llm-0"}`:                                        "9",
		`gpusignal_exporter_endpoint_duration_seconds{engine="vllm",namespace="chat",pod="llm-0"}`:                                   "0.004",
		`gpusignal_exporter_endpoints{reason="ok"}`:                                                                                  "3",
		`gpusignal_exporter_endpoints{reason="refused"}`:                                                                             "1",
		`gpusignal_engine_requests_total{engine="vllm",model="meta-llama/Llama-4",namespace="chat",outcome="success",pod="llm-0"}`:   "1000",
		`gpusignal_engine_requests_total{engine="vllm",model="meta-llama/Llama-4",namespace="chat",outcome="cancelled",pod="llm-0"}`: "7",
	})
}

// Each endpoint says whether it is up; of several with one label set, the least counts.
func TestEndpoints(t *testing.T) {
	s := full()
	second := tokenServer(podID("chat", "llm-0"))
	second.URL, second.Fault, second.Pages, second.Failures = "http://10.0.0.7:8001/metrics", "timeout", 200, 30
	never := node.Server{Pod: podID("chat", "new"), Announced: "triton", Fault: "refused", Failures: 7}
	second.Slowed = 5
	asked := node.Server{Pod: podID("batch", "train-0"), Fault: "no_page", Quiet: true}
	s.Servers = append(s.Servers, second, never, asked)
	got := series(t, s)
	for name := range got {
		if strings.HasPrefix(name, "gpusignal_exporter_endpoint_") && strings.Contains(name, "train-0") {
			t.Errorf("%s of a pod that nothing calls a model server", name)
		}
	}
	expect(t, got, map[string]string{
		`gpusignal_exporter_endpoints{reason="no_page"}`:                                               "1",
		`gpusignal_exporter_endpoints_slowed`:                                                          "1",
		`gpusignal_exporter_endpoint_up{engine="triton",namespace="vision",pod="resnet-7d9"}`:          "1",
		`gpusignal_exporter_endpoint_up{engine="vllm",namespace="chat",pod="llm-0"}`:                   "0",
		`gpusignal_exporter_endpoint_pages_total{engine="vllm",namespace="chat",pod="llm-0"}`:          "2000",
		`gpusignal_exporter_endpoint_failures_total{engine="vllm",namespace="chat",pod="llm-0"}`:       "30",
		`gpusignal_exporter_endpoint_up{engine="triton",namespace="chat",pod="new"}`:                   "0",
		`gpusignal_exporter_endpoint_pages_total{engine="triton",namespace="chat",pod="new"}`:          "0",
		`gpusignal_exporter_endpoint_failures_total{engine="triton",namespace="chat",pod="new"}`:       "7",
		`gpusignal_pod_state{namespace="chat",pod="new",state="loading",workload="",workload_kind=""}`: "1",
	})
}

// The buckets of servers of one label set are added up where they have the same bounds; else the sum and the count alone are told.
func TestBucketsAreSummed(t *testing.T) {
	const name = `gpusignal_engine_queue_time_seconds_bucket{engine="vllm",model="meta-llama/Llama-4",namespace="chat",pod="llm-0",le="0.1"}`
	for what, test := range map[string]struct {
		second node.Opt[node.Latency]
		want   string
	}{
		"the same bounds": {latencyAt(90, 900), "900"},
		"other bounds":    {latencyAt(90, 300), ""},
		"no buckets":      {node.Some(node.Latency{Sum: counterAt(90), Count: counterAt(900)}), ""},
		"not told":        {node.Opt[node.Latency]{}, "450"},
	} {
		t.Run(what, func(t *testing.T) {
			for _, swap := range []bool{false, true} {
				s := full()
				first, second := s.Servers[0], tokenServer(podID("chat", "llm-0"))
				second.Models[0].Queue = test.second
				s.Servers = []node.Server{first, second}
				if swap {
					s.Servers = []node.Server{second, first}
				}
				expect(t, seriesOf(t, collectorWith(s, Config{Histogram: true})), map[string]string{name: test.want})
			}
		})
	}
}
