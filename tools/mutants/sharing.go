package main

// sharingTable is what one part of a node does to the others, and what late or broken readings do to the numbers.
func sharingTable() []mutant {
	return []mutant{
		{
			fault: "a MIG parent tells its instances' memory again", file: "nvml/board.go", folder: "./nvml", test: "TestDriver/MIG",
			text: "return !u.mig && d.hasAny(functions(f)...) //", instead: "return d.hasAny(functions(f)...) //",
		},
		{
			fault: "a lost GPU with MIG on looks healthy between slow readings", file: "nvml/read.go", folder: "./nvml", test: "TestDriver/a_lost_GPU_with_MIG_on",
			text: "	if len(u.calls) == 0 && u.board.end != nil {", instead: "	if false {",
		},
		{
			fault: "a lost GPU makes the node deaf", file: "nvml/events.go", folder: "./nvml", test: "TestDriver/events_beside_a_lost_GPU",
			text: " || b.lost.Load()",
		},
		{
			fault: "a sick GPU has the library opened again for all", file: "nvml/open.go", folder: "./nvml", test: "TestDriver/a_sick_GPU",
			text: "(!d.stale.Load() || !d.due())", instead: "!d.stale.Load()",
		},
		{
			fault: "a GPU is not found", file: "nvml/fault.go", folder: "./nvml", test: "TestDriver/a_GPU_that_is_not_found",
			text: "case gonvml.ERROR_GPU_IS_LOST, gonvml.ERROR_GPU_NOT_FOUND:", instead: "case gonvml.ERROR_GPU_IS_LOST:",
		},
		{
			fault: "a MIG instance is made anew under its id", file: "nvml/events.go", folder: "./nvml", test: "TestDriver/MIG_instances_made_anew",
			text: "			u.board.changes.Add(1)\n", instead: "			_ = u\n",
		},
		{
			fault: "a library is too old", file: "nvml/open.go", folder: "./nvml", test: "TestUnusableLibrary",
			text:    "	// Before Init: NVML counts its users, and nobody shuts down what was never in use.\n",
			instead: "	d.lib.Init()\n",
		},
		{
			fault: "a GPU does not tell its number", file: "nvml/enumerate.go", folder: "./nvml", test: "TestDriver/a_GPU_without_its_number",
			text: "case !never(ret):", instead: "case false:",
		},
		{
			fault: "bytes are told by a counter and by hardware counters", file: "sampler/traffic.go", folder: "./sampler", test: "TestTraffic",
			text: "	if left := at.Sub(t.counted); left < span {\n		exact *= float64(left) / float64(span)\n	}\n",
		},
		{
			fault: "hardware counters stop", file: "sampler/traffic.go", folder: "./sampler", test: "TestTraffic",
			text: " && within(t.measured, at, grace)", instead: " && !t.measured.IsZero()",
		},
		{
			fault: "a counter wraps more than once between two readings", file: "sampler/traffic.go", folder: "./sampler", test: "TestTraffic",
			text: " && link*at.Sub(t.read).Seconds() < float64(uint64(1)<<c.Value.Bits)",
		},
		{
			fault: "replays are reset", file: "sampler/totals.go", folder: "./sampler", test: "TestReplaysAreReset",
			text: "Value: r.Value.Value, Bits: 64", instead: "Value: r.Value.Value, Bits: r.Value.Bits",
		},
		{
			fault: "energy comes late", file: "sampler/interval.go", folder: "./sampler", test: "TestLateUseBeginsEarly",
			text: "	if t := i.unmetered; !t.IsZero() && t.Before(from) {\n		from = t\n	}\n",
		},
		{
			fault: "late use is of another owner", file: "ledger/device.go", folder: "./ledger", test: "TestLateUseOfAnotherOwner",
			text: " || use.To.Sub(use.From) > straddle && use.From.Before(d.changed)",
		},
		{
			fault: "calls that fail take long", file: "sampler/board.go", folder: "./sampler", test: "TestFailingDeviceRests",
			text: "b.failed(t, err, r.Calls, took)", instead: "b.failed(t, err, nil, took)",
		},
		{
			fault: "readings are put off for longer than they live", file: "sampler/plan.go", folder: "./sampler", test: "TestGrace",
			text: ", p.memory.period, p.utilization.period",
		},
		{
			fault: "one unit's activity fails", file: "sampler/activity.go", folder: "./sampler", test: "TestActivityOfUnitsThatFail",
			text: "		if !ok && !a.units[i].gone() {\n			return false\n		}\n",
		},
		{
			fault: "a reading is empty", file: "sampler/device.go", folder: "./sampler", test: "TestEmptyReadingIsNoAnswer",
			text: "	if empty(r) {\n		return node.Use{}, false\n	}\n",
		},
	}
}
