//go:build cgo && linux

package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/nvml/nvmltest"
)

// A process can load one library only, so each test starts its own binary again as the program.
const programEnv = "GPUSIGNAL_HARDWARE_CHECK"

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// A program is one run of it. Without CUDA unless the arguments name it.
type program struct {
	library           string
	script, args, env []string
}

// run returns the program's report, what it printed and its exit code.
func (p program) run(t *testing.T) (report Report, out string, code int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"-library", p.library, "-json", path, "-cuda", ""}, p.args...)...)
	cmd.Env = slices.Concat(os.Environ(), []string{
		programEnv + "=1", nvmltest.ScriptEnv + "=" + nvmltest.Script(t, p.script...), "GORACE=atexit_sleep_ms=0",
	}, p.env)
	text, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(text, &report); err != nil {
			t.Fatal(err)
		}
	}
	return report, string(text), cmd.ProcessState.ExitCode()
}

// single runs the program on a single GPU.
func (p program) single(t *testing.T) (GPU, Report, string) {
	t.Helper()
	p.script = append([]string{"devices 1"}, p.script...)
	report, out, code := p.run(t)
	if code != 0 || len(report.GPUs) != 1 {
		t.Fatalf("exit code %d, %d GPUs\n%s", code, len(report.GPUs), out)
	}
	return report.GPUs[0], report, out
}

func find(calls []Call, name string) Call {
	for _, c := range calls {
		if c.Name == name {
			return c
		}
	}
	return Call{}
}

func refusedCode(g GPU, what string) int {
	for _, l := range g.Lacks {
		if l.What == what {
			return l.Code
		}
	}
	return 0
}

// TestSoundGPU: a GPU that tells everything, with a load of 30 of each 100 ms.
func TestSoundGPU(t *testing.T) {
	t.Parallel()
	g, report, table := program{
		library: nvmltest.Build(t),
		script:  []string{"driver 580.65.06", "gpu.0.name NVIDIA H100", "gpu.0.duty 0.3", "gpu.0.period_ms 100", "gpu.0.gpm.5 40"},
		args:    []string{"-duration", "3s"},
	}.single(t)
	if report.Library.Driver != "580.65.06" || report.Library.Devices != 1 || g.Name != "NVIDIA H100" || g.PCI != "0000:1a:00.0" {
		t.Errorf("library %+v, GPU %q at %q", report.Library, g.Name, g.PCI)
	}
	if g.Hung != "" || g.Error != "" || len(g.NotRun) != 2 || !strings.Contains(g.NotRun["load"], "CUDA") || g.NotRun["memory"] == "" {
		t.Errorf("hung %q, error %q, not run %v", g.Hung, g.Error, g.NotRun)
	}
	for _, name := range []string{"nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetSamples (all)"} {
		if c := find(g.Calls, name); c.Took == nil || c.Took.N < 2 || c.Took.P50 <= 0 || c.Took.P99 < c.Took.P50 || c.Failed > 0 {
			t.Errorf("call %q: %+v, took %+v", name, c, c.Took)
		}
	}
	if c := find(g.Calls, "nvmlDeviceGetProcessUtilization (all)"); c.NothingNew == 0 || c.Took == nil || c.NothingNew != c.Took.N {
		t.Errorf("process utilisation of a GPU without processes: %+v", c)
	}
	if r := g.Rounds; r == nil || r.Devices != 1 || len(r.Rounds) != 4 || r.WallShare == nil || *r.WallShare <= 0 || len(r.Features) < 10 {
		t.Errorf("rounds %+v", r)
	} else if r.Rounds[3].Took == nil || r.Rounds[0].Failed > 0 {
		t.Errorf("full set %+v, ticks %+v", r.Rounds[3], r.Rounds[0])
	}
	windows := g.GPM.Intervals
	if !g.GPM.Supported || g.GPM.Sample == nil || len(windows) != 2 || windows[0].Interval != 100 || windows[1].Interval != 1000 {
		t.Fatalf("GPM %+v", g.GPM)
	}
	for _, w := range windows {
		tensor := w.Metrics[slices.IndexFunc(w.Metrics, func(m GPMMetric) bool { return m.Name == "tensor" })]
		if w.Windows < 2 || w.Failed > 0 || tensor.ID != 5 || tensor.Values == nil || !near(tensor.Values.Mean, 40) || !near(tensor.Deviation, 0) {
			t.Errorf("each %v ms: %d windows, %d failed, tensor %+v", w.Interval, w.Windows, w.Failed, tensor)
		}
	}
	for _, part := range []string{"Calls, µs", "Rounds", "Ring", "GPM", "Readings", "Not measured"} {
		if !strings.Contains(table, part) {
			t.Errorf("the table has no part %q", part)
		}
	}
}

