//go:build cgo && linux

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gpusignal/nvml/nvmltest"
)

// TestLoad: with CUDA, memory and utilisation are seen to follow what is done with the right GPU.
func TestLoad(t *testing.T) {
	t.Parallel()
	report, table, code := program{
		library: nvmltest.Build(t), script: []string{"devices 2"}, env: []string{"CUDA_STUB_LATE_MS=30"},
		args: []string{"-duration", "8s", "-gpus", "1", "-parts", "memory,load,readings", "-cuda", buildCUDA(t)},
	}.run(t)
	if code != 0 || len(report.GPUs) != 1 || len(report.GPUs[0].NotRun) != 4 {
		t.Fatalf("exit code %d: %+v\n%s", code, report.GPUs, table)
	}
	g := report.GPUs[0]
	if m := g.Memory; m.Steps < 2 || m.Unseen > 0 || m.Allocated == nil || m.Freed == nil || m.Allocated.N+m.Freed.N != m.Steps {
		t.Errorf("memory %+v", m)
	}
	l := g.Load
	if l.Steps < 1 || l.Unseen > 0 || l.First == nil || l.First.Min < 30 || l.Full == nil || l.Full.Min < 30 || l.Gone == nil {
		t.Errorf("load %+v, first %+v", l, l.First)
	}
	if d := l.Duty; d == nil || d.True <= 0.05 || d.True >= 0.9 || d.Live == nil || d.Ring == nil || d.GPM == nil || d.Seconds < 0.8 {
		t.Errorf("duty %+v", d)
	}
	if r := g.Readings; r.Load != "irregular bursts" || r.Readings[0].Changes < 2 || r.Readings[0].Distinct != 2 || r.Readings[0].Renewed == nil {
		t.Errorf("readings under %q: %+v", r.Load, r.Readings[0])
	}
}

// TestCUDAHangs: a kernel that does not end is told, and NVML is still measured.
func TestCUDAHangs(t *testing.T) {
	t.Parallel()
	g, _, _ := program{
		library: nvmltest.Build(t), env: []string{"CUDA_STUB_HANG=1"},
		args: []string{"-duration", "10ms", "-deadline", "2s", "-parts", "load,readings", "-cuda", buildCUDA(t)},
	}.single(t)
	if !strings.Contains(g.NotRun["load"], "CUDA has not come back") || g.Readings == nil || !strings.Contains(g.Readings.Load, "broke off") {
		t.Errorf("not run %v, readings %+v", g.NotRun, g.Readings)
	}
}

// buildCUDA compiles CUDA's library for tests.
func buildCUDA(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libcuda.so.1")
	out, err := exec.Command("gcc", "-std=gnu11", "-shared", "-fPIC", "-O1", "-o", path, "cuda/testdata/cuda.c").CombinedOutput()
	if err != nil {
		t.Fatalf("build CUDA's library: %v\n%s", err, out)
	}
	return path
}
