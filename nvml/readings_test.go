//go:build cgo && linux

package nvml

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gpusignal/node"
)

func readings(t *testing.T, library string) {
	const memory = "gpu.0.memory.total 1000|gpu.0.memory.used 600|gpu.0.memory.reserved 50"
	for _, tc := range []struct {
		name, script string
		want         node.Want
		reading      node.Reading
	}{
		{name: "nothing wanted"},
		{
			name: "memory", script: memory, want: node.WantMemory,
			reading: node.Reading{Memory: node.Some(node.Memory{Total: 1000, Reserved: node.Some[uint64](50), Used: 600})},
		},
		{name: "more memory than there is", script: "gpu.0.memory.total 5|gpu.0.memory.used 6", want: node.WantMemory},
		{
			name: "utilization", script: "gpu.0.utilization 37|gpu.0.memory_utilization 12", want: node.WantUtilization,
			reading: node.Reading{Utilization: node.Some(0.37), MemoryUtilization: node.Some(0.12)},
		},
		{
			name: "idle is a zero that is known", want: node.WantUtilization,
			reading: node.Reading{Utilization: node.Some(0.0), MemoryUtilization: node.Some(0.0)},
		},
		{
			name: "utilization above 100 %", script: "gpu.0.utilization 4294967295|gpu.0.memory_utilization 101",
			want: node.WantUtilization,
		},
		{
			name: "no process", want: node.WantProcesses,
			reading: node.Reading{Processes: node.Some([]node.Process{})},
		},
		{
			name: "processes", want: node.WantProcesses,
			script: "gpu.0.process 4242 1048576|gpu.0.process 17 -|gpu.0.process 4242 4|gpu.0.process 0 9|gpu.0.process 5 1",
			reading: node.Reading{Processes: node.Some([]node.Process{
				{PID: 5, Memory: 1}, {PID: 17}, {PID: 4242, Memory: 1048580},
			})},
		},
		{
			name: "clients of MPS", want: node.WantProcesses,
			script:  "gpu.0.process 17 3|gpu.0.mps_process 17 3|gpu.0.mps_process 4 5",
			reading: node.Reading{Processes: node.Some([]node.Process{{PID: 4, Memory: 5}, {PID: 17, Memory: 3}})},
		},
		{
			name: "clients of MPS not found", want: node.WantProcesses, script: "gpu.0.process 17 3|gpu.0.mps_processes.return 3",
			reading: node.Reading{Processes: node.Some([]node.Process{{PID: 17, Memory: 3}}), Lacks: node.Features(0).With(node.FeatureMPSProcesses)},
		},
		{
			name: "processes not found", want: node.WantProcesses, script: "gpu.0.processes.return 6",
			reading: node.Reading{Processes: node.Some([]node.Process{})},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, library, strings.Split(tc.script, "|")...)
			b.mustDevices()
			before := time.Now()
			got := b.mustRead(gpuID(0), tc.want)
			if got.At.Before(before) || got.At.After(time.Now()) {
				t.Errorf("reading at %v, not between its beginning and its end", got.At)
			}
			if diff := cmp.Diff(tc.reading, got, cmpopts.IgnoreFields(node.Reading{}, "At", "Calls", "Aside", "Lacks")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func oldMemory(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.memory_v2.return 13", "gpu.0.memory.total 1000", "gpu.0.memory.used 600", "gpu.0.memory.reserved 50")
	b.mustDevices()
	for range 2 {
		if diff := cmp.Diff(node.Some(node.Memory{Total: 1000, Used: 650}), b.mustRead(gpuID(0), node.WantMemory).Memory); diff != "" {
			t.Error(diff)
		}
	}
}

func partNotSupported(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.energy.return 3", "gpu.0.utilization.return 4", "gpu.0.temperature.return 13", "gpu.0.temperature_v.return 3")
	b.mustDevices()
	for range 3 {
		got := b.mustRead(gpuID(0), everything)
		if got.Energy.Known || got.Utilization.Known || got.Temperature.Known || !got.Power.Known || !got.Memory.Known {
			t.Errorf("reading %+v", got)
		}
		b.rewrite() // What was not supported once is not asked for again.
	}
	if got := b.log.count("A device cannot tell"); got != 3 {
		t.Errorf("logged %d times, want once for each part", got)
	}
	if got := b.mustRead(gpuID(1), everything); !got.Energy.Known || !got.Utilization.Known {
		t.Errorf("another GPU: %+v", got)
	}
}

func partFails(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.utilization.return 999")
	b.mustDevices()
	for range 3 {
		if got := b.mustRead(gpuID(0), everything); got.Utilization.Known || !got.Memory.Known {
			t.Errorf("reading %+v", got)
		}
		_, err := b.Read(gpuID(0), node.WantUtilization)
		if err == nil || !strings.Contains(err.Error(), "read utilization: NVML error 999") {
			t.Errorf("nothing could be read: %v", err)
		}
	}
	if got := b.log.count("fails to tell"); got != 1 {
		t.Errorf("logged %d times, want once", got)
	}
	b.rewrite()
	if got := b.mustRead(gpuID(0), node.WantUtilization); !got.Utilization.Known {
		t.Errorf("reading after it works again %+v", got)
	}
	if got := b.log.count("tells again"); got != 1 {
		t.Errorf("logged %d times that it works again, want once", got)
	}
}
