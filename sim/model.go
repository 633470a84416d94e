package sim

import (
	"context"
	"slices"
	"sync"
	"time"
)

// work is one request inside a Triton model.
type work struct {
	service time.Duration
	key     string // of the response cache, empty for none
	batch   int    // the client's own batch size

	arrived, started time.Time
	done             chan struct{}
}

// model is one model of a Triton server: a FIFO queue and instances that take batches from it.
type model struct {
	cfg  TritonModel
	on   *process
	log  *truth
	pod  string
	wake chan struct{}

	mu      sync.Mutex
	queue   []*work
	running int
	cache   map[string]bool
	stats   modelStats
}

// phases are the parts of an execution.
type phases struct{ input, infer, output time.Duration }

func (p phases) total() time.Duration { return p.input + p.infer + p.output }

func newModel(cfg TritonModel, t *Triton) *model {
	return &model{
		cfg: cfg, on: t.on, log: t.log, pod: t.cfg.Pod, wake: make(chan struct{}, cfg.Instances),
		cache: map[string]bool{}, stats: newModelStats(t.cfg.Summaries),
	}
}

// submit queues a request and waits until it has been answered.
func (m *model) submit(ctx context.Context, w *work) error {
	if done, err := m.enqueue(w); done || err != nil {
		return err
	}
	select {
	case m.wake <- struct{}{}:
	default: // Every instance is about to look at the queue anyway.
	}
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		m.cancel(w)
		return ctx.Err()
	}
}

// enqueue puts a request into the queue, unless the cache answers it at once or the queue is full.
func (m *model) enqueue(w *work) (done bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.arrived = time.Now()
	if m.cfg.Cache && w.key != "" {
		if m.cache[w.key] {
			m.hit(w)
			return true, nil
		}
		m.stats.misses++
		m.stats.missTime += lookupTime
	}
	if m.cfg.MaxQueue > 0 && len(m.queue) >= m.cfg.MaxQueue {
		m.stats.failures["REJECTED"]++
		m.log.event("request", "pod", m.pod, "model", m.cfg.Name, "outcome", "REJECTED", "queue_ns", 0)
		return false, errQueueFull
	}
	m.queue = append(m.queue, w)
	m.logLoad()
	return false, nil
}

// hit answers from the cache: a request that succeeded, without an inference.
func (m *model) hit(w *work) {
	m.stats.success++
	m.stats.hits++
	m.stats.hitTime += lookupTime
	m.stats.request += lookupTime.Microseconds()
	m.stats.first.observe(float64(lookupTime.Microseconds()) / 1000)
	m.log.event("request", "pod", m.pod, "model", m.cfg.Name, "outcome", "success", "queue_ns", 0, "start", w.arrived,
		"end", w.arrived.Add(lookupTime), "input_ns", 0, "infer_ns", 0, "output_ns", 0, "batch", 0)
}

// lookupTime is what a look into the response cache is counted as.
const lookupTime = 150 * time.Microsecond

// cancel takes a request whose client is gone out of the queue; one that executes goes on to its end.
func (m *model) cancel(w *work) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.queue, w)
	if i < 0 {
		return
	}
	m.queue = slices.Delete(m.queue, i, i+1)
	m.stats.failures["CANCELED"]++
	m.log.event("request", "pod", m.pod, "model", m.cfg.Name, "outcome", "CANCELED", "queue_ns", time.Since(w.arrived))
	m.logLoad()
}

// run is one instance.
func (m *model) run(ctx context.Context) {
	for {
		batch, took, wait := m.take()
		switch {
		case batch != nil:
			if !sleep(ctx, took.total(), nil) {
				return
			}
			m.complete(batch, took)
		case !sleep(ctx, wait, m.wake):
			return
		}
	}
}

// sleep waits for d, for ever when it is 0, or until woken; it is false when ctx ended.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-over:
	case <-wake:
	}
	return true
}

