package engine_test

func writtenPages() []written {
	var all []written
	for _, pages := range [][]written{vllmPages(), tritonPages(), sglangPages(), otherPages()} {
		all = append(all, pages...)
	}
	return all
}

func vllmPages() []written {
	v04 := zero(map[string]float64{"ranks": 1, "running": 3, "waiting": 2, "kv": 0.25},
		"prompt, generation, first*, inter*, requests success")
	v08 := zero(map[string]float64{"ranks": 1, "running": 4, "waiting": 6, "kv": 0.5}, "generation, queue*, inter*")
	v2026 := zero(map[string]float64{
		// 7 + 5; 9 + 1; 6 + 0; the greater of 0.875 and 0.25
		"ranks": 2, "running": 12, "waiting": 10, "capacity": 6, "kv": 0.875,
	}, "prompt, generation, first*, inter*, requests success, requests cancelled, requests error, requests rejected")
	ray := zero(map[string]float64{"ranks": 2, "running": 7, "waiting": 2, "kv": 0.75}, "generation")
	return []written{
		{
			file: "vllm-0.4.prom", engine: "vllm", first: v04,
			edits: []string{
				`prompt_tokens_total{model_name="opt"} 1000.0`, `prompt_tokens_total{model_name="opt"} 1100.0`,
				`generation_tokens_total{model_name="opt"} 5000.0`, `generation_tokens_total{model_name="opt"} 5300.0`,
				`{le="0.5",model_name="opt"} 10.0`, `{le="0.5",model_name="opt"} 11.0`,
				`{le="+Inf",model_name="opt"} 12.0`, `{le="+Inf",model_name="opt"} 14.0`,
				`first_token_seconds_count{model_name="opt"} 12.0`, `first_token_seconds_count{model_name="opt"} 14.0`,
				`first_token_seconds_sum{model_name="opt"} 6.0`, `first_token_seconds_sum{model_name="opt"} 7.0`,
			},
			// 1100 - 1000, 5300 - 5000, 7 - 6 over 14 - 12; nothing ended by the other counters
			second: with(v04, map[string]float64{
				"prompt": 100, "generation": 300, "first sum": 1, "first count": 2, "first mean": 0.5, "first le 0.5": 1, "first le +Inf": 2,
			}),
		},
		{
			file: "vllm-0.8-v1.prom", engine: "vllm", first: v08,
			edits: []string{
				`generation_tokens_total{engine="0",model_name="m"} 700.0`, `generation_tokens_total{engine="0",model_name="m"} 750.0`,
				// Neither the gauge beside a counter nor a histogram that is named like one counts.
				`generation_tokens_created{engine="0",model_name="m"} 1.7e+09`, `generation_tokens_created{engine="0",model_name="m"} 1.8e+09`,
				`iteration_tokens_total_sum{engine="0",model_name="m"} 777.0`, `iteration_tokens_total_sum{engine="0",model_name="m"} 999.0`,
				`{engine="0",le="+Inf",model_name="m"} 8.0`, `{engine="0",le="+Inf",model_name="m"} 12.0`,
				`queue_time_seconds_count{engine="0",model_name="m"} 8.0`, `queue_time_seconds_count{engine="0",model_name="m"} 12.0`,
				`queue_time_seconds_sum{engine="0",model_name="m"} 10.0`, `queue_time_seconds_sum{engine="0",model_name="m"} 30.0`,
			},
			// 750 - 700; 30 - 10 over 12 - 8
			second: with(v08, map[string]float64{
				"generation": 50, "queue sum": 20, "queue count": 4, "queue mean": 5, "queue le +Inf": 4,
			}),
		},
		{
			file: "vllm-2026.prom", engine: "vllm", args: nil, first: v2026,
			edits: []string{
				`prompt_tokens_total{engine="0",model_name="m"} 1.5e+06`, `prompt_tokens_total{engine="0",model_name="m"} 1.500128e+06`,
				`generation_tokens_total{engine="1",model_name="m"} 20000.0`, `generation_tokens_total{engine="1",model_name="m"} 20040.0`,
				`finished_reason="stop",model_name="m"} 100.0`, `finished_reason="stop",model_name="m"} 103.0`,
				`finished_reason="stop",model_name="m"} 50.0`, `finished_reason="stop",model_name="m"} 52.0`,
				`finished_reason="abort",model_name="m"} 5.0`, `finished_reason="abort",model_name="m"} 6.0`,
				`finished_reason="error",model_name="m"} 0.0`, `finished_reason="error",model_name="m"} 2.0`,
				`reason="queue_full"} 2.0`, `reason="queue_full"} 9.0`,
				`status="5xx"} 2.0`, `status="5xx"} 15.0`,
				`{engine="0",le="+Inf",model_name="m"} 120.0`, `{engine="0",le="+Inf",model_name="m"} 122.0`,
				`first_token_seconds_count{engine="0",model_name="m"} 120.0`, `first_token_seconds_count{engine="0",model_name="m"} 122.0`,
				`first_token_seconds_sum{engine="0",model_name="m"} 30.0`, `first_token_seconds_sum{engine="0",model_name="m"} 30.5`,
				`first_token_seconds_count{engine="1",model_name="m"} 50.0`, `first_token_seconds_count{engine="1",model_name="m"} 53.0`,
				`first_token_seconds_sum{engine="1",model_name="m"} 2.5`, `first_token_seconds_sum{engine="1",model_name="m"} 4.5`,
				`inter_token_latency_seconds_count{engine="0",model_name="m"} 39000.0`, `inter_token_latency_seconds_count{engine="0",model_name="m"} 39100.0`,
				`inter_token_latency_seconds_sum{engine="0",model_name="m"} 780.0`, `inter_token_latency_seconds_sum{engine="0",model_name="m"} 782.0`,
			},
			second: with(v2026, map[string]float64{
				"prompt": 128, "generation": 40,
				"requests success": 5, "requests cancelled": 1, "requests rejected": 7, // 103 - 100 and 52 - 50; 6 - 5; 9 - 2
				"requests error": 6,                                                            // of 13 answers of 5xx seven are the refusals
				"first sum":      2.5, "first count": 5, "first mean": 0.5, "first le +Inf": 2, // 0.5 and 2 over 2 and 3
				"inter sum": 2, "inter count": 100, "inter mean": 0.02,
			}),
		},
		{
			file: "vllm-ray.prom", engine: "vllm", args: []string{"--max-num-seqs", "256"},
			first: with(ray, map[string]float64{"max": 512}), // of two replicas
			edits: []string{
				`WorkerId="w1",engine="0",model_name="m"} 100.0`, `WorkerId="w1",engine="0",model_name="m"} 130.0`,
			},
			second: with(ray, map[string]float64{"generation": 30, "max": 512}),
		},
	}
}

