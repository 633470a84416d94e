package main

// silenceTable is what a driver may stop to tell, or take long for, while the rest goes on.
func silenceTable() []mutant {
	return []mutant{
		{
			fault: "silence: an account is booked by energy alone", file: "ledger/account.go", folder: "./ledger", test: "TestUtilisationFallsSilent",
			text: "	a.watched = to\n", instead: "	a.watched = to.Add(1 << 62)\n",
		},
		{
			fault: "silence: an account's utilisation", file: "node/snapshot.go", folder: "./node", test: "TestStaleAccounts",
			text: "at.Sub(a.Watched) > grace || ",
		},
		{
			fault: "silence: one unit of activity", file: "sampler/activity.go", folder: "./sampler", test: "TestEachPartFallsSilentAlone",
			text: " && within(u.told, at, grace)",
		},
		{
			fault: "silence: status, by its own interval", file: "sampler/plan.go", folder: "./sampler", test: "TestEachPartFallsSilentAlone",
			text: "statusGrace: graceOf(p.status.period)", instead: "statusGrace: graceOf(2 * statusInterval)",
		},
		{
			fault: "silence: processes, by their own interval", file: "sampler/plan.go", folder: "./sampler", test: "TestGraceOfSeldomParts",
			text: "processGrace: graceOf(p.processes.period)", instead: "processGrace: graceOf(processInterval)",
		},
		{
			fault: "silence: nothing is told any more", file: "sampler/state.go", folder: "./sampler", test: "TestAllPartsFallSilent",
			text: "return !within(d.told[p], at, d.life(p))", instead: "return !within(d.told[p], d.now.At, d.life(p))",
		},
		{
			fault: "silence: utilisation is renewed by nobody", file: "sampler/state.go", folder: "./sampler", test: "TestEachPartFallsSilentAlone",
			text: "	if out.Last.Utilization.Known || out.Last.Ring.Known {\n", instead: "	{\n",
		},
		{
			fault: "silence: a set of events fails", file: "sampler/events.go", folder: "./sampler", test: "TestFailedEventsEnumerate",
			text: "		case err != nil && renew.due(time.Now()):\n			s.roll.hurry()\n",
		},
		{
			fault: "silence: events fail for long", file: "sampler/events.go", folder: "./sampler", test: "TestFailedEventsEnumerate",
			text: "	r.pause = max(2*r.pause, renewFirst)\n", instead: "	r.pause = renewFirst\n",
		},
		{
			fault: "silence: nobody hears that a set of events has failed", file: "nvml/events.go", folder: "./nvml", test: "TestDriver/events_fail_and_come_back",
			text: "		return nil, errDeaf\n", instead: "		d.pause(limit)\n		return nil, nil\n",
		},
		{
			fault: "a device is given up while someone waits for it", file: "nvml/read.go", folder: "./nvml", test: "TestDriver/a_device_that_was_given_up",
			text: "	if u.gone {", instead: "	if false {",
		},
		{
			fault: "a call is left inside at the end of a test", file: "nvml/stub_test.go", folder: "./nvml", test: "TestDriver/a_call_left_inside",
			text: "	b.patience = patient\n	if err", instead: "	if err",
		},
		{
			fault: "the library is shut beside calls, over and over", file: "nvml/driver.go", folder: "./nvml", test: "TestDriver/new_lives_beside_calls",
			text: "		if !take(b.turn) {\n			return false\n		}\n", instead: "		take(b.turn)\n",
		},
		{
			fault: "calls: what lists a device takes long", file: "nvml/aside.go", folder: "./nvml", test: "TestDriver/calls_beside_readings_are_timed",
			text: "		b.aside += took\n", instead: "		_ = b\n",
		},
		{
			fault: "calls: beside readings they are timed", file: "nvml/aside.go", folder: "./nvml", test: "TestDriver/calls_beside_readings_are_timed",
			text: "	d.aside.made[f].Add(took)\n",
		},
		{
			fault: "calls: to open a GPU comes once", file: "nvml/enumerate.go", folder: "./nvml", test: "TestDriver/calls_beside_readings_are_timed",
			text: "		b.aside = 0 //", instead: "		//",
		},
		{
			fault: "calls: the budget counts what lists a device", file: "sampler/calls.go", folder: "./sampler", test: "TestBudgetAside",
			text: "return s.live + s.slow + s.aside", instead: "return s.live + s.slow",
		},
		{
			fault: "histogram: a sample of no time", file: "nvml/ring.go", folder: "./nvml", test: "TestRingLevels",
			text: "		if covered > 0 {\n			told.Levels", instead: "		{\n			told.Levels",
		},
		{
			fault: "histogram: a device without a ring", file: "sampler/device.go", folder: "./sampler", test: "TestLevels",
			text: "	if d.now.Lacks.Has(node.FeatureRing) {", instead: "	if false {",
		},
		{
			fault: "histogram: servers with other bounds", file: "collector/engine.go", folder: "./collector", test: "TestBucketsAreSummed",
			text: " && room[j].upper == b.Upper:", instead: ":",
		},
	}
}
