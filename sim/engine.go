package sim

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// errQueueFull says that a server has as many requests waiting as it allows.
var errQueueFull = errors.New("the queue is full")

// stepTokens is how many prompt tokens a step computes at most; the sequence that passes it still goes whole.
const stepTokens = 2048

// sequence is one request inside a vLLM engine.
type sequence struct {
	hash    uint64
	chain   []uint64 // running hash of the prompt at the end of each KV block
	adapter string
	// prompt and limit are tokens asked for, length is how many it will generate, and reason why it then ends.
	prompt, limit, length int
	reason                string

	// compute is how many tokens its next step has to compute before it generates; cached what the prefix cache gave.
	compute, cached, blocks, generated int
	arrived, admitted, first, last     time.Time
	done                               chan struct{}
}

// engine is the scheduler of a vLLM server: a FIFO queue, slots, KV blocks and steps. In each step every running sequence
// gets a token, and more with speculative decoding.
type engine struct {
	cfg  VLLMConfig
	on   []*process // the ranks, one on each device: a step executes on all of them
	log  *truth
	wake chan struct{}

	mu               sync.Mutex
	waiting, running []*sequence
	free             int      // KV blocks
	prefix           []uint64 // the prompt that the prefix cache holds
	stats            engineStats
}

func newEngine(cfg VLLMConfig, on []*process, log *truth) *engine {
	return &engine{cfg: cfg, on: on, log: log, wake: make(chan struct{}, 1), free: cfg.Blocks, stats: newEngineStats(cfg)}
}

// submit queues a sequence and waits until it has ended.
func (e *engine) submit(ctx context.Context, s *sequence) error {
	e.mu.Lock()
	if e.cfg.MaxQueued > 0 && len(e.waiting) >= e.cfg.MaxQueued {
		e.stats.rejected++
		e.log.event("rejected", "pod", e.cfg.Pod, "model", e.cfg.Model, "reason", "max_num_queued_reqs")
		e.mu.Unlock()
		return errQueueFull
	}
	s.arrived = time.Now()
	s.compute = s.prompt
	e.waiting = append(e.waiting, s)
	e.logLoad()
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		e.abort(s)
		return ctx.Err()
	}
}

// abort drops a sequence whose client is gone. The page's request families never count it, as vLLM's do not.
func (e *engine) abort(s *sequence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	in := func(list []*sequence) bool { return slices.Contains(list, s) }
	if !in(e.waiting) && !in(e.running) {
		return
	}
	drop := func(list []*sequence) []*sequence {
		return slices.DeleteFunc(list, func(o *sequence) bool { return o == s })
	}
	e.waiting, e.running = drop(e.waiting), drop(e.running)
	s.reason = "abort"
	e.release(s)
	e.logRequest(s, "abort", time.Now())
	e.logLoad()
}

// run steps until ctx ends.
func (e *engine) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		d := e.begin()
		if d == 0 {
			select {
			case <-ctx.Done():
				return
			case <-e.wake:
			}
			continue
		}
		timer.Reset(d)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			e.finish()
		}
	}
}

// begin puts a batch together and starts a step; it returns how long the step takes, 0 when there is nothing to do.
func (e *engine) begin() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.grow()
	e.admit()
	if len(e.running) == 0 {
		return 0
	}
	d := e.cfg.Step + time.Duration(len(e.running))*e.cfg.PerSeq
	for _, s := range e.running {
		d += time.Duration(s.compute) * e.cfg.PerPrompt
	}
	for _, rank := range e.on {
		rank.execute(time.Duration(float64(d) * e.cfg.Duty))
	}
	return d
}

// grow gives every running sequence the blocks for its next tokens; when they run out, the newest sequence goes back to
// the head of the queue and will be computed again.
func (e *engine) grow() {
	for i := 0; i < len(e.running); i++ {
		s := e.running[i]
		need := e.blocks(min(s.prompt+s.generated+1+e.cfg.Drafts, s.prompt+s.length)) - s.blocks
		for need > e.free && i < len(e.running) {
			newest := e.running[len(e.running)-1]
			e.running = e.running[:len(e.running)-1]
			e.release(newest)
			newest.compute = newest.prompt + newest.generated
			e.waiting = slices.Insert(e.waiting, 0, newest)
			e.stats.preemptions++
			e.logLoad()
		}
		if i < len(e.running) && need > 0 {
			e.free -= need
			s.blocks += need
		}
	}
}

