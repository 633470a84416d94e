package main

// driverTable is what a driver and a GPU can do to the reader of the ring, of hardware counters, of MIG instances and of events.
func driverTable() []mutant {
	return []mutant{
		{
			fault: "ring: a stamp of 0",
			file:  "nvml/ring.go", text: "s.stamp == 0 || !(s.value", instead: "!(s.value",
			folder: "./nvml", test: "TestRing/a_stamp_of_0_tells_no_distance",
		},
		{
			fault: "ring: a value above 100",
			file:  "nvml/ring.go", text: " || !(s.value >= 0 && s.value <= 100)", instead: "",
			folder: "./nvml", test: "TestRing/stamps_of_0,_values_above_100,_repeats,_any_order",
		},
		{
			fault: "ring: samples in any order",
			file:  "nvml/ring.go", text: "\tslices.SortStableFunc(samples, func(a, b sample) int { return cmp.Compare(a.stamp, b.stamp) })\n", instead: "\t_ = cmp.Compare[int]\n",
			folder: "./nvml", test: "TestRing/stamps_of_0,_values_above_100,_repeats,_any_order",
		},
		{
			fault: "ring: a sample twice",
			file:  "nvml/ring.go", text: "return slices.CompactFunc(samples, func(a, b sample) bool { return a.stamp == b.stamp })", instead: "return samples",
			folder: "./nvml", test: "TestRing/stamps_of_0,_values_above_100,_repeats,_any_order",
		},
		{
			fault: "ring: what was counted before",
			file:  "nvml/ring.go", text: "return s.stamp <= r.cursor })", instead: "return false })",
			folder: "./nvml", test: "TestRing/what_was_counted_is_not_counted_again",
		},
		{
			fault: "ring: a gap after idle, or a wrap",
			file:  "nvml/ring.go", text: "if covered > step+step/2 {", instead: "if false {",
			folder: "./nvml", test: "TestRing/idle_leaves_a_gap:_the_sample_after_it_covers_one_step",
		},
		{
			fault: "ring: the ring wraps while nobody reads",
			file:  "nvml/ring.go", text: "if covered > step+step/2 {", instead: "if false {",
			folder: "./nvml", test: "TestDriver/a_ring_that_wraps",
		},
		{
			fault: "ring: more than the wall time",
			file:  "nvml/ring.go", text: "covered = min(covered, spare)", instead: "_ = spare",
			folder: "./nvml", test: "TestRing/stamps_that_jump_ahead_cover_no_more_than_the_wall_time,_by_the_newest",
		},
		{
			fault: "ring: another clock, far behind",
			file:  "nvml/ring.go", text: "return newest < r.cursor && r.cursor-newest > ringReach", instead: "return false",
			folder: "./nvml", test: "TestDriver/a_ring_whose_clock_jumps",
		},
		{
			fault: "ring: a jump back shows only in the whole ring",
			file:  "nvml/ring.go", text: "if r.waited > 0 {", instead: "if false {",
			folder: "./nvml", test: "TestDriver/a_ring_whose_clock_jumps",
		},
		{
			fault: "ring: nothing new yet",
			file:  "nvml/ring.go", text: "r.waited <= 2*r.spacing()", instead: "false",
			folder: "./nvml", test: "TestRing/nothing_new,_and_none_is_due",
		},
		{
			fault: "ring: fractions of a nanosecond",
			file:  "nvml/ring.go", text: "uint64(r.spare/time.Microsecond), r.rest", instead: "uint64(r.spare/time.Microsecond), 0.0",
			folder: "./nvml", test: "TestRing/fractions_of_a_nanosecond_are_carried",
		},
		{
			fault: "ring: it is empty on idle",
			file:  "nvml/samples.go", text: "if ret == gonvml.ERROR_NOT_FOUND {", instead: "if false {",
			folder: "./nvml", test: "TestDriver/a_ring_that_is_empty_on_idle",
		},
		{
			fault: "ring: MIG has none",
			file:  "nvml/fault.go", text: "case gonvml.ERROR_NOT_SUPPORTED, gonvml.ERROR_NO_PERMISSION", instead: "case gonvml.ERROR_NO_PERMISSION",
			folder: "./nvml", test: "TestDriver/no_ring",
		},
		{
			fault: "activity: sooner than the counters are renewed",
			file:  "nvml/gpm.go", text: "r.driver.now().Sub(g.at) < gpmRefresh", instead: "false",
			folder: "./nvml", test: "TestDriver/activity_too_soon",
		},
		{
			fault: "activity: a sample that failed",
			file:  "nvml/gpm.go", text: "\tnext := 1 - g.kept\n", instead: "\tnext := 1 - g.kept\n\tdefer func() { g.at = r.driver.now() }()\n",
			folder: "./nvml", test: "TestDriver/activity_that_fails",
		},
		{
			fault: "activity: counters restart with a lost GPU",
			file:  "nvml/read.go", text: "u.gpm.forget()", instead: "",
			folder: "./nvml", test: "TestDriver/activity_that_fails",
		},
		{
			fault: "activity: a metric that failed",
			file:  "nvml/gpm.go", text: "gonvml.Return(m.NvmlReturn) != gonvml.SUCCESS || ", instead: "",
			folder: "./nvml", test: "TestActivityOf/an_error_beside_a_number",
		},
		{
			fault: "activity: below zero",
			file:  "nvml/gpm.go", text: "!(m.Value >= 0)", instead: "false",
			folder: "./nvml", test: "TestActivityOf/below_zero",
		},
		{
			fault: "activity: before Hopper",
			file:  "nvml/gpm.go", text: "if ok && support.IsSupportedDevice == 0 {", instead: "if false {",
			folder: "./nvml", test: "TestDriver/no_activity",
		},
		{
			fault: "activity: compute instances that share counters",
			file:  "nvml/board.go", text: "u.device.ComputeInstances < 2", instead: "true",
			folder: "./nvml", test: "TestDriver/no_activity",
		},
		{
			fault: "activity: a GPU in MIG mode",
			file:  "nvml/board.go", text: "return !u.mig && u.device", instead: "return u.device",
			folder: "./nvml", test: "TestDriver/no_activity",
		},
		{
			fault: "activity: samples are freed before the library is shut",
			file:  "nvml/driver.go", text: "\t\t\td.free(u)\n", instead: "\t\t\t_ = u\n",
			folder: "./nvml", test: "TestDriver/activity",
		},
		{
			fault: "activity: samples of an instance that is gone are freed",
			file:  "nvml/enumerate.go", text: "\t\t\td.free(u)\n", instead: "",
			folder: "./nvml", test: "TestDriver/MIG_that_changes",
		},
		{
			fault: "drivers before 520 have no hardware counters",
			file:  "nvml/board.go", text: "\t\treturn d.counts(u)\n", instead: "\t\treturn true\n",
			folder: "./nvml", test: "TestAges/DRIVER_470",
		},
		{
			fault: "drivers before 510 have the old memory call only",
			file:  "nvml/board.go", text: "!d.has(\"nvmlDeviceGetMemoryInfo_v2\")", instead: "false",
			folder: "./nvml", test: "TestAges/DRIVER_470",
		},
		{
			fault: "MIG: another instance under the same name",
			file:  "nvml/mig.go", text: " && was.device == u.device", instead: "",
			folder: "./nvml", test: "TestDriver/MIG_that_changes",
		},
		{
			fault: "MIG: handles are void after a change",
			file:  "nvml/mig.go", text: "was.handle, out[i] = u.handle, was", instead: "out[i] = was",
			folder: "./nvml", test: "TestDriver/MIG_handles_that_are_void",
		},
		{
			fault: "MIG: a slot that fails for now",
			file:  "nvml/mig.go", text: "if !complete && ", instead: "if complete && !complete && ",
			folder: "./nvml", test: "TestDriver/MIG_that_fails_to_tell",
		},
		{
			fault: "MIG: the mode cannot be told for now",
			file:  "nvml/mig.go", text: "\t\treturn before\n", instead: "\t\treturn false\n",
			folder: "./nvml", test: "TestDriver/MIG_that_fails_to_tell",
		},
		{
			fault: "MIG: several compute instances on a GPU instance",
			file:  "node/device.go", text: "if d.ComputeInstances > 1 {", instead: "if false {",
			folder: "./node/", test: "TestLabel",
		},
		{
			fault: "events: only those that the GPU supports",
			file:  "nvml/events.go", text: "types = ours & supported", instead: "types = ours | supported",
			folder: "./nvml", test: "TestDriver/events_of_all_kinds",
		},
		{
			fault: "events: it supports more than it registers",
			file:  "nvml/events.go", text: "types&xid != 0 && types != xid", instead: "false",
			folder: "./nvml", test: "TestDriver/events_in_part",
		},
		{
			fault: "events: other kinds than XID",
			file:  "nvml/events.go", text: "\t\tif event.Kind == node.EventXID {\n", instead: "\t\tif event.Kind != node.EventXID {\n\t\t\tcontinue\n\t\t} else {\n",
			folder: "./nvml", test: "TestDriver/events_of_all_kinds",
		},
		{
			fault: "events: a GPU spoils the set",
			file:  "nvml/events.go", text: "b.unheard = true", instead: "",
			folder: "./nvml", test: "TestDriver/events_that_spoil_the_set",
		},
		{
			fault: "events: a registration hangs",
			file:  "nvml/events.go", text: "if set != nil && !d.kept {", instead: "if set != nil {",
			folder: "./nvml", test: "TestDriver/a_registration_that_hangs",
		},
		{
			fault: "a lost GPU comes back only in a new life",
			file:  "nvml/lost.go", text: "\t\tif d.shut() {", instead: "\t\tif false {",
			folder: "./nvml", test: "TestDriver/a_GPU_lost_until_the_library_is_opened_again",
		},
		{
			fault: "a lost GPU stays on the list",
			file:  "nvml/driver.go", text: "\td.mourn(boards)\n", instead: "",
			folder: "./nvml", test: "TestDriver/a_GPU_that_stays_lost",
		},
		{
			fault: "a lost GPU is looked for ever more seldom",
			file:  "nvml/lost.go", text: "min(2*l.pause, lostMost)", instead: "l.pause",
			folder: "./nvml", test: "TestDriver/a_GPU_that_stays_lost",
		},
		{
			fault: "a GPU that needs a reset",
			file:  "nvml/fault.go", text: "\tcase gonvml.ERROR_RESET_REQUIRED:\n\t\treturn fmt", instead: "\tcase gonvml.ERROR_CORRUPTED_INFOROM:\n\t\treturn fmt",
			folder: "./nvml", test: "TestDriver/a_lost_GPU",
		},
		{
			fault: "Init hangs",
			file:  "nvml/driver.go", text: "timer := time.NewTimer(d.limit)", instead: "timer := time.NewTimer(time.Hour)",
			folder: "./nvml", test: "TestDriver/a_slow_start",
		},
		{
			fault: "a GPU hangs at the start",
			file:  "nvml/enumerate.go", text: "timer := time.NewTimer(d.patience)", instead: "timer := time.NewTimer(time.Hour)",
			folder: "./nvml", test: "TestDriver/a_GPU_hung_at_the_start",
		},
		{
			fault: "the library is not shut under a call",
			file:  "nvml/driver.go", text: "\t\tif !take(b.turn) {\n\t\t\treturn false\n\t\t}\n", instead: "\t\t_ = b\n",
			folder: "./nvml", test: "TestDriver/a_hung_GPU_and_Close",
		},
		{
			fault: "every call is timed",
			file:  "nvml/read.go", text: "Took: time.Since(from)", instead: "Took: 0 * time.Since(from)",
			folder: "./nvml", test: "TestDriver/calls_are_timed",
		},
		{
			fault: "what is lacking is told",
			file:  "nvml/board.go", text: "\tu.lacks = u.lacks.With(f)\n\td.log", instead: "\td.log",
			folder: "./nvml", test: "TestDriver/a_GPU_without_memory_of_its_own",
		},
		{
			fault: "processes: entries that cannot be",
			file:  "nvml/processes.go", text: " || use.SmUtil > 100", instead: "",
			folder: "./nvml", test: "TestDriver/shares_of_processes",
		},
	}
}
