package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/sim"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args string
		want options
		err  string
	}{
		{"", options{address: ":8000"}, ""},
		{"/models/llama", options{address: ":8000", VLLMConfig: sim.VLLMConfig{Model: "/models/llama"}}, ""},
		{"/models/llama --served-model-name llama --port=8123 --host 127.0.0.1", options{
			address: "127.0.0.1:8123", VLLMConfig: sim.VLLMConfig{Model: "llama"},
		}, ""},
		{"-max-num-seqs=4 --blocks 100 m -step=10ms --per-seq=1ms --per-prompt 2us --max-model-len=256 --load-time=3s", options{
			address: ":8000", load: 3 * time.Second, VLLMConfig: sim.VLLMConfig{
				Model: "m", MaxSeqs: 4, Blocks: 100, MaxLen: 256,
				Step: 10 * time.Millisecond, PerSeq: time.Millisecond, PerPrompt: 2 * time.Microsecond,
			},
		}, ""},
		{"a --port=1 b", options{}, `two models, "a" and "b"`},
		{"--step=fast", options{}, `invalid value "fast" for flag -step`},
		{"--load-time=-1s", options{}, `invalid value "-1s" for flag -load-time: a negative time`},
		{"--max-num-seqs=-1", options{}, `invalid value "-1" for flag -max-num-seqs`},
	} {
		var stderr strings.Builder
		got, err := parse(strings.Fields(c.args), &stderr)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(options{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.args, diff)
		}
		if (err == nil) != (c.err == "") || !strings.Contains(stderr.String(), c.err) {
			t.Errorf("%q: %v, said %q, want %q", c.args, err, stderr.String(), c.err)
		}
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		arg  string
		want int
	}{
		{"--step=fast", 2},
		{"--port=99999", 1},
	} {
		if got := run([]string{c.arg}, io.Discard); got != c.want {
			t.Errorf("run %v is %d, want %d", c.arg, got, c.want)
		}
	}
}

// TestLoadTime finds out that the address is not taken before the model is loaded, and that a signal ends the loading.
func TestLoadTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		o := options{address: "127.0.0.1:99999", load: time.Minute}
		if err := o.serve(nil); err == nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %v, want an error of the address after a minute", err, time.Since(began))
		}
		signals := make(chan os.Signal, 1)
		signals <- os.Interrupt
		if err := o.serve(signals); err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %v, want an end at once", err, time.Since(began)-time.Minute)
		}
	})
}

// TestHandler asks a server as a client would, and reads what it counted.
func TestHandler(t *testing.T) {
	o, err := parse([]string{"/models/llama", "--served-model-name=llama", "--step=1ms"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	v := sim.NewVLLM(o.VLLMConfig)
	s := start(t, newServer(v.Run, v.Handler()))
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/v1/completions", `{"model":"llama","prompt":"one two three","max_tokens":1}`, http.StatusOK},
		{"POST", "/v1/completions", `{"model":"/models/llama","prompt":"one"}`, http.StatusNotFound},
		{"GET", "/v1/models", "", http.StatusOK},
		{"GET", "/health", "", http.StatusOK},
		{"GET", "/other", "", http.StatusNotFound},
	} {
		if status, body := s.ask(t, c.method, c.path, c.body); status != c.want {
			t.Errorf("%s %s: status %d, want %d: %s", c.path, c.body, status, c.want, body)
		}
	}
	_, page := s.ask(t, "GET", "/metrics", "")
	for _, want := range []string{
		`vllm:prompt_tokens_total{engine="0",model_name="llama"} 3`, `vllm:generation_tokens_total{engine="0",model_name="llama"} 1`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no line %s", want)
		}
	}
	s.signals <- os.Interrupt
	if err := <-s.done; err != nil {
		t.Error(err)
	}
}

func TestPageDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") }))
		for _, c := range []struct {
			set    string
			status int
			want   time.Duration
		}{
			{"", http.StatusBadRequest, 0},
			{"?d=4s", http.StatusOK, 4 * time.Second},
			{"?d=-1s", http.StatusBadRequest, 4 * time.Second},
			{"?d=4", http.StatusBadRequest, 4 * time.Second},
			{"?d=0", http.StatusOK, 0},
		} {
			set := httptest.NewRecorder()
			s.handler.ServeHTTP(set, httptest.NewRequest("POST", "/sim/page-delay"+c.set, nil))
			if set.Code != c.status {
				t.Errorf("%q: status %d, want %d: %s", c.set, set.Code, c.status, set.Body)
			}
			began, page := time.Now(), httptest.NewRecorder()
			s.handler.ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
			if took := time.Since(began); took != c.want || page.Body.String() != "page" {
				t.Errorf("after %q the page is %q after %v, want %v", c.set, page.Body, took, c.want)
			}
		}
	})
}
