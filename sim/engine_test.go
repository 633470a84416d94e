package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"
)

// vllmTruth is what the truth log says a vLLM page has to show.
func vllmTruth(lines []line, upTo int) map[string]float64 {
	const of = "{engine=0,model_name=m}"
	want := map[string]float64{}
	for _, name := range []string{"vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:num_requests_running", "vllm:num_requests_waiting"} {
		want[name+of] = 0
	}
	var queue, latency time.Duration
	for _, l := range lines[:upTo] {
		switch l.event {
		case "tokens":
			want["vllm:prompt_tokens_total"+of] += float64(l.int("prompt"))
			want["vllm:generation_tokens_total"+of] += float64(l.int("generation"))
			want["vllm:kv_cache_usage_perc"+of] = float64(l.int("kv_blocks"))
		case "load":
			want["vllm:num_requests_running"+of] = float64(l.int("running"))
			want["vllm:num_requests_waiting"+of] = float64(l.int("waiting"))
		case "rejected":
			want["vllm:admission_rejections_total{model_name=m,reason=max_num_queued_reqs}"]++
		case "request":
			if l.fields["outcome"] != "success" {
				continue
			}
			want["vllm:request_success_total{engine=0,finished_reason="+l.fields["reason"]+",model_name=m}"]++
			want["vllm:request_queue_time_seconds"+of+".count"]++
			want["vllm:request_prompt_tokens"+of+".sum"] += float64(l.int("prompt"))
			want["vllm:request_generation_tokens"+of+".sum"] += float64(l.int("generation"))
			queue += time.Duration(l.int("queue_ns"))
			latency += time.Duration(l.int("end") - l.int("start") + l.int("queue_ns"))
		}
	}
	want["vllm:request_queue_time_seconds"+of+".sum"] = queue.Seconds()
	want["vllm:e2e_request_latency_seconds"+of+".sum"] = latency.Seconds()
	delete(want, "vllm:kv_cache_usage_perc"+of) // It moves with admissions too, which write no tokens line.
	return want
}

// compare checks that a page shows what the truth says.
func compare(t *testing.T, page table, want map[string]float64) {
	t.Helper()
	for key, value := range want {
		if got, ok := page.values[key]; !ok || got < value-1e-6 || got > value+1e-6 {
			t.Errorf("the page has %s = %v (%v), the truth log %v", key, got, ok, value)
		}
	}
}

// pageLine is the index of the line of the n-th page of a pod.
func pageLine(t *testing.T, lines []line, pod string, n int) int {
	t.Helper()
	for i, l := range lines {
		if l.event == "page" && l.fields["pod"] == pod && l.int("n") == int64(n) {
			return i
		}
	}
	t.Fatalf("page %d of %s is not in the log", n, pod)
	return 0
}

// start runs a vLLM server inside a synctest bubble until the test ends.
func start(t *testing.T, cfg VLLMConfig) (*VLLM, *logBuffer, *gpu) {
	t.Helper()
	buf := newLogBuffer()
	log := newTruth(buf)
	g := newGPU(node.Device{ID: "GPU-a"}, log, 0, 0)
	cfg.Pod, cfg.Model = "ns/p", "m"
	v := newVLLM(cfg, log, g.place(process{pid: 1}))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = v.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return v, buf, g
}

// ask sends one request past HTTP.
func (v *VLLM) ask(ctx context.Context, q request) (int, error) {
	s, err := v.sequence(completion{
		Model: q.model, Prompt: fmt.Sprintf("%d %s", q.number, strings.Repeat("w ", q.prompt-1)), MaxTokens: q.maxTokens,
	})
	if err != nil || s == nil {
		return 400, err
	}
	if err := v.engine.submit(ctx, s); errors.Is(err, errQueueFull) {
		return 503, nil
	} else if err != nil {
		return 0, err
	}
	return 200, nil
}

func TestVLLMPageIsWhatWasServed(t *testing.T) {
	for name, cfg := range map[string]VLLMConfig{
		"plain":          {},
		"speculative":    {Drafts: 2, Adapters: []string{"support", "sales"}, MaxQueued: 4},
		"few kv blocks":  {Blocks: 260},
		"queue is short": {MaxSeqs: 2, MaxQueued: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, buf, _ := start(t, cfg)
				ctx, cancel := context.WithCancel(t.Context())
				c := &client{
					pod: "ns/p", log: v.engine.log, send: v.ask, demand: newDemand(stream(1, name), 4, chat("m", cfg.Adapters)),
				}
				var wg sync.WaitGroup
				wg.Go(func() { c.run(ctx) })
				for range 40 {
					time.Sleep(1777 * time.Millisecond)
					n, body := v.page()
					lines := buf.lines(t)
					compare(t, parsePage(t, body), vllmTruth(lines, pageLine(t, lines, "ns/p", n)))
				}
				cancel()
				wg.Wait()
				checkServed(t, v, buf.lines(t))
			})
		})
	}
}

