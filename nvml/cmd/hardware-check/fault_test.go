//go:build cgo && linux

package main

import (
	"slices"
	"strings"
	"testing"

	"gpusignal/nvml/nvmltest"
)

// TestMissingAndRefused: what the library lacks and what the GPU refuses is told with its code, and not called again.
func TestMissingAndRefused(t *testing.T) {
	t.Parallel()
	g, report, table := program{
		library: nvmltest.Build(t, "NO_ENERGY", "NO_SAMPLES"),
		script: []string{
			"gpu.0.temperature.return 3", "gpu.0.power_limit.return 999", "gpu.0.gpm 0", "gpu.0.memory_temperature.return 3",
		},
		args: []string{"-duration", "10ms"},
	}.single(t)
	for _, name := range []string{"nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetSamples"} {
		if !slices.Contains(report.Library.Missing, name) {
			t.Errorf("missing functions %v lack %q", report.Library.Missing, name)
		}
	}
	if slices.Contains(report.Library.Missing, "nvmlDeviceGetTemperature") {
		t.Errorf("missing functions %v", report.Library.Missing)
	}
	if c := find(g.Calls, "nvmlDeviceGetTotalEnergyConsumption"); !c.Missing || c.Took != nil {
		t.Errorf("energy %+v", c)
	}
	if c := find(g.Calls, "nvmlDeviceGetTemperature"); c.Failed != 1 || c.Code != 3 || c.Took != nil {
		t.Errorf("temperature %+v", c)
	}
	if c := find(g.Calls, "nvmlDeviceGetEnforcedPowerLimit"); c.Failed < 1 || c.Code != 999 || c.Took != nil {
		t.Errorf("power limit %+v", c)
	}
	for what, want := range map[string]int{
		"nvmlDeviceGetTemperature": 3, "field 82 memory temperature": 3, "nvmlDeviceGetEnforcedPowerLimit": 0, "GPM": 0,
	} {
		if got := refusedCode(g, what); got != want {
			t.Errorf("%q is refused with %d, want %d: %+v", what, got, want, g.Lacks)
		}
	}
	if g.GPM == nil || g.GPM.Supported || g.Ring != nil || !strings.Contains(g.NotRun["ring"], "nvmlDeviceGetSamples") {
		t.Errorf("GPM %+v, ring %+v, not run %v", g.GPM, g.Ring, g.NotRun)
	}
	if !strings.Contains(table, "not supported (NVML error 3)") || !strings.Contains(table, "functions missing") {
		t.Errorf("the table does not say so:\n%s", table)
	}
}

// TestHungCall: a call that does not come back ends what is asked of its GPU; the other GPU and the report do not suffer.
func TestHungCall(t *testing.T) {
	library := nvmltest.Build(t)
	for _, tc := range []struct {
		name, script, hung string
		measured           bool // something was, before the hang
	}{
		{"one call", "gpu.0.temperature.sleep_ms 600000", "nvmlDeviceGetTemperature", true},
		{"every call", "gpu.0.sleep_ms 600000", "nvmlDeviceGetHandleByIndex", false},
		{"a call of gpusignal's driver alone", "gpu.0.minor.sleep_ms 600000", "listing by gpusignal's driver", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			report, out, code := program{
				library: library, script: []string{"devices 2", tc.script}, args: []string{"-duration", "10ms", "-deadline", "3s"},
			}.run(t)
			if code != 0 || len(report.GPUs) != 2 {
				t.Fatalf("exit code %d, %d GPUs\n%s", code, len(report.GPUs), out)
			}
			hung, sound := report.GPUs[0], report.GPUs[1]
			if hung.Hung != tc.hung || hung.Ring != nil || !strings.Contains(out, "HUNG") {
				t.Errorf("hung %q, not run %v", hung.Hung, hung.NotRun)
			}
			if c := find(hung.Calls, "nvmlDeviceGetMemoryInfo_v2"); tc.measured != (c.Took != nil) {
				t.Errorf("what was measured before the hang: %+v", c)
			}
			if sound.Hung != "" || sound.Ring == nil || sound.Readings == nil {
				t.Errorf("the other GPU: hung %q, not run %v", sound.Hung, sound.NotRun)
			}
		})
	}
}

// TestLostGPU: a GPU that cannot be opened is in the report with the reason.
func TestLostGPU(t *testing.T) {
	t.Parallel()
	report, _, code := program{
		library: nvmltest.Build(t), script: []string{"devices 2", "gpu.1.lost 1"}, args: []string{"-duration", "10ms", "-gpus", "1"},
	}.run(t)
	if code != 0 || len(report.GPUs) != 1 || !strings.Contains(report.GPUs[0].Error, "lost") || report.GPUs[0].Index != 1 {
		t.Errorf("exit code %d, report %+v", code, report.GPUs)
	}
}

// TestNoNVML: without NVML there is no report, and the exit code says so.
func TestNoNVML(t *testing.T) {
	for _, tc := range []struct {
		name, library string
		script, args  []string
		code          int
		says          string
	}{
		{name: "no file", library: "/nonexistent/libnvidia-ml.so.1", code: 1, says: "/nonexistent/libnvidia-ml.so.1"},
		{name: "no driver", library: nvmltest.Build(t), script: []string{"init 9"}, code: 1, says: "driver is not loaded (NVML error 9)"},
		{name: "another library", library: nvmltest.Build(t, "NO_INIT"), code: 1, says: "lacks nvmlInit_v2"},
		{name: "no count", library: nvmltest.Build(t, "NO_COUNT"), code: 1, says: "lacks nvmlDeviceGetCount_v2"},
		{name: "Init hangs", library: nvmltest.Build(t), script: []string{"init.sleep_ms 600000"}, args: []string{"-deadline", "500ms"}, code: 1, says: "nvmlInit has not come back"},
		{name: "bad flag", args: []string{"-gpus", "one"}, code: 2, says: "-gpus"},
		{name: "no such part", args: []string{"-parts", "calls,fans"}, code: 2, says: `"fans"`},
		{name: "no time", args: []string{"-duration", "0s"}, code: 2, says: "-duration"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, out, code := program{library: tc.library, script: tc.script, args: tc.args}.run(t)
			if code != tc.code || !strings.Contains(out, tc.says) {
				t.Errorf("exit code %d, want %d with %q:\n%s", code, tc.code, tc.says, out)
			}
		})
	}
}
