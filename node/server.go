package node

import "time"

// Unread is the Fault of a server whose page is being read for the first time.
const Unread = "unread"

// Server is one metrics endpoint of a model server, and what its pages have said.
type Server struct {
	// Pod whose server it is. An endpoint that was given without a pod has its host and port as Name.
	Pod PodID
	// Engine is the server's kind, "vllm" or "triton", and empty before the first good page.
	Engine string
	// Announced is the kind that the configuration or the pod says it is, empty where neither does. Pages decide Engine alone.
	Announced string
	// URL of the metrics page.
	URL string
	// Found is what named the page, for people: "configuration", the prefix of an annotation, "declared port" …
	Found string
	// Quiet says that nothing tells that there is a model server at all: its fault is no alarm.
	Quiet bool
	// At is when the last byte of the newest good page arrived, zero before the first.
	At time.Time
	// Fault is why the newest page could not be read, empty when it could; one of a small set ("refused", "timeout" …).
	Fault string
	// Detail is the error behind Fault, for people.
	Detail string
	// Took is how long the newest fetch took, request to last byte, and Bytes how long the page was.
	Took  time.Duration
	Bytes int
	// Slowed is the factor by which the page is read less often than asked, because reading it takes long: 1 for not at all, 0
	// where it is not read.
	Slowed float64
	// Pages and Failures count fetches.
	Pages, Failures uint64
	// FirstPage is the first good page since the container started: there loading ends.
	FirstPage time.Time
	// Startup is the time from the container's start, which is told in whole seconds, to its first good page. Known only where the
	// server was seen not to be ready before: else nobody knows when it became ready.
	Startup Opt[time.Duration]
	// WaitingSince is when the first of the requests now waiting was seen, zero while none waits.
	WaitingSince time.Time
	// InHandSince is when requests now running or waiting were first seen, zero while there are none.
	InHandSince time.Time
	// EndedAt is the last page at which a request had ended, zero before the first.
	EndedAt time.Time
	// ProgressSince is the last page at which any work counter had moved, or the first page.
	ProgressSince time.Time
	// BusyAt is the last instant with a request in hand or a work counter moving, or the first page.
	BusyAt time.Time
	// Span is what the windows of Models cover; it is zero before one whole signal window has been seen.
	Span time.Duration
	// Sleeping says that the engine's weights are off the GPU by command.
	Sleeping bool
	// Lost names the readings ("waiting" …) that pages told since the container started and have not told for a minute. They
	// are not Known any more: what is worked out from all of them must not be worked out from the rest.
	Lost []string
	// Merged is how many models were too many to tell apart since the exporter first read the page, at least: they are summed
	// in one, named "_other".
	Merged int
	// Models, by name. Data-parallel ranks, versions and other series of one model are summed.
	Models []Model
}

// Model is one model of a server. What its pages have never told is not Known; what they have told since the container
// started stays Known.
type Model struct {
	Name string
	// Ranks is the number of data-parallel ranks, at least 1.
	Ranks int
	// Running and Waiting requests. Running may be an estimate: see RunningEstimated.
	Running, Waiting Opt[Gauge]
	// RunningEstimated says that Running is worked out by Little's law from duration counters.
	RunningEstimated bool
	// Capacity is the part of Waiting that waits for capacity alone.
	Capacity Opt[Gauge]
	// KVCache is the greatest usage over the ranks, 0–1.
	KVCache Opt[Gauge]
	// MaxRunning is how many requests a rank runs at once, times the ranks.
	MaxRunning Opt[float64]
	// Requests ended, by outcome ("success", "error", "cancelled", "rejected" …).
	Requests map[string]Counter
	// PromptTokens and GenerationTokens processed.
	PromptTokens, GenerationTokens Opt[Counter]
	// Queue is the time requests waited; ComputeInput the time Triton took to prepare inputs; FirstToken and InterToken
	// the latencies a client of a token engine feels. In seconds.
	Queue, ComputeInput, FirstToken, InterToken Opt[Latency]
}

// Gauge is a level: its newest value, and its mean and peak over the signal window.
type Gauge struct{ Last, Mean, Peak float64 }

// Counter is a count since gpusignal first saw the series (it survives restarts of the server), and its increase over
// the signal window.
type Counter struct{ Total, Increase float64 }

// Latency is a sum of seconds over a count of requests.
type Latency struct {
	Sum, Count Counter
	// Mean is ΔSum ÷ ΔCount of the newest page at which Count moved; not Known before.
	Mean Opt[float64]
	// Buckets over the signal window, cumulative as on the page, by Upper; empty where the server has no histogram.
	Buckets []Bucket
}

// Bucket of a histogram: observations of at most Upper seconds within the signal window, and in Total since the server's bounds are
// what they are.
type Bucket struct{ Upper, Increase, Total float64 }
