package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gpusignal/node"
)

// VLLMConfig says how a simulated vLLM server works. Zero fields get the defaults that NewVLLM names.
type VLLMConfig struct {
	// Pod is the server's name in the truth log, namespace/name.
	Pod string
	// Model is the served model name; Adapters are LoRA adapters that requests may name instead.
	Model    string
	Adapters []string
	// MaxSeqs is how many sequences run at once (8), and MaxQueued how many may wait before the server refuses (0: any).
	MaxSeqs, MaxQueued int
	// Blocks of the KV cache (640), of BlockSize tokens each (16), and the longest sequence in tokens (4096).
	Blocks, BlockSize, MaxLen int
	// Step is the time of an engine step (24 ms), and PerSeq (300 µs) and PerPrompt (40 µs) what every sequence in it and
	// every prompt token computed in it add.
	Step, PerSeq, PerPrompt time.Duration
	// Duty is the part of a step in which a kernel runs (0.9).
	Duty float64
	// Drafts is how many tokens speculative decoding drafts per step (0: off).
	Drafts int
	// Started is when the process started (now).
	Started time.Time
}

// VLLM is a simulated vLLM server.
type VLLM struct {
	cfg    VLLMConfig
	engine *engine
	http   *httpStats
}

// NewVLLM returns a server on a device of its own. It starts nothing.
func NewVLLM(cfg VLLMConfig) *VLLM {
	return newVLLM(cfg, nil, alone())
}

// alone is a process on a device of its own.
func alone() *process {
	return newGPU(node.Device{ID: "GPU-00000000-0000-4000-8000-000000000000"}, nil, 0, 0).place(process{pid: firstPID})
}

func newVLLM(cfg VLLMConfig, log *truth, on ...*process) *VLLM {
	cfg.Model = cmp.Or(cfg.Model, "model")
	cfg.MaxSeqs = cmp.Or(cfg.MaxSeqs, 8)
	cfg.Blocks = cmp.Or(cfg.Blocks, 640)
	cfg.BlockSize = cmp.Or(cfg.BlockSize, 16)
	cfg.MaxLen = min(cmp.Or(cfg.MaxLen, 4096), cfg.Blocks*cfg.BlockSize)
	cfg.Step = cmp.Or(cfg.Step, 24*time.Millisecond)
	cfg.PerSeq = cmp.Or(cfg.PerSeq, 300*time.Microsecond)
	cfg.PerPrompt = cmp.Or(cfg.PerPrompt, 40*time.Microsecond)
	cfg.Duty = cmp.Or(cfg.Duty, 0.9)
	if cfg.Started.IsZero() {
		cfg.Started = time.Now()
	}
	return &VLLM{cfg: cfg, engine: newEngine(cfg, on, log), http: newHTTPStats(cfg.Started)}
}

// Run steps the engine until ctx ends.
func (v *VLLM) Run(ctx context.Context) error {
	v.engine.run(ctx)
	return nil
}

// Handler serves the API and /metrics, as the one port of vLLM does.
func (v *VLLM) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/completions", v.http.count("/v1/completions", v.complete))
	mux.Handle("GET /v1/models", v.http.count("/v1/models", v.models))
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		n, body := v.page()
		writePage(w, n, body)
	})
	return mux
}

func writePage(w http.ResponseWriter, n int, body []byte) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Sim-Page", strconv.Itoa(n))
	_, _ = w.Write(body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// completion is the part of a completion request that the simulation understands. A token is a word of the prompt.
type completion struct {
	Model     string `json:"model"`
	Prompt    string `json:"prompt"`
	MaxTokens int    `json:"max_tokens"`
}

func (v *VLLM) complete(w http.ResponseWriter, r *http.Request) {
	var in completion
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
		v.refuse(w, http.StatusBadRequest, "BadRequestError", fmt.Sprintf("decode body: %v", err))
		return
	}
	s, err := v.sequence(in)
	if err != nil {
		v.refuse(w, http.StatusBadRequest, "BadRequestError", err.Error())
		return
	}
	if s == nil {
		v.refuse(w, http.StatusNotFound, "NotFoundError", fmt.Sprintf("The model `%s` does not exist.", in.Model))
		return
	}
	switch err := v.engine.submit(r.Context(), s); {
	case errors.Is(err, errQueueFull):
		v.refuse(w, http.StatusServiceUnavailable, "ServiceUnavailableError", err.Error())
	case err != nil: // The client is gone; nobody reads the answer.
		w.WriteHeader(499)
	default:
		writeJSON(w, http.StatusOK, v.answer(in, s))
	}
}

func (v *VLLM) refuse(w http.ResponseWriter, status int, kind, message string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{"message": message, "type": kind, "code": status}})
}

func (v *VLLM) answer(in completion, s *sequence) any {
	return map[string]any{
		"id": fmt.Sprintf("cmpl-%016x", s.hash), "object": "text_completion", "created": s.arrived.Unix(), "model": in.Model,
		"choices": []any{map[string]any{
			"index": 0, "text": strings.Repeat("word ", s.generated), "finish_reason": s.reason,
		}},
		"usage": map[string]int{
			"prompt_tokens": s.prompt, "completion_tokens": s.generated, "total_tokens": s.prompt + s.generated,
		},
	}
}

func (v *VLLM) models(w http.ResponseWriter, _ *http.Request) {
	var data []any
	for _, name := range append([]string{v.cfg.Model}, v.cfg.Adapters...) {
		data = append(data, map[string]any{"id": name, "object": "model", "max_model_len": v.cfg.MaxLen})
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

// sequence makes a sequence of a request; it is nil when the model is not served here. The same prompt always gets an
// answer of the same length.
func (v *VLLM) sequence(in completion) (*sequence, error) {
	s := &sequence{done: make(chan struct{}), limit: cmp.Or(in.MaxTokens, 16)}
	if in.Model != v.cfg.Model {
		for _, a := range v.cfg.Adapters {
			if in.Model == a {
				s.adapter = a
			}
		}
		if s.adapter == "" {
			return nil, nil
		}
	}
	h := fnv.New64a()
	for word := range strings.FieldsSeq(in.Prompt) {
		_, _ = h.Write([]byte(word))
		_, _ = h.Write([]byte{' '})
		s.prompt++
		if s.prompt%v.cfg.BlockSize == 0 {
			s.chain = append(s.chain, h.Sum64())
		}
	}
	s.hash = h.Sum64()
	switch {
	case s.prompt == 0:
		return nil, errors.New("the prompt is empty")
	case s.limit < 0 || s.prompt+s.limit > v.cfg.MaxLen:
		return nil, fmt.Errorf("this model's maximum context length is %d tokens, and you asked for %d in the prompt and %d in the completion",
			v.cfg.MaxLen, s.prompt, s.limit)
	}
	s.length, s.reason = s.limit, "length"
	if roll := mix(s.hash, uint64(s.limit)); roll%5 < 2 {
		s.length, s.reason = 1+int(roll>>8%uint64(s.limit)), "stop"
	}
	return s, nil
}
