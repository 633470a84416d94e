package engine_test

import (
	"testing"

	"gpusignal/node"
)

func TestCaptureNIM(t *testing.T) {
	const m = `{model_name="meta/llama-3.1-8b-instruct"}`
	first := map[string]float64{
		// num_requests_running 1.0, num_requests_waiting 0.0, num_request_max 64.0, gpu_cache_usage_perc 0.00028…
		"ranks": 1, "running": 1, "waiting": 0, "max": 64, "kv": 0.0002848191398461977,
		"prompt": 0, "generation": 0, "first sum": 0, "first count": 0, "inter sum": 0, "inter count": 0,
		"requests success": 0, "requests error": 0,
	}
	captured{
		file: "nim-llm-1.x-datadog.prom", engine: "nim", first: first,
		edits: []string{
			"\nnum_requests_running" + m + " 1.0", "\nnum_requests_running" + m + " 3.0",
			"\nprompt_tokens_total" + m + " 109.0", "\nprompt_tokens_total" + m + " 119.0",
			"\nrequest_success_total" + m + " 5.0", "\nrequest_success_total" + m + " 7.0",
			"\nrequest_failure_total" + m + " 0.0", "\nrequest_failure_total" + m + " 1.0",
			"\ntime_to_first_token_seconds_count" + m + " 5.0", "\ntime_to_first_token_seconds_count" + m + " 7.0",
			"\ntime_to_first_token_seconds_sum" + m + " 0.6119842529296875", "\ntime_to_first_token_seconds_sum" + m + " 1.1119842529296875",
		},
		second: with(first, map[string]float64{
			"running": 3, "prompt": 10, "requests success": 2, "requests error": 1, "first sum": 0.5, "first count": 2, "first mean": 0.25,
		}),
	}.run(t)
}

func TestCaptureTorchServe(t *testing.T) {
	const m = `{model_name="resnet18",model_version="default",hostname="88665a372f4b.ant.amazon.com",}`
	first := map[string]float64{"ranks": 1, "requests unknown": 0, "queue sum": 0, "queue count": 0}
	page := capture(t, "torchserve-docs.prom")
	got := serve(t, page, edit(t, page,
		"ts_inference_requests_total"+m+" 3.0", "ts_inference_requests_total"+m+" 5.0",
		"ts_queue_latency_microseconds"+m+" 365.21", "ts_queue_latency_microseconds"+m+" 1000365.21"))
	check(t, "first page", got[0], first)
	if got[1].Engine != "torchserve" || !got[1].Models[0].RunningEstimated {
		t.Errorf("server %+v", got[1])
	}
	got[1].Models[0].Running = node.Opt[node.Gauge]{} // By the time between the pages, which is the machine's.
	check(t, "second page", got[1], with(first, map[string]float64{
		"requests unknown": 2, "queue sum": 1, "queue count": 2, "queue mean": 0.5, // 1000365.21 - 365.21 µs over 5 - 3
	}))
}

// The page is of Triton's documentation: its histogram's samples lack the suffix, and HELP names another family.
func TestCaptureTritonSnippets(t *testing.T) {
	const m = `{model="my_model",version="1"}`
	first := zero(map[string]float64{"ranks": 1}, "queue*, first*, requests success")
	captured{
		file: "triton-docs-histogram-summary-snippets.prom", engine: "triton", first: first,
		edits: []string{
			"histogram_ms_count" + m + " 37", "histogram_ms_count" + m + " 41", "histogram_ms_sum" + m + " 10771", "histogram_ms_sum" + m + " 12771",
			`le="500"} 30`, `le="500"} 33`, `le="2000"} 36`, `le="2000"} 40`, `le="5000"} 37`, `le="5000"} 41`, `le="+Inf"} 37`, `le="+Inf"} 41`,
			"request_success" + m + " 161", "request_success" + m + " 165", "queue_duration_us" + m + " 11110", "queue_duration_us" + m + " 2011110",
		},
		second: with(first, map[string]float64{
			"queue sum": 2, "queue count": 4, "queue mean": 0.5, "requests success": 4,
			"first sum": 2, "first count": 4, "first mean": 0.5, "first le 0.5": 3, "first le 2": 4, "first le 5": 4, "first le +Inf": 4,
		}),
	}.run(t)
}
