package web

import (
	"time"

	"gpusignal/node"
)

type serverView struct {
	Namespace     string      `json:"namespace"`
	Pod           string      `json:"pod"`
	UID           string      `json:"uid"`
	Engine        string      `json:"engine"`
	Announced     string      `json:"announced"`
	URL           string      `json:"url"`
	Found         string      `json:"found_by"`
	Quiet         bool        `json:"quiet"`
	At            *time.Time  `json:"at"`
	Fault         string      `json:"fault"`
	Detail        string      `json:"detail"`
	Took          float64     `json:"duration_seconds"`
	Slowdown      float64     `json:"slowdown"`
	Bytes         int         `json:"bytes"`
	Pages         uint64      `json:"pages"`
	Failures      uint64      `json:"failures"`
	FirstPage     *time.Time  `json:"first_page"`
	Startup       *float64    `json:"startup_seconds"`
	WaitingSince  *time.Time  `json:"waiting_since"`
	InHandSince   *time.Time  `json:"in_hand_since"`
	EndedAt       *time.Time  `json:"ended_at"`
	ProgressSince *time.Time  `json:"progress_since"`
	BusyAt        *time.Time  `json:"busy_at"`
	Window        float64     `json:"window_seconds"`
	Sleeping      bool        `json:"sleeping"`
	Lost          []string    `json:"lost"`
	Merged        int         `json:"merged_models"`
	Models        []modelView `json:"models"`
}

type modelView struct {
	Name             string                 `json:"name"`
	Ranks            int                    `json:"ranks"`
	Running          *gaugeView             `json:"running"`
	RunningEstimated bool                   `json:"running_estimated"`
	Waiting          *gaugeView             `json:"waiting"`
	Capacity         *gaugeView             `json:"waiting_for_capacity"`
	KVCache          *gaugeView             `json:"kv_cache_usage"`
	MaxRunning       *float64               `json:"max_running"`
	Requests         map[string]counterView `json:"requests"`
	PromptTokens     *counterView           `json:"prompt_tokens"`
	GenerationTokens *counterView           `json:"generation_tokens"`
	Queue            *latencyView           `json:"queue_time"`
	ComputeInput     *latencyView           `json:"compute_input_time"`
	FirstToken       *latencyView           `json:"time_to_first_token"`
	InterToken       *latencyView           `json:"inter_token_latency"`
}

// gaugeView is a level, its mean and its peak over the window.
type gaugeView struct {
	Last *float64 `json:"last"`
	Mean *float64 `json:"mean"`
	Peak *float64 `json:"peak"`
}

// counterView is a count, and its increase over the window.
type counterView struct {
	Total    *float64 `json:"total"`
	Increase *float64 `json:"increase"`
}

// latencyView is a sum of seconds over a count, and the last mean of them.
type latencyView struct {
	Sum   counterView `json:"sum_seconds"`
	Count counterView `json:"count"`
	Mean  *float64    `json:"last_mean_seconds"`
}

func viewServer(s node.Server) serverView {
	return serverView{
		Namespace: s.Pod.Namespace, Pod: s.Pod.Name, UID: s.Pod.UID, Engine: s.Engine, Announced: s.Announced, URL: address(s.URL), Found: s.Found, Quiet: s.Quiet, At: instant(s.At),
		Fault: s.Fault, Detail: s.Detail, Took: s.Took.Seconds(), Slowdown: s.Slowed, Bytes: s.Bytes, Pages: s.Pages, Failures: s.Failures,
		FirstPage: instant(s.FirstPage), Startup: seconds(s.Startup), WaitingSince: instant(s.WaitingSince), InHandSince: instant(s.InHandSince),
		EndedAt: instant(s.EndedAt), ProgressSince: instant(s.ProgressSince), BusyAt: instant(s.BusyAt),
		Window: s.Span.Seconds(), Sleeping: s.Sleeping, Lost: append([]string{}, s.Lost...), Merged: s.Merged, Models: each(s.Models, viewModel),
	}
}

func viewModel(m node.Model) modelView {
	out := modelView{
		Name: m.Name, Ranks: m.Ranks, Running: optional(m.Running, viewGauge), RunningEstimated: m.RunningEstimated,
		Waiting: optional(m.Waiting, viewGauge), Capacity: optional(m.Capacity, viewGauge), KVCache: optional(m.KVCache, viewGauge),
		MaxRunning: number(m.MaxRunning), Requests: make(map[string]counterView, len(m.Requests)),
		PromptTokens: optional(m.PromptTokens, viewCounter), GenerationTokens: optional(m.GenerationTokens, viewCounter),
		Queue: optional(m.Queue, viewLatency), ComputeInput: optional(m.ComputeInput, viewLatency),
		FirstToken: optional(m.FirstToken, viewLatency), InterToken: optional(m.InterToken, viewLatency),
	}
	for outcome, c := range m.Requests {
		out.Requests[outcome] = viewCounter(c)
	}
	return out
}

func viewGauge(g node.Gauge) gaugeView {
	return gaugeView{finite(g.Last), finite(g.Mean), finite(g.Peak)}
}

func viewCounter(c node.Counter) counterView { return counterView{finite(c.Total), finite(c.Increase)} }

func viewLatency(l node.Latency) latencyView {
	return latencyView{viewCounter(l.Sum), viewCounter(l.Count), number(l.Mean)}
}

// optional is nil for what is not known.
func optional[A, B any](v node.Opt[A], f func(A) B) *B {
	if !v.Known {
		return nil
	}
	return new(f(v.Value))
}

// finite is nil for what is no number.
func finite(v float64) *float64 { return number(node.Some(v)) }

// seconds is nil for a duration that is not known.
func seconds(d node.Opt[time.Duration]) *float64 {
	if !d.Known {
		return nil
	}
	return new(d.Value.Seconds())
}