// admit moves sequences from the queue into free slots, in order, while there are blocks and the step is not too long.
func (e *engine) admit() {
	budget := stepTokens
	moved := false
	for len(e.waiting) > 0 && len(e.running) < e.cfg.MaxSeqs && budget > 0 {
		s := e.waiting[0]
		need := e.blocks(s.prompt + s.generated + 1)
		if need > e.free {
			break
		}
		e.waiting = slices.Delete(e.waiting, 0, 1)
		e.running = append(e.running, s)
		e.free -= need
		s.blocks = need
		if s.admitted.IsZero() {
			s.admitted = time.Now()
			s.cached = e.lookup(s)
			s.compute = s.prompt - s.cached
		}
		budget -= s.compute
		moved = true
	}
	if moved {
		e.logLoad()
	}
}

// lookup asks the prefix cache, which holds the newest prompt, how many of the prompt's tokens need not be computed. One
// token always has to be.
func (e *engine) lookup(s *sequence) int {
	n := 0
	for n < min(len(s.chain), len(e.prefix)) && s.chain[n] == e.prefix[n] {
		n++
	}
	e.prefix = s.chain
	hits := n * e.cfg.BlockSize
	e.stats.cacheQueries += s.prompt
	e.stats.cacheHits += hits
	if hits == s.prompt {
		e.stats.recomputed++
		hits--
	}
	return hits
}

// finish ends a step: it hands out the tokens and counts them.
func (e *engine) finish() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	var prompt, generation, computed int
	var ended []*sequence
	for _, s := range e.running {
		computed += s.compute
		s.compute = 0
		n := e.emit(s)
		if s.first.IsZero() {
			s.first = now
			prompt += s.prompt
			e.stats.firstToken.observe(now.Sub(s.arrived).Seconds())
			e.stats.cachedTokens += s.cached
		} else {
			e.stats.interToken.observe(now.Sub(s.last).Seconds())
		}
		s.last = now
		s.generated += n
		generation += n
		if s.generated >= s.length {
			ended = append(ended, s)
		}
	}
	if len(e.running) == 0 { // Everything in the step was aborted.
		return
	}
	e.stats.promptTokens += prompt
	e.stats.generationTokens += generation
	e.stats.iterationTokens.observe(float64(computed + generation))
	for _, s := range ended {
		e.release(s)
	}
	e.log.event("tokens", "pod", e.cfg.Pod, "model", e.cfg.Model, "prompt", prompt, "generation", generation,
		"kv_blocks", e.cfg.Blocks-e.free)
	e.end(ended, now)
	e.stats.noteAdapters(e.running, e.waiting, now)
}

// end counts the sequences that have all their tokens, and lets their clients go.
func (e *engine) end(ended []*sequence, now time.Time) {
	if len(ended) == 0 {
		return
	}
	e.running = slices.DeleteFunc(e.running, func(s *sequence) bool { return slices.Contains(ended, s) })
	for _, s := range ended {
		e.stats.ended(s, now)
		e.logRequest(s, "success", now)
		close(s.done)
	}
	e.logLoad()
}

// emit is how many tokens a sequence gets in this step: one, and those drafts in a row that turn out right.
func (e *engine) emit(s *sequence) int {
	n := 1
	if e.cfg.Drafts == 0 || s.first.IsZero() {
		return n
	}
	e.stats.drafts++
	for position := range e.cfg.Drafts {
		if mix(s.hash, uint64(s.generated+position))%10 >= 4 {
			break
		}
		e.stats.accepted[position]++
		n++
	}
	return min(n, s.length-s.generated)
}

func (e *engine) release(s *sequence) {
	e.free += s.blocks
	s.blocks = 0
}

// blocks that n tokens need.
func (e *engine) blocks(n int) int { return (n + e.cfg.BlockSize - 1) / e.cfg.BlockSize }

func (e *engine) logLoad() {
	e.log.event("load", "pod", e.cfg.Pod, "model", e.cfg.Model, "running", len(e.running), "waiting", len(e.waiting))
}

func (e *engine) logRequest(s *sequence, outcome string, now time.Time) {
	admitted := s.admitted
	if admitted.IsZero() {
		admitted = now
	}
	e.log.event("request", "pod", e.cfg.Pod, "model", e.cfg.Model, "outcome", outcome, "reason", s.reason,
		"queue_ns", admitted.Sub(s.arrived), "start", admitted, "end", now, "prompt", s.prompt, "generation", s.generated)
}