// take begins a batch, or says how long to wait for one to be due (0: until there is a request).
func (m *model) take() ([]*work, phases, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) == 0 {
		return nil, phases{}, 0
	}
	if len(m.queue) < m.cfg.MaxBatch {
		if wait := m.cfg.Delay - time.Since(m.queue[0].arrived); wait > 0 {
			return nil, phases{}, wait
		}
	}
	n := min(len(m.queue), m.cfg.MaxBatch)
	batch := slices.Clone(m.queue[:n])
	m.queue = slices.Delete(m.queue, 0, n)
	var service time.Duration
	for _, w := range batch {
		service = max(service, w.service)
	}
	took := phases{
		input:  100*time.Microsecond + service/50,
		infer:  service + service*time.Duration(n-1)/5,
		output: 50*time.Microsecond + service/100,
	}
	started := m.on.execute(took.total())
	for _, w := range batch {
		w.started = started
	}
	m.running += n
	m.logLoad()
	return batch, took, 0
}

// complete counts a batch that was executed, and lets its clients go. Triton counts a request after it has answered it.
func (m *model) complete(batch []*work, took phases) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running -= len(batch)
	m.stats.executions++
	for _, w := range batch {
		queued := w.started.Sub(w.arrived)
		m.stats.count(w.batch, queued, took)
		if w.key != "" && m.cfg.Cache {
			m.cache[w.key] = true
		}
		m.log.event("request", "pod", m.pod, "model", m.cfg.Name, "outcome", "success", "queue_ns", queued,
			"start", w.started, "end", w.started.Add(took.total()), "input_ns", took.input, "infer_ns", took.infer,
			"output_ns", took.output, "batch", w.batch)
		close(w.done)
	}
	m.logLoad()
}

func (m *model) logLoad() {
	m.log.event("load", "pod", m.pod, "model", m.cfg.Name, "running", m.running, "waiting", len(m.queue))
}

// modelStats is what a model has counted. Times are whole microseconds, cut off for each request as Triton does it.
type modelStats struct {
	success, inferences, executions, hits, misses int
	failures                                      map[string]int
	request, queue, input, infer, output          int64
	hitTime, missTime                             time.Duration
	first                                         *histogram
	summaries                                     map[string]*summary
}

func newModelStats(summaries bool) modelStats {
	s := modelStats{failures: map[string]int{}, first: newHistogram([]float64{100, 500, 2000, 5000})}
	if summaries {
		s.summaries = map[string]*summary{}
		for _, name := range []string{"request", "queue", "compute_input", "compute_infer", "compute_output"} {
			s.summaries[name] = &summary{}
		}
	}
	return s
}

func (s *modelStats) count(batch int, queued time.Duration, took phases) {
	s.success++
	s.inferences += batch
	request := queued + took.total()
	s.request += request.Microseconds()
	s.queue += queued.Microseconds()
	s.input += took.input.Microseconds()
	s.infer += took.infer.Microseconds()
	s.output += took.output.Microseconds()
	s.first.observe(float64(request.Microseconds()) / 1000)
	now := time.Now()
	for name, sum := range s.summaries {
		d := map[string]time.Duration{
			"request": request, "queue": queued,
			"compute_input": took.input, "compute_infer": took.infer, "compute_output": took.output,
		}[name]
		sum.observe(now, float64(d.Microseconds()))
	}
}

// summary has the quantiles of the last minute, and sum and count since the start.
type summary struct {
	recent []observation
	sum    float64
	n      int
}

type observation struct {
	at    time.Time
	value float64
}

func (s *summary) observe(at time.Time, v float64) {
	s.n++
	s.sum += v
	s.recent = append(s.recent, observation{at, v})
	s.drop(at)
}

func (s *summary) drop(now time.Time) {
	old := now.Add(-time.Minute)
	i := 0
	for i < len(s.recent) && s.recent[i].at.Before(old) {
		i++
	}
	s.recent = slices.Delete(s.recent, 0, i)
}

// values are the observations of the last minute in order of size.
func (s *summary) values(now time.Time) []float64 {
	s.drop(now)
	out := make([]float64, len(s.recent))
	for i, o := range s.recent {
		out[i] = o.value
	}
	slices.Sort(out)
	return out
}
