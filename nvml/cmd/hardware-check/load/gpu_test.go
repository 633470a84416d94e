//go:build cgo && linux

package load

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gpusignal/nvml/cmd/hardware-check/cuda"
	"gpusignal/nvml/nvmltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openGPU opens the first GPU of CUDA's library for tests, on this thread. Its bursts are in a file.
func openGPU(t *testing.T) (d *cuda.Device, bursts string) {
	t.Helper()
	library := filepath.Join(t.TempDir(), "libcuda.so.1")
	out, err := exec.Command("gcc", "-std=gnu11", "-shared", "-fPIC", "-O1", "-o", library, "../cuda/testdata/cuda.c").CombinedOutput()
	if err != nil {
		t.Fatalf("build CUDA's library: %v\n%s", err, out)
	}
	bursts = filepath.Join(t.TempDir(), "bursts")
	t.Setenv(nvmltest.ScriptEnv, nvmltest.Script(t, "devices 1", "gpu.0.bursts "+bursts))
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	d, err = cuda.Open(library, "0000:1a:00.0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d, bursts
}

// TestRun: what the log tells of a plan is what the GPU ran.
func TestRun(t *testing.T) {
	d, bursts := openGPU(t)
	plan := []Step{
		{Name: "two streams", At: 0, Length: 300 * ms, Duty: 0.5, Least: 10 * ms, Most: 30 * ms, Streams: 2},
		{Name: "none", At: 310 * ms, Length: 50 * ms, Least: ms, Most: ms},
		{Name: "full", At: 400 * ms, Length: 200 * ms, Duty: 1, Least: 50 * ms, Most: 50 * ms, Streams: 1},
	}
	begin := Now()
	log, err := Run(t.Context(), d, begin, plan, 3)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(bursts)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(log.Of(Burst)), strings.Count(string(content), "\n"); got != want || got < 10 || len(log.Of(Began)) != 3 {
		t.Errorf("%d bursts in the log, the GPU ran %d; %d steps", got, want, len(log.Of(Began)))
	}
	spans := log.Spans()
	for i, line := range log {
		if line.Name == "none" && log[i+1].What == Burst {
			t.Errorf("a burst in a step of no duty: %+v", log[i+1])
		}
	}
	if busy := spans.Busy(begin+400*ms, Now()); busy < 199*ms {
		t.Errorf("busy for %v of 200 ms at full duty", busy)
	}
	for _, b := range log.Of(Burst) {
		if b.From < b.Host-ms || b.To < b.From+ms {
			t.Errorf("burst %+v began before it was started, or did not run", b)
		}
	}
}

func TestRunEnds(t *testing.T) {
	d, _ := openGPU(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if log, err := Run(ctx, d, Now(), []Step{{Length: time.Hour, Duty: 1, Least: ms, Most: ms}}, 1); err != nil || len(log) != 0 {
		t.Errorf("after its end: %v, %v", log, err)
	}
}

func TestRepeat(t *testing.T) {
	d, _ := openGPU(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	log, err := Repeat(ctx, d, "decode")
	if err != nil || len(log) == 0 {
		t.Fatalf("%d steps, %v", len(log), err)
	}
	for _, w := range log {
		if w.What != Work || w.GPU < 2*ms || w.Host < w.GPU-ms || w.To < w.Host {
			t.Errorf("step %+v", w)
		}
	}
	if _, err := Repeat(t.Context(), d, "nothing"); err == nil {
		t.Error("a load that there is not")
	}
}

// TestServer: what its page counts is what it was asked for, and each step of its engine ran on the GPU.
func TestServer(t *testing.T) {
	d, bursts := openGPU(t)
	s := NewServer(2*ms, 2)
	web := httptest.NewServer(s.Handler())
	defer web.Close()
	client := web.Client()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asked sync.WaitGroup
	for range 3 {
		asked.Go(func() {
			resp, err := client.Post(web.URL+"/v1/completions", "application/json", strings.NewReader(`{"prompt_tokens": 100, "max_tokens": 5}`))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	go func() { asked.Wait(); cancel() }()
	log, err := s.Run(ctx, d) // on this thread, until all are answered
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(web.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	for _, want := range []string{
		`vllm:num_requests_running{model_name="spin",engine="0"} 0`, `vllm:prompt_tokens_total{model_name="spin",engine="0"} 300`,
		`vllm:generation_tokens_total{model_name="spin",engine="0"} 15`, `finished_reason="length"} 3`,
		`vllm:request_queue_time_seconds_count{model_name="spin",engine="0"} 3`,
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
	content, _ := os.ReadFile(bursts)
	// Two at once at most: three requests of five tokens take ten steps at least.
	if got := len(log.Of(Burst)); got < 10 || got != strings.Count(string(content), "\n") || len(log.Of(Request)) != 3 {
		t.Errorf("%d steps and %d requests in the log, the GPU ran %q", got, len(log.Of(Request)), content)
	}
	bad, err := client.Post(web.URL+"/v1/completions", "application/json", strings.NewReader(`{"max_tokens": 0}`))
	if err != nil {
		t.Fatal(err)
	}
	bad.Body.Close()
	if bad.StatusCode != http.StatusBadRequest {
		t.Errorf("no tokens: %s", bad.Status)
	}
}
