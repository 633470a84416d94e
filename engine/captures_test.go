package engine_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gpusignal/engine"
	"gpusignal/node"
	"gpusignal/triton"
	"gpusignal/vllm"
)

// The pages of real servers lie beside the repository, where there are any.
const captures = "../../shared/captures"

func capture(t *testing.T, file string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(captures, file))
	if err != nil {
		t.Skipf("no captured pages: %v", err)
	}
	return string(page)
}

func dialects() []engine.Dialect {
	return append([]engine.Dialect{vllm.Dialect(), triton.Dialect()}, engine.Dialects()...)
}

// serve the pages one after the other over HTTP, read them with an engine, and return what it says after each.
func serve(t *testing.T, pages ...string) []node.Server {
	t.Helper()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var e *engine.Engine
	after := make(chan []node.Server, len(pages))
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A page is asked for when the one before has been taken in.
		if requests > 0 && requests <= len(pages) {
			after <- e.Servers(time.Now())
		}
		page := pages[min(requests, len(pages)-1)]
		requests++
		_, _ = w.Write([]byte(page))
	}))
	defer server.Close()
	endpoint, err := engine.ParseEndpoint(server.URL + ",namespace=ml,pod=server-0")
	if err != nil {
		t.Fatal(err)
	}
	e = engine.New(engine.Config{
		Interval: time.Millisecond, Dialects: dialects(), Logger: slog.New(slog.DiscardHandler),
		Static: func() []engine.Endpoint { return []engine.Endpoint{endpoint} },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	var out []node.Server
	for range pages {
		servers := <-after
		if len(servers) != 1 {
			t.Fatalf("%d servers, want 1", len(servers))
		}
		out = append(out, servers[0])
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return out
}

// edit replaces each old text, which the page must have once, by the one that follows it.
func edit(t *testing.T, page string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if n := strings.Count(page, pairs[i]); n != 1 {
			t.Fatalf("the page has %q %d times, want once", pairs[i], n)
		}
		page = strings.Replace(page, pairs[i], pairs[i+1], 1)
	}
	return page
}

type captured struct {
	file, engine string
	first        map[string]float64
	edits        []string
	second       map[string]float64
}

func (c captured) run(t *testing.T) {
	page := capture(t, c.file)
	got := serve(t, page, edit(t, page, c.edits...))
	for i, s := range got {
		if s.Engine != c.engine || s.Fault != "" || s.Bytes == 0 || s.FirstPage.IsZero() || s.Pod.Name != "server-0" {
			t.Errorf("page %d: server %+v, want a good page of %s", i, s, c.engine)
		}
	}
	check(t, "first page", got[0], c.first)
	check(t, "second page", got[1], c.second)
}

func TestCaptureVLLM05(t *testing.T) {
	const m = `{model_name="neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8"}`
	captured{
		file: "vllm-0.5-kubeai.prom", engine: "vllm",
		first: map[string]float64{
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 ranks":   1,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 running": 3,                     // vllm:num_requests_running 3.0
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 waiting": 2,                     // vllm:num_requests_waiting 2.0
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 kv":      0.0026235242675994863, // vllm:gpu_cache_usage_perc
			// Of every counter the first page is the history before.
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 prompt":           0,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 generation":       0,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 requests success": 0,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 first sum":        0,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 first count":      0,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 inter sum":        0,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 inter count":      0,
			"other/OTHER ranks":   1,
			"other/OTHER waiting": 3, // vllm:num_requests_waiting{model_name="other/OTHER"} 3.0
		},
		edits: []string{
			"vllm:num_requests_running" + m + " 3.0", "vllm:num_requests_running" + m + " 4.0",
			"vllm:num_requests_waiting" + m + " 2.0", "vllm:num_requests_waiting" + m + " 0.0",
			"vllm:gpu_cache_usage_perc" + m + " 0.0026235242675994863", "vllm:gpu_cache_usage_perc" + m + " 0.5",
			"vllm:prompt_tokens_total" + m + " 90.0", "vllm:prompt_tokens_total" + m + " 100.0",
			"vllm:generation_tokens_total" + m + " 2546.0", "vllm:generation_tokens_total" + m + " 2600.0",
			"vllm:time_to_first_token_seconds_count" + m + " 9.0", "vllm:time_to_first_token_seconds_count" + m + " 11.0",
			"vllm:time_to_first_token_seconds_sum" + m + " 0.5106480121612549",
			"vllm:time_to_first_token_seconds_sum" + m + " 0.6106480121612549",
			`vllm:time_to_first_token_seconds_bucket{le="+Inf",` + m[1:] + " 9.0",
			`vllm:time_to_first_token_seconds_bucket{le="+Inf",` + m[1:] + " 11.0",
			`vllm:time_to_first_token_seconds_bucket{le="0.06",` + m[1:] + " 6.0",
			`vllm:time_to_first_token_seconds_bucket{le="0.06",` + m[1:] + " 7.0",
			"vllm:time_per_output_token_seconds_count" + m + " 2537.0", "vllm:time_per_output_token_seconds_count" + m + " 2541.0",
			"vllm:time_per_output_token_seconds_sum" + m + " 98.35070300102234",
			"vllm:time_per_output_token_seconds_sum" + m + " 98.45070300102234",
			`vllm:request_success_total{finished_reason="length",` + m[1:] + " 6.0\n",
			`vllm:request_success_total{finished_reason="length",` + m[1:] + " 8.0\n" +
				`vllm:request_success_total{finished_reason="abort",` + m[1:] + " 1.0\n",
		},
		second: map[string]float64{
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 ranks":   1,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 running": 4,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 waiting": 0,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 kv":      0.5,
			// 100 - 90, 2600 - 2546
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 prompt":     10,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 generation": 54,
			// length 8 - 6; abort is a new series on a server that was read: it began at 0
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 requests success":   2,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 requests cancelled": 1,
			// 0.6106… - 0.5106…, 11 - 9, 0.1 ÷ 2; buckets 7 - 6 and 11 - 9
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 first sum":     0.1,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 first count":   2,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 first mean":    0.05,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 first le 0.06": 1,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 first le +Inf": 2,
			// 98.4507… - 98.3507…, 2541 - 2537, 0.1 ÷ 4
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 inter sum":   0.1,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 inter count": 4,
			"neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8 inter mean":  0.025,
			"other/OTHER ranks":   1,
			"other/OTHER waiting": 3,
		},
	}.run(t)
}

func TestCaptureVLLMComposite(t *testing.T) {
	const m = `{model_name="facebook/opt-125m"}`
	captured{
		file: "vllm-composite-v0.4-to-v1-datadog.prom", engine: "vllm",
		first: map[string]float64{
			"ranks": 1,
			// vllm:num_requests_running 0.0, vllm:num_requests_waiting 0.0, vllm:kv_cache_usage_perc 0.0
			"running": 0, "waiting": 0, "kv": 0,
			"prompt": 0, "generation": 0, "requests success": 0,
			"queue sum": 0, "queue count": 0, "first sum": 0, "first count": 0, "inter sum": 0, "inter count": 0,
		},
		edits: []string{
			"vllm:num_requests_running" + m + " 0.0", "vllm:num_requests_running" + m + " 7.0",
			"vllm:num_requests_waiting" + m + " 0.0", "vllm:num_requests_waiting" + m + " 9.0",
			// The old name must not win over the new one.
			"vllm:gpu_cache_usage_perc" + m + " 0.0", "vllm:gpu_cache_usage_perc" + m + " 0.9",
			"vllm:kv_cache_usage_perc" + m + " 0.0", "vllm:kv_cache_usage_perc" + m + " 0.4",
			`sleep_state="awake"} 1.0`, `sleep_state="awake"} 0.0`,
			"vllm:prompt_tokens_total" + m + " 5.0", "vllm:prompt_tokens_total" + m + " 15.0",
			"vllm:generation_tokens_total" + m + " 7.0", "vllm:generation_tokens_total" + m + " 27.0",
			"vllm:request_success_total{finished_reason=\"length\",model_name=\"facebook/opt-125m\"} 1.0",
			"vllm:request_success_total{finished_reason=\"length\",model_name=\"facebook/opt-125m\"} 4.0",
			"vllm:request_queue_time_seconds_count" + m + " 6.0", "vllm:request_queue_time_seconds_count" + m + " 8.0",
			"vllm:request_queue_time_seconds_sum" + m + " 7.358146831393242e-05",
			"vllm:request_queue_time_seconds_sum" + m + " 3.00007358146831393242",
			"vllm:time_to_first_token_seconds_count" + m + " 1.0", "vllm:time_to_first_token_seconds_count" + m + " 3.0",
			"vllm:time_to_first_token_seconds_sum" + m + " 0.31326723098754883",
			"vllm:time_to_first_token_seconds_sum" + m + " 0.81326723098754883",
			// Here too: the old one is 0.19016313552856445 of 6.0.
			"vllm:time_per_output_token_seconds_count" + m + " 6.0", "vllm:time_per_output_token_seconds_count" + m + " 60.0",
			"vllm:inter_token_latency_seconds_count" + m + " 144.0", "vllm:inter_token_latency_seconds_count" + m + " 154.0",
			"vllm:inter_token_latency_seconds_sum" + m + " 0.6237391703762114",
			"vllm:inter_token_latency_seconds_sum" + m + " 0.8237391703762114",
			`vllm:inter_token_latency_seconds_bucket{le="0.1",model_name="facebook/opt-125m"} 144.0`,
			`vllm:inter_token_latency_seconds_bucket{le="0.1",model_name="facebook/opt-125m"} 153.0`,
			`vllm:inter_token_latency_seconds_bucket{le="+Inf",model_name="facebook/opt-125m"} 144.0`,
			`vllm:inter_token_latency_seconds_bucket{le="+Inf",model_name="facebook/opt-125m"} 154.0`,
		},
		second: map[string]float64{
			"ranks": 1, "running": 7, "waiting": 9, "kv": 0.4,
			"prompt": 10, "generation": 20, "requests success": 3,
			"queue sum": 3, "queue count": 2, "queue mean": 1.5, // 3.0000735… - 0.0000735…, 8 - 6
			"first sum": 0.5, "first count": 2, "first mean": 0.25, // 0.813… - 0.313…, 3 - 1
			"inter sum": 0.2, "inter count": 10, "inter mean": 0.02, // 0.8237… - 0.6237…, 154 - 144
			"inter le 0.1": 9, "inter le +Inf": 10, // 153 - 144, 154 - 144
		},
	}.run(t)

	page := capture(t, "vllm-composite-v0.4-to-v1-datadog.prom")
	got := serve(t, page, edit(t, page, `sleep_state="awake"} 1.0`, `sleep_state="awake"} 0.0`))
	if got[0].Sleeping || !got[1].Sleeping {
		t.Errorf("sleeping %v, then %v; want awake, then asleep", got[0].Sleeping, got[1].Sleeping)
	}
}

func TestCaptureVLLMV1Excerpts(t *testing.T) {
	const m = `model_name="meta-llama/Llama-3.1-8B-Instruct"}`
	captured{
		file: "vllm-v1-design-doc-excerpts.prom", engine: "vllm",
		// The histogram of the excerpt has no sum: no latency can be told of it.
		first: map[string]float64{
			"ranks": 1, "running": 8, // vllm:num_requests_running 8.0
			"generation": 0, "requests success": 0, "requests cancelled": 0,
		},
		edits: []string{
			"vllm:num_requests_running{" + m + " 8.0", "vllm:num_requests_running{" + m + " 5.0",
			"vllm:generation_tokens_total{" + m + " 27453.0", "vllm:generation_tokens_total{" + m + " 27500.0",
			`finished_reason="stop",` + m + " 1.0", `finished_reason="stop",` + m + " 3.0",
			`finished_reason="length",` + m + " 131.0", `finished_reason="length",` + m + " 132.0",
			`finished_reason="abort",` + m + " 0.0\n", `finished_reason="abort",` + m + " 4.0\n" +
				`vllm:request_success_total{finished_reason="error",` + m + " 2.0\n" +
				`http_requests_total{handler="/v1/completions",method="POST",status="2xx"} 201.0` + "\n" +
				`http_requests_total{handler="/v1/completions",method="POST",status="5xx"} 3.0` + "\n",
		},
		second: map[string]float64{
			"ranks": 1, "running": 5, "generation": 47, // 27500 - 27453
			"requests success":   3, // stop 3 - 1, length 132 - 131
			"requests cancelled": 4, // abort 4 - 0
			"requests error":     3, // 3 answers of 5xx, 2 of which the engine counted as errors
		},
	}.run(t)
}

func TestCaptureTriton(t *testing.T) {
	model := func(out map[string]float64, name string) {
		// Every family has a line for the model: pending 0, and counters whose first page is history.
		for _, reading := range []string{
			"waiting", "requests success", "requests error", "queue sum", "queue count", "input sum", "input count",
		} {
			out[name+" "+reading] = 0
		}
		out[name+" ranks"] = 1
	}
	models := []string{
		"simple_string", "simple_sequence", "simple_int8", "simple_identity", "densenet_onnx", "simple_dyna_sequence",
		"inception_graphdef", "simple",
	}
	first, second := make(map[string]float64), make(map[string]float64)
	for _, m := range models {
		model(first, m)
		model(second, m)
	}
	c := captured{
		file: "triton-23.x-gpu-datadog-first-part.prom", engine: "triton", first: first,
		edits: []string{
			`request_success{model="densenet_onnx",version="1"} 3`, `request_success{model="densenet_onnx",version="1"} 7`,
			`request_failure{model="densenet_onnx",version="1"} 0`, `request_failure{model="densenet_onnx",version="1"} 1`,
			`inference_queue_duration_us{model="densenet_onnx",version="1"} 145`,
			`inference_queue_duration_us{model="densenet_onnx",version="1"} 200145`,
			`compute_input_duration_us{model="densenet_onnx",version="1"} 626`,
			`compute_input_duration_us{model="densenet_onnx",version="1"} 40626`,
			`pending_request_count{model="densenet_onnx",version="1"} 0`,
			`pending_request_count{model="densenet_onnx",version="1"} 12`,
			`request_success{model="simple",version="1"} 0`, `request_success{model="simple",version="1"} 1` + "\n" +
				`nv_inference_request_success{model="simple",version="2"} 5`,
			`request_failure{model="simple_int8",version="1"} 0`,
			`request_failure{model="simple_int8",version="1",reason="REJECTED"} 6` + "\n" +
				`nv_inference_request_failure{model="simple_int8",version="1",reason="CANCELED"} 2` + "\n" +
				`nv_inference_request_failure{model="simple_int8",version="1",reason="BACKEND"} 1`,
		},
		second: second,
	}
	second["densenet_onnx waiting"] = 12
	second["densenet_onnx requests success"] = 4 // 7 - 3
	second["densenet_onnx requests error"] = 1   // 1 - 0, without a reason
	second["densenet_onnx queue sum"] = 0.2      // (200145 - 145) µs
	second["densenet_onnx queue count"] = 4
	second["densenet_onnx queue mean"] = 0.05
	second["densenet_onnx input sum"] = 0.04 // (40626 - 626) µs
	second["densenet_onnx input count"] = 4
	second["densenet_onnx input mean"] = 0.01
	second["simple requests success"] = 6 // 1 - 0 of version 1, 5 of version 2, which is new
	second["simple queue count"], second["simple queue mean"] = 6, 0
	second["simple input count"], second["simple input mean"] = 6, 0
	second["simple_int8 requests rejected"] = 6
	second["simple_int8 requests cancelled"] = 2
	second["simple_int8 requests error"] = 1
	page := capture(t, c.file)
	got := serve(t, page, edit(t, page, c.edits...))
	check(t, "first page", got[0], first)
	// Running is an estimate from the second page on, checked where the time between pages is known.
	for i := range got[1].Models {
		m := &got[1].Models[i]
		if !m.Running.Known || !m.RunningEstimated {
			t.Errorf("model %q: running %+v, estimated %v", m.Name, m.Running, m.RunningEstimated)
		}
		m.Running = node.Opt[node.Gauge]{}
	}
	check(t, "second page", got[1], second)
	if got[1].Engine != "triton" || got[1].EndedAt != got[1].At || got[1].WaitingSince != got[1].At {
		t.Errorf("server %+v", got[1])
	}
}

func TestCaptureTritonVLLMBackend(t *testing.T) {
	const m = `{model="vllm_model",version="1"}`
	captured{
		file: "triton-vllm-backend-readme.prom", engine: "triton",
		first: map[string]float64{
			"ranks": 1, "prompt": 0, "generation": 0,
			"first sum": 0, "first count": 0, "inter sum": 0, "inter count": 0,
		},
		edits: []string{
			"vllm:prompt_tokens_total" + m + " 10", "vllm:prompt_tokens_total" + m + " 30",
			"vllm:generation_tokens_total" + m + " 16", "vllm:generation_tokens_total" + m + " 64",
			"vllm:time_to_first_token_seconds_count" + m + " 1", "vllm:time_to_first_token_seconds_count" + m + " 3",
			"vllm:time_to_first_token_seconds_sum" + m + " 0.03233122825622559",
			"vllm:time_to_first_token_seconds_sum" + m + " 0.13233122825622559",
			`vllm:time_to_first_token_seconds_bucket{model="vllm_model",version="1",le="+Inf"} 1`,
			`vllm:time_to_first_token_seconds_bucket{model="vllm_model",version="1",le="+Inf"} 3`,
			"vllm:time_per_output_token_seconds_count" + m + " 15", "vllm:time_per_output_token_seconds_count" + m + " 35",
			"vllm:time_per_output_token_seconds_sum" + m + " 0.04501533508300781",
			"vllm:time_per_output_token_seconds_sum" + m + " 0.24501533508300781",
			`vllm:time_per_output_token_seconds_bucket{model="vllm_model",version="1",le="0.01"} 14`,
			`vllm:time_per_output_token_seconds_bucket{model="vllm_model",version="1",le="0.01"} 24`,
		},
		second: map[string]float64{
			"ranks": 1, "prompt": 20, "generation": 48, // 30 - 10, 64 - 16
			"first sum": 0.1, "first count": 2, "first mean": 0.05, "first le +Inf": 2,
			"inter sum": 0.2, "inter count": 20, "inter mean": 0.01, "inter le 0.01": 10,
		},
	}.run(t)
}