func near(got, want float64) bool { return got > want-1e-6 && got < want+1e-6 }

// TestRingAsScripted: length, spacing, clock and garbage of the ring are found.
func TestRingAsScripted(t *testing.T) {
	library := nvmltest.Build(t)
	for _, tc := range []struct {
		name   string
		script []string
		clock  string
		want   RingKind
	}{
		{
			"of the epoch",
			[]string{"gpu.0.ring.length 20", "gpu.0.window_ms 250", "gpu.0.utilization 30"},
			"realtime",
			RingKind{Kind: "utilization", Entries: 20, Span: 4.75, Spacing: &Spread{N: 19, Min: 250, Mean: 250, P50: 250, P99: 250, Max: 250}},
		},
		{
			"since boot",
			[]string{"gpu.0.ring.length 5", "gpu.0.window_ms 100", "gpu.0.ring.clock boot"},
			"monotonic",
			RingKind{Kind: "utilization", Entries: 5, Span: 0.4, Spacing: &Spread{N: 4, Min: 100, Mean: 100, P50: 100, P99: 100, Max: 100}},
		},
		{
			"garbage",
			[]string{"gpu.0.ring.length 5", "gpu.0.window_ms 100", "gpu.0.ring.garbage 1"},
			"realtime",
			RingKind{
				Kind: "utilization", Entries: 8, Zero: 1, Over: 1, Unsorted: 5, Repeated: 1, Span: 0.4,
				Spacing: &Spread{N: 4, Min: 100, Mean: 100, P50: 100, P99: 100, Max: 100},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g, _, _ := program{library: library, script: tc.script, args: []string{"-duration", "10ms", "-parts", "ring"}}.single(t)
			got := g.Ring.Kinds[0]
			rounded(got.Spacing)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(g.Ring.Clock, tc.clock) {
				t.Errorf("clock %q, ages %v, want %q", g.Ring.Clock, g.Ring.Ages, tc.clock)
			}
			if f := g.Ring.Follow; f.Reads != 1 || f.New == nil || f.New.Max < 3 || f.Newest == nil || f.Newest.Max < -1 {
				t.Errorf("follow %+v, new %+v, age %+v", f, f.New, f.Newest)
			}
		})
	}
}

// rounded takes the microsecond off that a stamp is rounded by.
func rounded(s *Spread) {
	for _, v := range []*float64{&s.Min, &s.Mean, &s.P50, &s.P99, &s.Max} {
		*v = float64(int(*v + 0.5))
	}
}

// TestIdleRing: a ring that an idle GPU leaves empty has nothing new, and no clock.
func TestIdleRing(t *testing.T) {
	t.Parallel()
	g, _, _ := program{
		library: nvmltest.Build(t), script: []string{"gpu.0.ring.idle empty"}, args: []string{"-duration", "10ms", "-parts", "ring"},
	}.single(t)
	if k := g.Ring.Kinds[0]; k.Entries != 0 || k.Spacing != nil || k.Code != 6 {
		t.Errorf("ring %+v", k)
	}
	if f := g.Ring.Follow; g.Ring.Clock != "" || f.Reads != 1 || f.NothingNew != 1 || f.New != nil || f.Newest != nil {
		t.Errorf("clock %q, follow %+v", g.Ring.Clock, f)
	}
}

// TestSlowCalls: a call is as slow as the script makes it, by itself and in a round.
func TestSlowCalls(t *testing.T) {
	t.Parallel()
	g, _, _ := program{
		library: nvmltest.Build(t), script: []string{"gpu.0.power_limit.sleep_ms 20"},
		args: []string{"-duration", "10ms", "-parts", "calls,rounds"},
	}.single(t)
	if slow := find(g.Calls, "nvmlDeviceGetEnforcedPowerLimit"); slow.Took == nil || slow.Took.Min < 20_000 {
		t.Errorf("slow %+v", slow.Took)
	}
	for _, f := range g.Rounds.Features {
		if f.Feature == "power_limit" && f.Took.Min >= 20_000 {
			return
		}
	}
	t.Errorf("gpusignal's own power limit is not slow: %+v", g.Rounds.Features)
}