func tritonPages() []written {
	plain := zero(map[string]float64{"ranks": 1}, "requests success, requests error, queue*, input*")
	gpu := zero(map[string]float64{"ranks": 1, "waiting": 6},
		"requests success, requests rejected, requests cancelled, requests error, queue*, input*")
	ensemble := make(map[string]float64)
	for _, m := range []string{"pipeline", "tokenizer", "encoder"} {
		for k, v := range zero(map[string]float64{"ranks": 1}, "requests success, queue*") {
			ensemble[m+" "+k] = v
		}
	}
	ensemble["tokenizer waiting"], ensemble["encoder waiting"] = 0, 8
	summaries := zero(map[string]float64{"ranks": 1}, "requests success, queue*, input*, first*")
	tensor := zero(map[string]float64{"ranks": 1, "running": 7, "waiting": 7, "max": 64, "kv": 0.3}, "requests success, queue*")
	backend := zero(map[string]float64{"ranks": 1, "waiting": 3}, "prompt, generation, first*, inter*, requests success, queue*")
	return []written{
		{
			file: "triton-23.08.prom", engine: "triton", first: plain,
			edits: []string{
				`success{model="resnet",version="1"} 100`, `success{model="resnet",version="1"} 108`,
				`success{model="resnet",version="2"} 10`, `success{model="resnet",version="2"} 12`,
				`failure{model="resnet",version="1"} 1`, `failure{model="resnet",version="1"} 4`,
				`request_duration_us{model="resnet",version="1"} 5000000`, `request_duration_us{model="resnet",version="1"} 15000000`,
				`queue_duration_us{model="resnet",version="1"} 1000000`, `queue_duration_us{model="resnet",version="1"} 5000000`,
				`input_duration_us{model="resnet",version="2"} 20000`, `input_duration_us{model="resnet",version="2"} 120000`,
			},
			second: with(plain, map[string]float64{
				"running":          3, // (10 s spent - 4 s of them in the queue) over 2 s
				"requests success": 10, "requests error": 3,
				"queue sum": 4, "queue count": 10, "queue mean": 0.4,
				"input sum": 0.1, "input count": 10, "input mean": 0.01,
			}),
		},
		{
			// From one page to the next the label gpu_uuid is gone, as after a restart of the metrics within the server: the
			// counters go on, and their history is not counted anew.
			file: "triton-24.08-gpu.prom", engine: "triton", first: gpu,
			edits: []string{
				`success{gpu_uuid="GPU-1",model="bert",version="1"} 1000`, `success{model="bert",version="1"} 1006`,
				`failure{gpu_uuid="GPU-1",model="bert",reason="REJECTED",version="1"} 4`, `failure{model="bert",reason="REJECTED",version="1"} 9`,
				`failure{gpu_uuid="GPU-1",model="bert",reason="CANCELED",version="1"} 3`, `failure{model="bert",reason="CANCELED",version="1"} 4`,
				`queue_duration_us{gpu_uuid="GPU-1",model="bert",version="1"} 30000000`, `queue_duration_us{model="bert",version="1"} 33000000`,
				`request_duration_us{gpu_uuid="GPU-1",model="bert",version="1"} 90000000`, `request_duration_us{model="bert",version="1"} 97000000`,
				`pending_request_count{gpu_uuid="GPU-1",model="bert",version="1"} 6`, `pending_request_count{model="bert",version="1"} 2`,
			},
			second: with(gpu, map[string]float64{
				"waiting": 2, "running": 2, // (7 s - 3 s) over 2 s
				"requests success": 6, "requests rejected": 5, "requests cancelled": 1,
				"queue sum": 3, "queue count": 6, "queue mean": 0.5, "input count": 6, "input mean": 0,
			}),
		},
		{
			file: "triton-ensemble.prom", engine: "triton", first: ensemble,
			edits: []string{
				`success{model="pipeline",version="1"} 50`, `success{model="pipeline",version="1"} 54`,
				`success{model="encoder",version="1"} 50`, `success{model="encoder",version="1"} 54`,
				`queue_duration_us{model="encoder",version="1"} 900000`, `queue_duration_us{model="encoder",version="1"} 1700000`,
			},
			second: with(ensemble, map[string]float64{
				"pipeline requests success": 4, "pipeline queue count": 4, "pipeline queue mean": 0,
				"encoder requests success": 4, "encoder queue sum": 0.8, "encoder queue count": 4, "encoder queue mean": 0.2,
			}),
		},
		{
			file: "triton-summaries.prom", engine: "triton", first: summaries,
			edits: []string{
				`success{model="bert",version="1"} 161`, `success{model="bert",version="1"} 165`,
				`queue_summary_us_count{model="bert",version="1"} 161`, `queue_summary_us_count{model="bert",version="1"} 165`,
				`queue_summary_us_sum{model="bert",version="1"} 11110`, `queue_summary_us_sum{model="bert",version="1"} 811110`,
				`input_summary_us_count{model="bert",version="1"} 161`, `input_summary_us_count{model="bert",version="1"} 165`,
				`input_summary_us_sum{model="bert",version="1"} 2220`, `input_summary_us_sum{model="bert",version="1"} 42220`,
				`histogram_ms_count{model="bert",version="1"} 37`, `histogram_ms_count{model="bert",version="1"} 41`,
				`histogram_ms_sum{model="bert",version="1"} 10771`, `histogram_ms_sum{model="bert",version="1"} 12771`,
				`le="500"} 30`, `le="500"} 31`, `le="+Inf"} 37`, `le="+Inf"} 41`,
			},
			second: with(summaries, map[string]float64{
				"requests success": 4, "queue sum": 0.8, "queue count": 4, "queue mean": 0.2, "input sum": 0.04, "input count": 4, "input mean": 0.01,
				"first sum": 2, "first count": 4, "first mean": 0.5, "first le 0.5": 1, "first le +Inf": 4,
			}),
		},
		{
			// Waiting before the batcher and in it, 2 + 5; 300 of 1000 blocks.
			file: "triton-tensorrtllm.prom", engine: "triton", first: tensor,
			edits: []string{
				`request_type="scheduled",version="1"} 7`, `request_type="scheduled",version="1"} 60`,
				`block_type="used",model="llama",version="1"} 300`, `block_type="used",model="llama",version="1"} 960`,
				`success{model="llama",version="1"} 40`, `success{model="llama",version="1"} 42`,
				`queue_duration_us{model="llama",version="1"} 8000000`, `queue_duration_us{model="llama",version="1"} 9000000`,
			},
			second: with(tensor, map[string]float64{
				"running": 60, "kv": 0.96, "requests success": 2, "queue sum": 1, "queue count": 2, "queue mean": 0.5,
			}),
		},
		{
			file: "triton-vllm.prom", engine: "triton", first: backend,
			edits: []string{
				`generation_tokens_total{model="opt",version="1"} 16`, `generation_tokens_total{model="opt",version="1"} 48`,
				`per_output_token_seconds_count{model="opt",version="1"} 15`, `per_output_token_seconds_count{model="opt",version="1"} 45`,
				`per_output_token_seconds_sum{model="opt",version="1"} 0.045`, `per_output_token_seconds_sum{model="opt",version="1"} 0.345`,
			},
			second: with(backend, map[string]float64{"generation": 32, "inter sum": 0.3, "inter count": 30, "inter mean": 0.01}),
		},
	}
}