// checkServed checks what has to be true of any run: slots and blocks are never exceeded, and all come back.
func checkServed(t *testing.T, v *VLLM, lines []line) {
	t.Helper()
	served := 0
	for _, l := range lines {
		switch {
		case l.event == "load" && l.int("running") > int64(v.cfg.MaxSeqs):
			t.Fatalf("%v: more sequences run than there are slots", l)
		case l.event == "tokens" && l.int("kv_blocks") > int64(v.cfg.Blocks):
			t.Fatalf("%v: more blocks than there are", l)
		case l.event == "request" && l.fields["outcome"] == "success":
			served++
		}
	}
	if served < 20 {
		t.Errorf("only %d requests were served", served)
	}
	if v.cfg.Blocks == 260 && v.engine.stats.preemptions == 0 {
		t.Error("nothing was preempted")
	}
	if v.engine.free != v.cfg.Blocks {
		t.Errorf("%d of %d blocks are free with nothing in hand", v.engine.free, v.cfg.Blocks)
	}
}

func TestVLLMTimesAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, buf, g := start(t, VLLMConfig{
			MaxSeqs: 1, Step: 10 * time.Millisecond, PerSeq: time.Nanosecond, PerPrompt: time.Millisecond, Duty: 1,
		})
		// One slot: the second waits for the first. A prompt of 10 tokens takes a step of 20 ms, each token after the
		// first one of 10 ms.
		var wg sync.WaitGroup
		for i := range 2 {
			s := &sequence{prompt: 10, limit: 5, length: 5, reason: "length", done: make(chan struct{})}
			time.Sleep(time.Duration(i) * time.Millisecond)
			wg.Go(func() { _ = v.engine.submit(t.Context(), s) })
		}
		wg.Wait()
		time.Sleep(time.Second)
		g.flush(0)
		_, body := v.page()
		page := parsePage(t, body)
		const of = "{engine=0,model_name=m}"
		compareNear := func(key string, want float64) {
			t.Helper()
			if got := page.values[key]; got < want-1e-6 || got > want+1e-6 {
				t.Errorf("%s is %v, want %v", key, got, want)
			}
		}
		compareNear("vllm:request_queue_time_seconds"+of+".sum", 0.059)
		compareNear("vllm:time_to_first_token_seconds"+of+".sum", 0.020+0.059+0.020)
		compareNear("vllm:inter_token_latency_seconds"+of+".sum", 8*0.010)
		compareNear("vllm:inter_token_latency_seconds"+of+".count", 8)
		compareNear("vllm:e2e_request_latency_seconds"+of+".sum", 0.060+0.119)
		compareNear("vllm:request_decode_time_seconds"+of+".sum", 2*0.040)
		if busy := busyBetween(buf.lines(t), "GPU-a", 0, 1<<62); busy < 119_999_000 || busy > 120_001_000 {
			t.Errorf("the device was busy for %d ns, want 120 ms", busy)
		}
	})
}

func TestVLLMAbortIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, buf, _ := start(t, VLLMConfig{MaxSeqs: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 2 { // One runs and one waits when their clients give up.
			wg.Go(func() {
				if _, err := v.ask(ctx, request{number: i, model: "m", prompt: 30, maxTokens: 4000}); err == nil {
					t.Error("the request was not aborted")
				}
			})
		}
		wg.Wait()
		n, body := v.page()
		lines := buf.lines(t)
		page := parsePage(t, body)
		compare(t, page, vllmTruth(lines, pageLine(t, lines, "ns/p", n)))
		compare(t, page, map[string]float64{
			"vllm:request_success_total{engine=0,finished_reason=abort,model_name=m}": 0,
			"vllm:prompt_tokens_total{engine=0,model_name=m}":                         30,
			"vllm:num_requests_running{engine=0,model_name=m}":                        0,
			"vllm:kv_cache_usage_perc{engine=0,model_name=m}":                         0,
		})
	})
}

func FuzzSequence(f *testing.F) {
	f.Add("a b  c", 10)
	f.Add("", 0)
	f.Add(strings.Repeat("x ", 5000), -1)
	v := NewVLLM(VLLMConfig{})
	f.Fuzz(func(t *testing.T, prompt string, limit int) {
		s, err := v.sequence(completion{Model: "model", Prompt: prompt, MaxTokens: limit})
		if err != nil {
			return
		}
		if s.prompt != len(strings.Fields(prompt)) || s.length < 1 || s.length > s.limit || s.prompt+s.limit > v.cfg.MaxLen ||
			len(s.chain) != s.prompt/v.cfg.BlockSize {
			t.Errorf("prompt %q, limit %d: %+v", prompt, limit, s)
		}
	})
}
