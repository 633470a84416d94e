package main

// engineTable is what a model server's page can do to the signals.
func engineTable() []mutant {
	const folder = "./engine"
	return []mutant{
		{
			fault: "page: a device's id goes from a series, whose counter goes on", file: "engine/bind.go", folder: folder, test: "TestWrittenPages/triton-24.08-gpu.prom",
			text: "		c.last, c.known = before.last, true\n",
		},
		{
			fault: "page: a series without a rank is no further rank", file: "engine/bind.go", folder: folder, test: "TestWrittenPages/vllm-2026.prom",
			text: "	if !ranked {\n		return nil\n	}\n", instead: "	_ = ranked\n",
		},
		{
			fault: "page: the shards of a rank say the same", file: "engine/sglang.go", folder: folder, test: "TestWrittenPages/sglang-2026.prom",
			text: `		Copies: []string{"tp_rank", "pp_rank", "moe_ep_rank"},` + "\n",
		},
		{
			fault: "page: probes of health are answered with 503", file: "engine/sglang.go", folder: folder, test: "TestWrittenPages/sglang-2026.prom",
			text: `		Of: Series{Name: "sglang:http_responses_total", Label: "endpoint", Value: endpoint}, Label`, instead: `		Of: Series{Name: "sglang:http_responses_total"}, Label`,
		},
		{
			fault: "page: bare names are anybody's", file: "engine/detect.go", folder: folder, test: "TestWhichDialectAPageSpeaks",
			text: `m.With == "" || begins(line, m.With)`, instead: `true`,
		},
		{
			fault: "page: a worker gets its engine's families", file: "engine/speak.go", folder: folder, test: "TestAPageLearnsToSpeak",
			text: "p.dialect.Precedence > s.plan.dialect.Precedence {", instead: "false {",
		},
		{
			fault: "page: a latency is missing", file: "engine/model.go", folder: folder, test: "TestNothingMissingLowersSaturation/request_queue_time_seconds",
			text: "		if m.told[measure] && !here {\n			m.tells(measure, p)\n			l.sum.add(0, p)", instead: "		if m.told[measure] {\n			m.tells(measure, p)\n			l.sum.add(0, p)",
		},
		{
			fault: "page: refusals are missing", file: "engine/requests.go", folder: folder, test: "TestNothingMissingLowersSaturation/admission_rejections_total",
			text: "m.page != p.number || m.outcomeAt[name].Equal(p.at)", instead: "true",
		},
		{
			fault: "page: a level is missing for more than a minute", file: "scaling/saturation.go", folder: folder, test: "TestNothingMissingLowersSaturation/num_requests_running",
			text: "	if lost := v.missed(target); len(lost) > 0 {", instead: "	if lost := v.missed(target); len(lost) < 0 {",
		},
		{
			fault: "page: two processes answer in turn", file: "engine/slot.go", folder: folder, test: "TestCounters/two_processes_that_answer_in_turn_make_no_spikes",
			text: "	case p.another:\n		return 0\n",
		},
		{
			fault: "page: ten thousand models", file: "engine/bind.go", folder: folder, test: "TestTenThousandModels",
			text: "len(s.models) >= maxModels {", instead: "false {",
		},
		{
			fault: "page: another key-value cache is less full", file: "scaling/server.go", folder: "./scaling", test: "TestMoreLoadNeverLowersSaturation",
			text: "node.Some(max(v.kvCache.Value, m.KVCache.Value.Mean))", instead: "node.Some(max(v.kvCache.Value, 1-m.KVCache.Value.Mean))",
		},
		{
			fault: "page: nothing ends while requests wait", file: "scaling/latency.go", folder: "./scaling", test: "TestMoreLoadNeverLowersSaturation",
			text: "		out.mean.Value = max(least, sum/count)\n", instead: "		out.mean.Value = sum / count / max(1, least)\n",
		},
		{
			fault: "configuration: a mark of everything", file: "engine/validate.go", folder: ".", test: "TestDialectThatCannotBeUsed/a_mark_of_everything",
			text: `!metricName(m.Prefix) || m.With`, instead: `m.With`,
		},
		{
			fault: "configuration: an own dialect takes a built-in one's place", file: "engine/own.go", folder: folder, test: "TestShadow",
			text: "		if !slices.ContainsFunc(own, func(o Dialect) bool { return o.Name == d.Name }) {\n", instead: "		if true {\n",
		},
	}
}