func sglangPages() []written {
	v04 := zero(map[string]float64{"ranks": 1, "running": 162, "waiting": 2826, "capacity": 2826, "kv": 0.28},
		"prompt, generation, first*, inter*")
	v2026 := zero(map[string]float64{
		// Of two ranks, each told by its two shards: 10 + 5; 8 + 1 and the 3 that wait for a grammar; the most of 0.75 and 0.5.
		"ranks": 2, "running": 15, "waiting": 12, "capacity": 9, "kv": 0.75,
	}, "prompt, generation, queue*, first*, inter*, requests unknown, requests error, requests rejected")
	// 1 in its own queue and 6 that wait for memory; the 2 in transfer have theirs.
	decode := map[string]float64{"ranks": 1, "running": 30, "waiting": 7, "capacity": 7, "kv": 0.95}
	return []written{
		{
			file: "sglang-0.4.prom", engine: "sglang", first: v04,
			edits: []string{
				`sglang:prompt_tokens_total{model_name="llama"} 8.128902e+06`, `sglang:prompt_tokens_total{model_name="llama"} 8.129902e+06`,
				`per_output_token_seconds_sum{model_name="llama"} 866.0`, `per_output_token_seconds_sum{model_name="llama"} 868.0`,
				`per_output_token_seconds_count{model_name="llama"} 7400.0`, `per_output_token_seconds_count{model_name="llama"} 7500.0`,
			},
			second: with(v04, map[string]float64{"prompt": 1000, "inter sum": 2, "inter count": 100, "inter mean": 0.02}),
		},
		{
			file: "sglang-2026.prom", engine: "sglang", args: []string{"--max-running-requests=48"},
			first: with(v2026, map[string]float64{"max": 48}), // Of both ranks together.
			edits: []string{
				`num_requests_total{is_streaming="true",model_name="q"} 20.0`, `num_requests_total{is_streaming="true",model_name="q"} 26.0`,
				`endpoint="/v1/chat/completions",method="POST",status_code="503"} 1.0`, `endpoint="/v1/chat/completions",method="POST",status_code="503"} 5.0`,
				`status_code="500"} 1.0`, `status_code="500"} 2.0`,
				// Probes of its health are no requests.
				`endpoint="/health",method="GET",status_code="503"} 60.0`, `endpoint="/health",method="GET",status_code="503"} 90.0`,
				// Both shards of rank 0 count the same two requests.
				`le="+Inf",model_name="q",moe_ep_rank="0",pp_rank="0",tp_rank="0"} 6.0`, `le="+Inf",model_name="q",moe_ep_rank="0",pp_rank="0",tp_rank="0"} 8.0`,
				`queue_time_seconds_count{dp_rank="0",engine_type="unified",model_name="q",moe_ep_rank="0",pp_rank="0",tp_rank="0"} 6.0`,
				`queue_time_seconds_count{dp_rank="0",engine_type="unified",model_name="q",moe_ep_rank="0",pp_rank="0",tp_rank="0"} 8.0`,
				`queue_time_seconds_sum{dp_rank="0",engine_type="unified",model_name="q",moe_ep_rank="0",pp_rank="0",tp_rank="0"} 3.0`,
				`queue_time_seconds_sum{dp_rank="0",engine_type="unified",model_name="q",moe_ep_rank="0",pp_rank="0",tp_rank="0"} 4.0`,
				`queue_time_seconds_count{dp_rank="0",engine_type="unified",model_name="q",moe_ep_rank="1",pp_rank="0",tp_rank="1"} 6.0`,
				`queue_time_seconds_count{dp_rank="0",engine_type="unified",model_name="q",moe_ep_rank="1",pp_rank="0",tp_rank="1"} 8.0`,
				`queue_time_seconds_sum{dp_rank="0",engine_type="unified",model_name="q",moe_ep_rank="1",pp_rank="0",tp_rank="1"} 3.0`,
				`queue_time_seconds_sum{dp_rank="0",engine_type="unified",model_name="q",moe_ep_rank="1",pp_rank="0",tp_rank="1"} 4.0`,
			},
			second: with(v2026, map[string]float64{
				"max": 48, "requests unknown": 6, "requests rejected": 4, "requests error": 1,
				"queue sum": 1, "queue count": 2, "queue mean": 0.5, "queue le +Inf": 2,
			}),
		},
		{
			file: "sglang-decode.prom", engine: "sglang", first: decode,
			edits:  []string{`num_decode_prealloc_queue_reqs{engine_type="decode",model_name="q",tp_rank="0"} 6.0`, `num_decode_prealloc_queue_reqs{engine_type="decode",model_name="q",tp_rank="0"} 0.0`},
			second: with(decode, map[string]float64{"waiting": 1, "capacity": 1}),
		},
	}
}

