package engine

// Dialect says, as data, how one kind of model server spells what gpusignal reads. There is no check of versions: of each
// reading's candidates the first that a page has is taken, so that a server may rename its families.
type Dialect struct {
	// Name of the engine, "vllm".
	Name string
	// Port that the server uses for its metrics page unless told otherwise; the path is /metrics.
	Port int
	// Images are parts of container images that tell the engine.
	Images []string
	// Marks tell the engine by its page: one match is enough.
	Marks []Mark
	// Precedence decides when a page bears the marks of several dialects: the greater wins.
	Precedence int
	// Model are the labels that may hold the model's name, the first present wins.
	Model []string
	// Ranks are the labels that tell data-parallel ranks and replicas of one model apart.
	Ranks []string
	// MaxRunning is the argument that sets how many requests a rank runs at once, "--max-num-seqs".
	MaxRunning string
	// Readings and where to find each, the first present wins, for each model by itself.
	Readings map[Measure][]Candidate
}

// Mark is the beginning of a sample's name and, unless empty, a label that the sample must have.
type Mark struct{ Prefix, Label string }

// Measure is one thing that gpusignal reads of a model.
type Measure uint8

// The measures. Their units are seconds, requests, tokens and ratios from 0 to 1.
const (
	Running Measure = iota
	Waiting
	Capacity
	KVCache
	MaxRunning
	// Awake is 0 while the engine's weights are off the GPU by command.
	Awake
	PromptTokens
	GenerationTokens
	Queue
	ComputeInput
	FirstToken
	InterToken
	Requests
	measures
)

// String returns the measure's name as people read it.
func (m Measure) String() string {
	return [...]string{
		"running", "waiting", "capacity", "kv_cache", "max_running", "awake", "prompt_tokens", "generation_tokens",
		"queue", "compute_input", "first_token", "inter_token", "requests",
	}[m]
}

// Kind says how the series of a candidate make a reading.
type Kind uint8

// The kinds.
const (
	// Gauge is the level of Of[0], plus those of the others that are present.
	Gauge Kind = iota
	// Counter is the count of Of[0], plus those of the others that are present.
	Counter
	// Histogram is a latency: Of[0] names a histogram or a summary by its family; its _sum, _count and _bucket are used.
	Histogram
	// Quotient is a latency of two counters: seconds in Of[0], over requests in Of[1].
	Quotient
	// Ratio is the level Of[0] ÷ Of[1].
	Ratio
	// Little is the mean number of requests in hand by Little's law: the increase of the seconds in Of[0], less those in
	// Of[1], over the time between two pages. It is an estimate.
	Little
	// Outcome counts requests by outcome: see Candidate.Outcomes.
	Outcome
)

// Candidate is one spelling of a reading.
type Candidate struct {
	Kind Kind
	Of   []Series
	// Scale makes base units: 1e-6 where the page counts microseconds. Zero is 1. For a Quotient it holds for seconds only.
	Scale float64
	// Max takes the greatest of a model's series, else they are summed. Only for Gauge.
	Max bool
	// Outcomes, for the kind Outcome: all of them are counted.
	Outcomes []Outcomes
}

// Series are those of a name, and where Label is not empty, only those whose label has that value.
type Series struct{ Name, Label, Value string }

// Outcomes says how the series of a counter of requests tell their outcome.
type Outcomes struct {
	Name string
	// Label whose value decides, by way of By; a value that By lacks, or no such label, is Otherwise.
	Label     string
	By        map[string]string
	Otherwise string
}

const (
	// Answered5xx is the outcome of requests that the HTTP server answered with 5xx. They count as "error" as far as they
	// exceed those already counted as "error" or "rejected", for the same request is often in both.
	Answered5xx = "5xx"
	// Ignored is the outcome of series that are there and count nothing.
	Ignored = ""
)
