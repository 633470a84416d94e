package sim

import (
	"slices"
	"strings"
	"time"
)

// engineStats is what a vLLM engine has counted. The engine's lock guards it.
type engineStats struct {
	promptTokens, generationTokens, cachedTokens, recomputed int
	cacheQueries, cacheHits                                  int
	preemptions, rejected, drafts                            int
	accepted                                                 []int // drafts found right, by position
	success                                                  map[string]int

	firstToken, interToken, perToken                          *histogram
	latency, queue, inference, prefill, decode                *histogram
	prompt, generation, maxGeneration, n, maxTokens, computed *histogram
	iterationTokens                                           *histogram

	adapters map[[2]string]time.Time // running and waiting adapters, and when last so
}

func newEngineStats(cfg VLLMConfig) engineStats {
	first := []float64{
		.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
	}
	token := []float64{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}
	request := []float64{
		.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
	}
	lengths := oneTwoFive(cfg.MaxLen)
	return engineStats{
		accepted: make([]int, cfg.Drafts),
		success:  map[string]int{},
		adapters: map[[2]string]time.Time{},

		firstToken: newHistogram(first), interToken: newHistogram(token), perToken: newHistogram(token),
		latency: newHistogram(request), queue: newHistogram(request), inference: newHistogram(request),
		prefill: newHistogram(request), decode: newHistogram(request),
		prompt: newHistogram(lengths), generation: newHistogram(lengths), maxGeneration: newHistogram(lengths),
		n: newHistogram([]float64{1, 2, 5, 10, 20}), maxTokens: newHistogram(lengths), computed: newHistogram(lengths),
		iterationTokens: newHistogram([]float64{1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384}),
	}
}

// oneTwoFive are 1, 2, 5, 10, 20, 50 … up to most.
func oneTwoFive(most int) []float64 {
	var out []float64
	for power := 1; ; power *= 10 {
		for _, m := range []int{1, 2, 5} {
			if m*power > most {
				return out
			}
			out = append(out, float64(m*power))
		}
	}
}

// ended counts a sequence that has all its tokens. vLLM observes every time of a request here, at its end.
func (s *engineStats) ended(q *sequence, now time.Time) {
	decode := now.Sub(q.first).Seconds()
	s.success[q.reason]++
	s.latency.observe(now.Sub(q.arrived).Seconds())
	s.queue.observe(q.admitted.Sub(q.arrived).Seconds())
	s.inference.observe(now.Sub(q.admitted).Seconds())
	s.prefill.observe(q.first.Sub(q.admitted).Seconds())
	s.decode.observe(decode)
	s.perToken.observe(decode / float64(max(1, q.generated-1)))
	s.prompt.observe(float64(q.prompt))
	s.generation.observe(float64(q.generated))
	s.maxGeneration.observe(float64(q.generated))
	s.n.observe(1)
	s.maxTokens.observe(float64(q.limit))
	s.computed.observe(float64(q.prompt - q.cached))
}

// noteAdapters remembers when which LoRA adapters ran and waited: the real server makes a series of every combination.
func (s *engineStats) noteAdapters(running, waiting []*sequence, now time.Time) {
	s.adapters[[2]string{adapters(running), adapters(waiting)}] = now
}

func adapters(list []*sequence) string {
	var names []string
	for _, q := range list {
		if q.adapter != "" && !slices.Contains(names, q.adapter) {
			names = append(names, q.adapter)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}