func otherPages() []written {
	nim := zero(map[string]float64{"ranks": 1, "running": 48, "waiting": 7, "max": 64, "kv": 0.625},
		"prompt, generation, first*, inter*, requests success, requests error")
	tgi := zero(map[string]float64{"ranks": 1, "running": 32, "waiting": 9},
		"prompt, generation, queue*, inter*, requests success, requests rejected, requests invalid, requests error")
	tensor := zero(map[string]float64{"ranks": 1, "running": 20, "waiting": 12, "max": 32, "kv": 0.4375},
		"prompt, generation, queue*, first*, inter*, requests success, requests cancelled, requests invalid, requests rejected, requests error")
	bare := zero(map[string]float64{"ranks": 1}, "queue*, first*, inter*, requests success")
	old := zero(map[string]float64{"ranks": 1, "running": 1, "waiting": 2, "kv": 0.5}, "prompt, generation, inter*")
	llama := zero(map[string]float64{"ranks": 1, "running": 4, "waiting": 46, "max": 4}, "prompt, generation, inter*")
	worker := zero(map[string]float64{"ranks": 1, "running": 3, "kv": 0.125}, "requests unknown")
	deploy := zero(map[string]float64{"ranks": 2, "running": 24, "waiting": 7, "kv": 0.75}, // 16 + 8; 4 + 0 and 2 + 1
		"prompt, generation, queue*, first*, inter*, requests success, requests cancelled, requests error, requests invalid")
	torch := zero(map[string]float64{"ranks": 1}, "queue*, requests unknown")
	return []written{
		{
			file: "nim-1.prom", engine: "nim", first: nim,
			edits: []string{
				`prompt_tokens_total{model_name="llama"} 1.09e+005`, `prompt_tokens_total{model_name="llama"} 1.10e+005`,
				`request_success_total{model_name="llama"} 5.0`, `request_success_total{model_name="llama"} 8.0`,
				`request_failure_total{model_name="llama"} 0.0`, `request_failure_total{model_name="llama"} 1.0`,
				// The finish reasons are the same requests once more.
				`request_finish_total{finished_reason="length",model_name="llama"} 5.0`, `request_finish_total{finished_reason="length",model_name="llama"} 8.0`,
				`le="+Inf",model_name="llama"} 5.0`, `le="+Inf",model_name="llama"} 8.0`,
				`first_token_seconds_count{model_name="llama"} 5.0`, `first_token_seconds_count{model_name="llama"} 8.0`,
				`first_token_seconds_sum{model_name="llama"} 0.75`, `first_token_seconds_sum{model_name="llama"} 2.25`,
			},
			second: with(nim, map[string]float64{
				"prompt": 1000, "requests success": 3, "requests error": 1, "first sum": 1.5, "first count": 3, "first mean": 0.5, "first le +Inf": 3,
			}),
		},
		{
			file: "tgi-3.prom", engine: "tgi", first: tgi,
			edits: []string{
				"tgi_request_success 100", "tgi_request_success 110",
				`err="overloaded"} 10`, `err="overloaded"} 13`, `err="validation"} 4`, `err="validation"} 5`, `err="generation"} 1`, `err="generation"} 3`,
				`queue_duration_bucket{le="0.0001"} 60`, `queue_duration_bucket{le="0.0001"} 62`, `queue_duration_bucket{le="+Inf"} 100`, `queue_duration_bucket{le="+Inf"} 110`,
				"queue_duration_sum 25.5", "queue_duration_sum 30.5", "queue_duration_count 100", "queue_duration_count 110",
				"input_length_sum 20000", "input_length_sum 21000", "generated_tokens_sum 15000", "generated_tokens_sum 15500",
				"per_token_duration_sum 2.5", "per_token_duration_sum 2.8", "per_token_duration_count 100", "per_token_duration_count 110",
			},
			second: with(tgi, map[string]float64{
				"requests success": 10, "requests rejected": 3, "requests invalid": 1, "requests error": 2, "prompt": 1000, "generation": 500,
				"queue sum": 5, "queue count": 10, "queue mean": 0.5, "queue le 0.0001": 2, "queue le +Inf": 10,
				"inter sum": 0.3, "inter count": 10, "inter mean": 0.03,
			}),
		},
		{
			file: "trtllm-1.3.prom", engine: "trtllm", first: tensor,
			edits: []string{
				`finished_reason="stop",model_name="n"} 70.0`, `finished_reason="stop",model_name="n"} 75.0`,
				`finished_reason="cancelled",model_name="n"} 2.0`, `finished_reason="cancelled",model_name="n"} 3.0`,
				`http_code="400",model_name="n"} 3.0`, `http_code="400",model_name="n"} 4.0`, `http_code="429",model_name="n"} 4.0`, `http_code="429",model_name="n"} 6.0`,
				`http_code="500",model_name="n"} 5.0`, `http_code="500",model_name="n"} 6.0`,
				`le="+Inf",model_name="n"} 70.0`, `le="+Inf",model_name="n"} 75.0`,
				`queue_time_seconds_count{engine_type="trtllm",model_name="n"} 70.0`, `queue_time_seconds_count{engine_type="trtllm",model_name="n"} 75.0`,
				`queue_time_seconds_sum{engine_type="trtllm",model_name="n"} 1.4`, `queue_time_seconds_sum{engine_type="trtllm",model_name="n"} 3.9`,
			},
			second: with(tensor, map[string]float64{
				"requests success": 5, "requests cancelled": 1, "requests invalid": 1, "requests rejected": 2, "requests error": 1,
				"queue sum": 2.5, "queue count": 5, "queue mean": 0.5, "queue le +Inf": 5,
			}),
		},
		{
			file: "trtllm-1.1.prom", engine: "trtllm", first: bare,
			edits: []string{
				`finished_reason="length",model_name="n"} 6.0`, `finished_reason="length",model_name="n"} 8.0`,
				`first_token_seconds_count{engine_type="undefined",model_name="n"} 6.0`, `first_token_seconds_count{engine_type="undefined",model_name="n"} 8.0`,
				`first_token_seconds_sum{engine_type="undefined",model_name="n"} 1.5`, `first_token_seconds_sum{engine_type="undefined",model_name="n"} 2.5`,
			},
			second: with(bare, map[string]float64{"requests success": 2, "first sum": 1, "first count": 2, "first mean": 0.5}),
		},
		{
			file: "llamacpp-2024.prom", engine: "llamacpp", first: old,
			edits: []string{
				"tokens_predicted_total 3469", "tokens_predicted_total 3479", "predicted_seconds_total 3544.25", "predicted_seconds_total 3549.25",
				"kv_cache_usage_ratio 0.5", "kv_cache_usage_ratio 0.75",
			},
			second: with(old, map[string]float64{"generation": 10, "inter sum": 5, "inter count": 10, "inter mean": 0.5, "kv": 0.75}),
		},
		{
			file: "llamacpp-2026.prom", engine: "llamacpp", args: []string{"-m", "/model.gguf", "--metrics", "-np", "4"}, first: llama,
			edits:  []string{"requests_deferred 46", "requests_deferred 0", "llamacpp:prompt_tokens_total 1000", "llamacpp:prompt_tokens_total 1500"},
			second: with(llama, map[string]float64{"waiting": 0, "prompt": 500}),
		},
		{
			file: "dynamo-worker.prom", engine: "dynamo", first: worker,
			edits: []string{
				`requests_total{dynamo_component="backend",dynamo_endpoint="generate",dynamo_namespace="d",model="q"} 10`,
				`requests_total{dynamo_component="backend",dynamo_endpoint="generate",dynamo_namespace="d",model="q"} 14`,
				`requests_total{dynamo_component="backend",dynamo_endpoint="clear_kv_blocks",dynamo_namespace="d",model="q"} 2`,
				`requests_total{dynamo_component="backend",dynamo_endpoint="clear_kv_blocks",dynamo_namespace="d",model="q"} 9`,
			},
			second: with(worker, map[string]float64{"requests unknown": 4}),
		},
		{
			file: "lmdeploy.prom", engine: "lmdeploy", first: deploy,
			edits: []string{
				`"ResponseType.FINISH",model_name="i"} 80.0`, `"ResponseType.FINISH",model_name="i"} 85.0`,
				`"ResponseType.CANCEL",model_name="i"} 5.0`, `"ResponseType.CANCEL",model_name="i"} 6.0`,
				`"ResponseType.INTERNAL_ENGINE_ERROR",model_name="i"} 1.0`, `"ResponseType.INTERNAL_ENGINE_ERROR",model_name="i"} 3.0`,
				`"ResponseType.INPUT_LENGTH_ERROR",model_name="i"} 2.0`, `"ResponseType.INPUT_LENGTH_ERROR",model_name="i"} 4.0`,
				// Its own inter-token latency goes before the mean over a request.
				`iter_token_latency_count{engine="0",model_name="i"} 500.0`, `iter_token_latency_count{engine="0",model_name="i"} 600.0`,
				`iter_token_latency_sum{engine="0",model_name="i"} 5.0`, `iter_token_latency_sum{engine="0",model_name="i"} 7.0`,
				`per_output_token_seconds_sum{engine="0",model_name="i"} 50.0`, `per_output_token_seconds_sum{engine="0",model_name="i"} 90.0`,
			},
			second: with(deploy, map[string]float64{
				"requests success": 5, "requests cancelled": 1, "requests error": 2, "requests invalid": 2,
				"inter sum": 2, "inter count": 100, "inter mean": 0.02,
			}),
		},
		{
			file: "torchserve-0.12.prom", engine: "torchserve", first: torch,
			edits: []string{
				`requests_total{model_name="resnet18",model_version="default",hostname="box",} 30.0`, `requests_total{model_name="resnet18",model_version="default",hostname="box",} 34.0`,
				`hostname="box",} 2000000.5`, `hostname="box",} 9000000.5`, `hostname="box",} 500000.25`, `hostname="box",} 2500000.25`,
			},
			second: with(torch, map[string]float64{
				"running":          2.5, // (7 s - 2 s) over 2 s
				"requests unknown": 4, "queue sum": 2, "queue count": 4, "queue mean": 0.5,
			}),
		},
		{
			// The label of a process changed, and its counters did not begin anew.
			file: "torchserve-0.6.prom", engine: "torchserve", first: torch,
			edits: []string{
				`queue_latency_microseconds{uuid="77d609f1",model_name="cifar",model_version="default",} 416.079`, `queue_latency_microseconds{uuid="d5f84dfb",model_name="cifar",model_version="default",} 1416.079`,
				`requests_total{uuid="77d609f1",model_name="cifar",model_version="default",} 24.0`, `requests_total{uuid="d5f84dfb",model_name="cifar",model_version="default",} 26.0`,
			},
			second: with(torch, map[string]float64{
				"running": 0, "requests unknown": 2, "queue sum": 0.001, "queue count": 2, "queue mean": 0.0005,
			}),
		},
	}
}
