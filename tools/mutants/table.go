package main

import "slices"

// table of the faults that a GPU, its driver or a node can have, each with the line that deals with it.
func table() []mutant {
	return slices.Concat(driverTable(), fieldTable(), samplerTable(), sharingTable(), silenceTable(), holderTable(), pageTable(), engineTable())
}

func samplerTable() []mutant {
	const folder = "./sampler"
	return []mutant{
		{
			fault: "what happens between two live readings", file: "sampler/merge.go", folder: folder, test: "TestAliasing",
			text: "	if ring.Known && ring.Value.Covered > 0 {\n		return m.byRing(at, ring.Value)\n	}\n",
		},
		{
			fault: "the ring's newest sample comes late", file: "sampler/merge.go", folder: folder, test: "TestMerge",
			text: "	if !m.heard.IsZero() && at.Sub(m.heard) <= wait {\n		return portion{}\n	}\n",
		},
		{
			fault: "the ring tells of time that live readings were booked for", file: "sampler/merge.go", folder: folder, test: "TestMerge",
			text: "		told.observed -= again.observed\n",
		},
		{
			fault: "an idle GPU's ring is empty", file: "sampler/merge.go", folder: folder, test: "TestMerge",
			text: "fill := m.fill(told, open)", instead: "fill := portion{}",
		},
		{
			fault: "more is told than time has passed", file: "sampler/merge.go", folder: folder, test: "TestMergeOfRandomDrivers",
			text: "	return told.within(open)\n", instead: "	return told\n",
		},
		{
			fault: "a counter wraps", file: "sampler/totals.go", folder: folder, test: "TestTally",
			text: "			t.total += (c.Value - t.last.Value) & (1<<c.Bits - 1)\n",
		},
		{
			fault: "a counter of 64 bits is reset", file: "sampler/totals.go", folder: folder, test: "TestTally",
			text: "		case c.Value >= t.last.Value:\n", instead: "		default:\n",
		},
		{
			fault: "calls take more than the budget", file: "sampler/budget.go", folder: folder, test: "TestBackOff",
			text: "		live *= 2\n",
		},
		{
			fault: "calls are fast again", file: "sampler/budget.go", folder: folder, test: "TestBackOff",
			text: "		live /= 2\n",
		},
		{
			fault: "a MIG instance has no utilisation", file: "sampler/device.go", folder: folder, test: "TestInstanceUse",
			text: "	return m.bySpan(r.At, share, r.Activity.Value.Span)\n", instead: "	_ = share\n	return portion{}\n",
		},
		{
			fault: "the MIG geometry changes", file: "sampler/events.go", folder: folder, test: "TestMIGConfigEnumerates",
			text: "		if e.Kind == node.EventMIGConfig {\n			s.roll.hurry()\n", instead: "		if e.Kind == node.EventMIGConfig {\n",
		},
		{
			fault: "a GPU needs a reset", file: "sampler/down.go", folder: folder, test: "TestResetRequired",
			text: "	case errors.Is(err, node.ErrResetRequired):\n		return downReset\n",
		},
		{
			fault: "a GPU is lost", file: "sampler/down.go", folder: folder, test: "TestLostDevice",
			text: "	case errors.Is(err, node.ErrDeviceLost):\n		return downLost\n",
		},
		{
			fault: "a call hangs", file: "sampler/sampler.go", folder: folder, test: "TestHungDevice",
			text: "			state.Down = downHung\n",
		},
		{
			fault: "a lost GPU returns", file: "sampler/board.go", folder: folder, test: "TestLostDevice",
			text: "!due.slow && t.resting()", instead: "t.resting()",
		},
		{
			fault: "a part of a device falls silent", file: "sampler/state.go", folder: folder, test: "TestPartsFallSilent",
			text: "last.Ring = node.Opt[node.Ring]{}", instead: "_ = last",
		},
	}
}

func pageTable() []mutant {
	return []mutant{
		{
			fault: "a device's numbers grow stale", file: "node/snapshot.go", folder: "./node", test: "TestStaleDevices",
			text: "	d.Activity, d.Refresh, d.Busy = [Units]Opt[float64]{}, Opt[time.Duration]{}, Opt[float64]{}\n",
		},
		{
			fault: "an interval outlives the ring", file: "flags.go", folder: ".", test: "TestBadInput",
			text: "case o.slow >= ceilingSlowInterval:", instead: "case false:",
		},
		{
			fault: "a series without an owner stands beside its owners'", file: "collector/dcgm_rows.go", folder: "./collector", test: "TestDCGMHasOneSeriesForEachOwner",
			text: "	if len(owners) == 0 {\n		d.rows = append(d.rows, d.row(p, state, nil))\n		return\n	}\n", instead: "	d.rows = append(d.rows, d.row(p, state, nil))\n",
		},
		{
			fault: "more series than the budget", file: "collector/device_activity.go", folder: "./collector", test: "TestSeriesAtDefaults",
			text: "	if detail {\n", instead: "	if detail || !detail {\n",
		},
	}
}
