package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"gpusignal/node"
)

// TritonConfig says how a simulated Triton server works.
type TritonConfig struct {
	// Pod is the server's name in the truth log, namespace/name.
	Pod    string
	Models []TritonModel
	// Histograms and Summaries are what --metrics-config switches on; both are off by default.
	Histograms, Summaries bool
	// Started is when the process started (now).
	Started time.Time
}

// TritonModel is a model of a simulated Triton server. Zero fields get the defaults that NewTriton names.
type TritonModel struct {
	Name string
	// Version is the model's version ("1").
	Version string
	// Instances execute at once (1), each a batch that takes Service (20 ms), and a fifth of it more for each further request.
	Instances int
	Service   time.Duration
	// MaxBatch is how many requests are batched (1: none); a batch that is not full waits Delay for more (0).
	MaxBatch int
	Delay    time.Duration
	// MaxQueue is how many requests may wait (0: any).
	MaxQueue int
	// Cache keeps responses, by the request's cache_key.
	Cache bool
	// Load is how long the model took to load (10 s).
	Load time.Duration
}

// Triton is a simulated Triton server.
type Triton struct {
	cfg    TritonConfig
	on     *process
	log    *truth
	models []*model

	mu      sync.Mutex
	pages   int
	board   node.Reading // of the GPU, renewed every 2 s as by --metrics-interval-ms
	renewed time.Time
	energy  int64 // the device's counter at the start, µJ
}

// NewTriton returns a server on a device of its own. It starts nothing.
func NewTriton(cfg TritonConfig) *Triton {
	return newTriton(cfg, nil, alone())
}

func newTriton(cfg TritonConfig, log *truth, on *process) *Triton {
	if cfg.Started.IsZero() {
		cfg.Started = time.Now()
	}
	t := &Triton{cfg: cfg, on: on, log: log, energy: on.gpu.read(node.WantCounters).Energy.Value}
	for _, m := range cfg.Models {
		m.Version = cmp.Or(m.Version, "1")
		m.Instances = cmp.Or(m.Instances, 1)
		m.Service = cmp.Or(m.Service, 20*time.Millisecond)
		m.MaxBatch = cmp.Or(m.MaxBatch, 1)
		m.Load = cmp.Or(m.Load, 10*time.Second)
		t.models = append(t.models, newModel(m, t))
	}
	return t
}

// Run runs the instances of all models until ctx ends.
func (t *Triton) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, m := range t.models {
		for range m.cfg.Instances {
			wg.Go(func() { m.run(ctx) })
		}
	}
	return nil
}

// Handler serves the inference API (port 8000 of the real server).
func (t *Triton) Handler() http.Handler {
	mux := http.NewServeMux()
	alive := func(http.ResponseWriter, *http.Request) {}
	mux.HandleFunc("GET /v2/health/live", alive)
	mux.HandleFunc("GET /v2/health/ready", alive)
	mux.HandleFunc("GET /v2/models/{model}/ready", func(w http.ResponseWriter, r *http.Request) {
		if t.model(r.PathValue("model")) == nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	mux.HandleFunc("POST /v2/models/{model}/infer", t.infer)
	return mux
}

// Metrics serves /metrics (port 8002 of the real server).
func (t *Triton) Metrics() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		n, body := t.page()
		writePage(w, n, body)
	})
	return mux
}

func (t *Triton) model(name string) *model {
	for _, m := range t.models {
		if m.cfg.Name == name {
			return m
		}
	}
	return nil
}

// inference is the part of an inference request that the simulation understands. The first dimension of the first input
// is the client's own batch.
type inference struct {
	ID     string `json:"id"`
	Inputs []struct {
		Shape []int `json:"shape"`
	} `json:"inputs"`
	Parameters struct {
		// ServiceTime is how long the model computes, in microseconds; 0 for the model's own time.
		ServiceTime int `json:"service_time_us"`
		// CacheKey stands for the content of the request.
		CacheKey string `json:"cache_key"`
	} `json:"parameters"`
}

func (t *Triton) infer(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("model")
	m := t.model(name)
	if m == nil {
		writeJSON(w, http.StatusNotFound, fault(fmt.Sprintf("Request for unknown model: '%s' is not found", name)))
		return
	}
	var in inference
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
		writeJSON(w, http.StatusBadRequest, fault(fmt.Sprintf("failed to parse the request JSON buffer: %v", err)))
		return
	}
	service := time.Duration(in.Parameters.ServiceTime) * time.Microsecond
	if service < 0 || service > time.Minute {
		writeJSON(w, http.StatusBadRequest, fault("parameter service_time_us has to be between 0 and 60000000"))
		return
	}
	work := &work{service: cmp.Or(service, m.cfg.Service), key: in.Parameters.CacheKey, batch: 1, done: make(chan struct{})}
	if len(in.Inputs) > 0 && len(in.Inputs[0].Shape) > 1 {
		work.batch = min(max(1, in.Inputs[0].Shape[0]), 128)
	}
	switch err := m.submit(r.Context(), work); {
	case errors.Is(err, errQueueFull):
		writeJSON(w, http.StatusServiceUnavailable, fault("Exceeds maximum queue size"))
	case err != nil: // The client is gone; nobody reads the answer.
		w.WriteHeader(499)
	default:
		writeJSON(w, http.StatusOK, map[string]any{
			"id": in.ID, "model_name": name, "model_version": m.cfg.Version,
			"outputs": []any{map[string]any{"name": "OUTPUT", "datatype": "FP32", "shape": []int{work.batch, 1}, "data": make([]float32, work.batch)}},
		})
	}
}

func fault(message string) map[string]string { return map[string]string{"error": message} }
