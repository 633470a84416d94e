package main

// fieldTable is what a driver can do to the reader of batched fields, counters and status. Their tests are one process.
func fieldTable() []mutant {
	const folder, test = "./nvml", "TestDriver/counters_and_status"
	return []mutant{
		{
			fault: "fields: a driver adds to the value that it finds", file: "nvml/fields.go", folder: folder, test: test,
			text:    "		values[i] = gonvml.FieldValue{FieldId: f.id, ScopeId: f.scope, NvmlReturn: unanswered}\n",
			instead: "		values[i].FieldId, values[i].ScopeId, values[i].NvmlReturn = f.id, f.scope, unanswered\n",
		},
		{
			fault: "fields: a field is left as it was", file: "nvml/fields.go", folder: folder, test: test,
			text: ", NvmlReturn: unanswered}", instead: "}",
		},
		{
			fault: "fields: the driver is older than the field", file: "nvml/fields.go", folder: folder, test: test,
			text: "never(ret) || ret == gonvml.ERROR_INVALID_ARGUMENT:", instead: "never(ret):",
		},
		{
			fault: "fields: a lost GPU is told by a field", file: "nvml/parts.go", folder: folder, test: test,
			text: "	case v.failed != gonvml.SUCCESS:\n		r.heed(f, v.failed)\n",
		},
		{
			fault: "fields: a feature with one part left is no lack", file: "nvml/parts.go", folder: folder, test: test,
			text: "v.refused != gonvml.SUCCESS && !v.left:", instead: "v.refused != gonvml.SUCCESS && !v.told:",
		},
		{
			fault: "fields: ids that another release of the driver gave another meaning", file: "nvml/throttle.go", folder: folder, test: "TestSlowdownFields",
			text: "release > 580 || release == 580 && update >= 82:", instead: "release >= 0:",
		},
		{
			fault: "fields: PCIe bytes wrap at 2^32 in 64 bits", file: "nvml/value.go", folder: folder, test: test,
			text: "		v.bits = 32\n",
		},
		{
			fault: "fields: a value that is not available", file: "nvml/value.go", folder: folder, test: "TestValueOf",
			text: "low != math.MaxUint32", instead: "true",
		},
		{
			fault: "fields: energy beyond what can be counted", file: "nvml/value.go", folder: folder, test: test,
			text: "v.whole <= math.MaxInt64/1000 {", instead: "true {",
		},
		{
			fault: "fields: a MIG instance is asked for what the board has", file: "nvml/counters.go", folder: folder, test: test,
			text: "	if r.instance(boardCounters) {\n		return\n	}\n",
		},
		{
			fault: "fields: a temperature below zero", file: "nvml/counters.go", folder: folder, test: test,
			text: "	if t.Temperature < 0 {\n		return math.MaxUint32, ret\n	}\n",
		},
	}
}
