//go:build cgo && linux

package nvml

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gpusignal/node"
)

// callsTimed: a reading names each call that it made and how long it took, those that failed too.
func callsTimed(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.memory_v2.sleep_ms 30", "gpu.0.utilization.return 999")
	b.mustDevices()
	for range 2 {
		got := b.mustRead(gpuID(0), node.WantMemory|node.WantUtilization|node.WantRing).Calls
		want := []node.Call{{Feature: node.FeatureMemory}, {Feature: node.FeatureUtilization}, {Feature: node.FeatureRing}}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(node.Call{}, "Took")); diff != "" {
			t.Fatal(diff)
		}
		if got[0].Took < 30*time.Millisecond || got[2].Took <= 0 {
			t.Errorf("calls %+v: the first one sleeps 30 ms", got)
		}
	}
	b.rewrite("gpu.0.lost 1")
	if got, err := b.Read(gpuID(0), node.WantMemory|node.WantRing); err == nil || len(got.Calls) != 1 || got.Memory.Known {
		t.Errorf("a lost GPU: %+v, %v", got, err)
	}
}

// asideTimed: what opens the library, lists a GPU and registers its events is timed too. The next reading of the GPU is told what
// it was listed for, once, and not what it took to open it.
func asideTimed(t *testing.T, library string) {
	lines := []string{"devices 1", "gpu.0.mig 0 1 0 1g.18gb 19 4", "gpu.0.uuid.sleep_ms 300"}
	b := newBench(t, library, lines...)
	b.mustDevices()
	first := b.Calls()
	if n := first[node.FeatureInit].Count; n != 2 {
		t.Errorf("%d calls to open the library, want Init and one for the driver's version", n)
	}
	if n := first[node.FeatureEvents].Count; n != 3 {
		t.Errorf("%d calls to register events, want a set, what is supported, and one to register", n)
	}
	if s := first[node.FeatureEnumeration]; s.Count < 10 || s.Max < 300*time.Millisecond || s.Sum < s.Max {
		t.Errorf("calls to list what is there %+v: one sleeps 300 ms", s)
	}
	if aside := b.mustRead(gpuID(0), node.WantCounters).Aside; aside >= 300*time.Millisecond {
		t.Errorf("%v beside the first reading: to open a GPU is no cost of reading it", aside)
	}
	b.mustDevices()
	again := b.Calls()
	if n := again[node.FeatureEnumeration].Count; n <= first[node.FeatureEnumeration].Count || again[node.FeatureInit] != first[node.FeatureInit] {
		t.Errorf("calls after the next enumeration %+v", again)
	}
	for _, least := range []time.Duration{300 * time.Millisecond, 0} {
		if aside := b.mustRead("MIG-00000000-0000-0000-0000-000000000000", node.WantMemory).Aside; aside < least || least == 0 && aside != 0 {
			t.Errorf("%v beside a reading, want %v or more, and once", aside, least)
		}
	}
}

// integrated: a GPU that shares the memory of the machine has none to tell, and tells the rest.
func integrated(t *testing.T, library string) {
	b := newBench(t, library, "gpu.0.memory_v2.return 3", "gpu.0.memory.return 3", "gpu.0.utilization 40")
	b.mustDevices()
	for range 2 {
		got := b.mustRead(gpuID(0), node.WantMemory|node.WantUtilization|node.WantRing)
		if got.Memory.Known || got.Utilization != node.Some(0.4) || !got.Lacks.Has(node.FeatureMemory) || got.Lacks.Has(node.FeatureRing) {
			t.Errorf("reading %+v", got)
		}
	}
	if got := b.log.count("A device cannot tell"); got != 1 {
		t.Errorf("logged %d times, want once", got)
	}
}

// processShares: the use of each process since the previous reading of processes, as a share of the sum; what cannot be is left out,
// and a process that has ended is not.
func processShares(t *testing.T, library string) {
	lines := []string{
		"gpu.0.process 10 1", "gpu.0.process 20 2", "gpu.0.process 30 3", "gpu.0.process_use 10 30", "gpu.0.process_use 40 10",
		"gpu.0.process_use 77 4294967295", "gpu.0.process_use 78 101", "gpu.0.process_use 30 0",
	}
	const want = node.WantRing | node.WantProcesses
	c := newClocked(t, library, lines...)
	c.mustDevices()
	got := c.mustRead(gpuID(0), want)
	if diff := cmp.Diff([]node.Process{{PID: 10, Memory: 1}, {PID: 20, Memory: 2}, {PID: 30, Memory: 3}}, got.Processes.Value); diff != "" || got.ProcessSpan.Known {
		t.Errorf("the first reading, shares of %v\n%s", got.ProcessSpan, diff)
	}
	c.at(1005, lines...)
	got = c.mustRead(gpuID(0), want)
	if diff := cmp.Diff([]node.Process{
		{PID: 10, Memory: 1, Share: 0.75}, {PID: 20, Memory: 2}, {PID: 30, Memory: 3}, {PID: 40, Share: 0.25},
	}, got.Processes.Value); diff != "" || got.ProcessSpan != node.Some(5*time.Second) {
		t.Errorf("shares of %v\n%s", got.ProcessSpan, diff)
	}
	c.at(1010, lines[:3]...)
	if got = c.mustRead(gpuID(0), want); got.Processes.Value[0].Share != 0 || got.ProcessSpan != node.Some(5*time.Second) {
		t.Errorf("nobody used it: %+v", got)
	}
	c.at(1015, append(lines, "gpu.0.process_utilization.return 3")...)
	got = c.mustRead(gpuID(0), want)
	if !got.Lacks.Has(node.FeatureProcessUtilization) || len(got.Processes.Value) != 3 || got.ProcessSpan.Known {
		t.Errorf("without utilisation of processes: %+v", got)
	}
}

// processSharesAfterAPause: where processes were not read for long, their shares are of the time since the ring was read last.
func processSharesAfterAPause(t *testing.T, library string) {
	lines := []string{"gpu.0.process_use 10 50 1003", "gpu.0.process_use 20 50 1029.5"}
	c := newClocked(t, library, lines...)
	c.mustDevices()
	c.mustRead(gpuID(0), node.WantRing|node.WantProcesses)
	for at := 1001.0; at <= 1029; at++ {
		c.at(at, lines...)
		c.mustRead(gpuID(0), node.WantRing)
	}
	c.at(1030, lines...)
	got := c.mustRead(gpuID(0), node.WantRing|node.WantProcesses)
	if diff := cmp.Diff([]node.Process{{PID: 20, Share: 1}}, got.Processes.Value); diff != "" || got.ProcessSpan != node.Some(time.Second) {
		t.Errorf("shares of %v\n%s", got.ProcessSpan, diff)
	}
}
