//go:build cgo && linux

package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"gpusignal/nvml/cmd/hardware-check/cuda"
)

// A Server looks like vLLM to who reads its page, and each step of its engine is a kernel on the GPU: it makes one token for each
// request in hand.
type Server struct {
	// Step is how long a step's kernel runs, and Most how many requests are in hand at once; others wait.
	Step time.Duration
	Most int

	mu               sync.Mutex
	waiting, running []*sequence
	log              Log
	prompt, made     int
	ended            int
	queued           time.Duration // of those that left the queue
	left             int           // how many did
	wake             chan struct{}
}

// sequence is a request in hand.
type sequence struct {
	prompt, wanted, made int
	arrived              time.Duration
	done                 chan struct{}
}

// NewServer returns a server, which does nothing before Run.
func NewServer(step time.Duration, most int) *Server {
	return &Server{Step: step, Most: most, wake: make(chan struct{}, 1)}
}

// Run steps the engine until ctx ends, and returns what was done. It belongs on the device's thread.
func (s *Server) Run(ctx context.Context, d *cuda.Device) (Log, error) {
	for ctx.Err() == nil {
		if !s.schedule() {
			select {
			case <-ctx.Done():
			case <-s.wake:
			}
			continue
		}
		ran, err := timed(d, s.Step)
		if err != nil {
			return s.log, err
		}
		s.advance(ran)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log, nil
}

// timed runs a kernel, waits for it, and returns when it ran.
func timed(d *cuda.Device, length time.Duration) (Line, error) {
	line := Line{What: Burst, Host: Now()}
	from, err := d.Mark(cuda.Stream{})
	if err != nil {
		return line, err
	}
	defer d.FreeEvent(from)
	if err := d.SpinOn(cuda.Stream{}, length); err != nil {
		return line, err
	}
	to, err := d.Mark(cuda.Stream{})
	if err != nil {
		return line, err
	}
	defer d.FreeEvent(to)
	if err := d.Synchronize(); err != nil {
		return line, err
	}
	line.To = Now()
	took, err := d.Between(from, to)
	line.From = line.To - took
	return line, err
}

// schedule takes requests from the queue, and says whether there is anything to do.
func (s *Server) schedule() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) > 0 && len(s.running) < s.Most {
		next := s.waiting[0]
		s.waiting, s.running = s.waiting[1:], append(s.running, next)
		s.queued, s.left = s.queued+Now()-next.arrived, s.left+1
		s.prompt += next.prompt
	}
	return len(s.running) > 0
}

// advance books a step: a token for each request in hand.
func (s *Server) advance(ran Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, ran)
	var still []*sequence
	for _, q := range s.running {
		q.made++
		s.made++
		if q.made < q.wanted {
			still = append(still, q)
			continue
		}
		s.ended++
		s.log = append(s.log, Line{What: Request, To: ran.To, Prompt: q.prompt, Tokens: q.made})
		close(q.done)
	}
	s.running = still
}

// Handler serves completions and the metrics page, on the one port as vLLM does.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/completions", s.complete)
	mux.HandleFunc("GET /metrics", s.page)
	return mux
}

// complete answers when all tokens are made. A request that its client gave up is worked off all the same.
func (s *Server) complete(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Prompt    int `json:"prompt_tokens"`
		MaxTokens int `json:"max_tokens"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&in); err != nil || in.MaxTokens < 1 || in.Prompt < 0 {
		http.Error(w, "the body has to be {\"prompt_tokens\": N, \"max_tokens\": M}, M at least 1", http.StatusBadRequest)
		return
	}
	q := &sequence{prompt: in.Prompt, wanted: in.MaxTokens, arrived: Now(), done: make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, q)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	select {
	case <-q.done:
	case <-r.Context().Done():
	}
}

// page is vLLM's, as far as a scaler looks at it.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	const labels = `model_name="spin",engine="0"`
	family := func(name, kind, more string, value float64) {
		fmt.Fprintf(w, "# HELP %[1]s %[1]s\n# TYPE %[1]s %[2]s\n%[1]s{%[3]s%[4]s} %[5]v\n", name, kind, labels, more, value)
	}
	family("vllm:num_requests_running", "gauge", "", float64(len(s.running)))
	family("vllm:num_requests_waiting", "gauge", "", float64(len(s.waiting)))
	family("vllm:kv_cache_usage_perc", "gauge", "", float64(len(s.running))/float64(s.Most))
	family("vllm:prompt_tokens_total", "counter", "", float64(s.prompt))
	family("vllm:generation_tokens_total", "counter", "", float64(s.made))
	family("vllm:request_success_total", "counter", `,finished_reason="length"`, float64(s.ended))
	const queue = "vllm:request_queue_time_seconds"
	fmt.Fprintf(w, "# HELP %[1]s %[1]s\n# TYPE %[1]s histogram\n%[1]s_bucket{%[2]s,le=\"+Inf\"} %[3]d\n%[1]s_sum{%[2]s} %[4]v\n%[1]s_count{%[2]s} %[3]d\n",
		queue, labels, s.left, s.queued.Seconds())
}
