package proof

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"gpusignal/nvml/cmd/hardware-check/load"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(tc.values); got != tc.want {
			t.Errorf("median of %v is %v, want %v", tc.values, got, tc.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("nothing has a median")
	}
}

// series of steps of about 1 ms, longer by a share, with a drift that goes on from segment to segment and now and then a step ten times
// as long.
func series(loss [4]float64, drift float64) (out [4][]float64) {
	random := rand.New(rand.NewPCG(5, 6))
	for i := range out {
		for k := range 2000 {
			ms := (1 + loss[i]) * (1 + drift*(float64(i)+float64(k)/2000)) * (1 + 0.02*random.NormFloat64())
			if random.IntN(100) == 0 {
				ms *= 10
			}
			out[i] = append(out[i], ms)
		}
	}
	return out
}

func TestSlowdown(t *testing.T) {
	for _, tc := range []struct {
		name        string
		loss        [4]float64
		drift       float64
		step, noise float64
	}{
		{"none", [4]float64{}, 0, 0, 0},
		{"two of a hundred", [4]float64{0, 0.02, 0.02, 0}, 0, 0.02, 0},
		{"a steady drift is no loss", [4]float64{}, 0.01, 0, 0.03},
		{"both", [4]float64{0, 0.02, 0.02, 0}, 0.01, 0.02, 0.03},
	} {
		got, known := slowdown(series(tc.loss, tc.drift))
		if !known || math.Abs(got.Step-tc.step) > 0.002 || math.Abs(got.Noise-tc.noise) > 0.003 || got.Steps != 8000 {
			t.Errorf("%s: %+v, want a step longer by %v and noise %v", tc.name, got, tc.step, tc.noise)
		}
	}
	plain := [4][]float64{{1, 1}, {1.25, 1.25}, {1.25, 1.25}, {1, 1}}
	if got, _ := slowdown(plain); math.Abs(got.Throughput-0.2) > 1e-9 || math.Abs(got.Step-0.25) > 1e-9 {
		t.Errorf("steps of 1.25 instead of 1: %+v, want a fifth less throughput", got)
	}
	plain[2] = nil
	if _, known := slowdown(plain); known {
		t.Error("a segment without steps tells something")
	}
	got := combine([]Slowdown{{Step: 1, Noise: 3, Steps: 1}, {Step: 9, Noise: 4, Steps: 2}, {Step: 2, Noise: 5, Steps: 3}})
	if got.Step != 2 || got.Noise != 4 || got.Steps != 6 {
		t.Errorf("combined %+v", got)
	}
}

func TestJudgeHarm(t *testing.T) {
	promised := mode{budget: 0.002}
	for _, tc := range []struct {
		name        string
		mode        mode
		loss, noise float64
		want        Status
	}{
		{"within", promised, 0.001, 0.0005, Passed},
		{"faster than without", promised, -0.01, 0.001, Passed},
		{"above", promised, 0.01, 0.001, Failed},
		{"above, and above great noise", promised, 0.05, 0.01, Failed},
		{"hidden by noise", promised, 0.001, 0.01, NotRun},
		{"above the budget, and not above the noise", promised, 0.0025, 0.003, NotRun},
		{"nothing promised", mode{}, 0.5, 0, NotRun},
	} {
		if got, reason := judgeHarm(tc.mode, tc.loss, tc.noise); got != tc.want || (reason == "") != (got == Passed) {
			t.Errorf("%s: %s, %q, want %s", tc.name, got, reason, tc.want)
		}
	}
}

// TestHarmCheck: only steps that lie wholly in a segment count.
func TestHarmCheck(t *testing.T) {
	const ms = time.Millisecond
	var log load.Log
	var four [4]segment
	at := second
	for i := range four {
		took := 10 * ms
		if i == 1 || i == 2 {
			took = 11 * ms
		}
		log = append(log, load.Line{What: load.Work, To: at + 5*ms, Host: 900 * ms, GPU: 900 * ms}) // began before
		four[i].from = at
		for range 100 {
			at += took
			log = append(log, load.Line{What: load.Work, To: at, Host: took, GPU: took - ms})
		}
		four[i].to = at
		at += second
	}
	c := harmCheck("matrix", mode{"at the defaults", nil, 0.002}, log, [][4]segment{four})
	if c.Status != Failed || math.Abs(c.value("step_host_ratio")-0.1) > 1e-9 || math.Abs(c.value("step_gpu_ratio")-1.0/9) > 1e-9 || c.value("steps") != 400 {
		t.Errorf("%+v", c)
	}
	if c := harmCheck("matrix", mode{"at the defaults", nil, 0.002}, nil, [][4]segment{four}); c.Status != Failed {
		t.Errorf("without steps: %+v", c)
	}
}
