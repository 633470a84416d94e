package scaling

import (
	"fmt"
	"strconv"
	"strings"
)

// bound is one target: how it is called, where it is kept, and within what it may be set.
type bound struct {
	// field is its name in the configuration, annotation its name on a pod.
	field, annotation string
	least, most       float64
	unit              string
	rule              func(*Rule) **float64
	target            func(*Target) *Setting
}

// bounds returns every target, in the order of the configuration.
func bounds() []bound {
	return []bound{
		{
			"queue", "gpusignal/queue-target", 0.1, 10_000, "requests",
			func(r *Rule) **float64 { return &r.Queue }, func(t *Target) *Setting { return &t.Queue },
		},
		{
			"max_running", "gpusignal/max-running", 1, 100_000, "requests",
			func(r *Rule) **float64 { return &r.MaxRunning }, func(t *Target) *Setting { return &t.MaxRunning },
		},
		{
			"concurrency", "gpusignal/concurrency-target", 0.1, 100_000, "requests",
			func(r *Rule) **float64 { return &r.Concurrency }, func(t *Target) *Setting { return &t.Concurrency },
		},
		{
			"queue_time", "gpusignal/queue-time-target", 0.0001, 3600, "seconds",
			func(r *Rule) **float64 { return &r.QueueTime }, func(t *Target) *Setting { return &t.QueueTime },
		},
		{
			"time_to_first_token", "gpusignal/time-to-first-token-target", 0.001, 3600, "seconds",
			func(r *Rule) **float64 { return &r.TimeToFirstToken }, func(t *Target) *Setting { return &t.TimeToFirstToken },
		},
		{
			"inter_token_latency", "gpusignal/inter-token-latency-target", 0.0001, 60, "seconds",
			func(r *Rule) **float64 { return &r.InterTokenLatency }, func(t *Target) *Setting { return &t.InterTokenLatency },
		},
		{
			// At most 0.9, so that a busy GPU can pass 1.1: an HPA acts only 10 % above its target.
			"gpu", "gpusignal/gpu-target", 0.01, 0.9, "as a ratio",
			func(r *Rule) **float64 { return &r.GPU }, func(t *Target) *Setting { return &t.GPU },
		},
	}
}

// holds says that a value lies within the bounds; what is no number does not.
func (b bound) holds(v float64) bool { return v >= b.least && v <= b.most }

// fields names every target of the configuration.
func fields() string {
	var names []string
	for _, b := range bounds() {
		names = append(names, b.field)
	}
	return strings.Join(names, ", ")
}

// annotate overrides targets by a pod's annotations.
func annotate(out *Target, annotations map[string]string) {
	if len(annotations) == 0 {
		return
	}
	for _, b := range bounds() {
		text, ok := annotations[b.annotation]
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || !b.holds(v) {
			out.Problems = append(out.Problems, fmt.Sprintf("annotation %s: %q is ignored: set it to a number from %v to %v %s",
				b.annotation, text, b.least, b.most, b.unit))
			continue
		}
		*b.target(out) = Setting{v, "annotation " + b.annotation}
	}
}
