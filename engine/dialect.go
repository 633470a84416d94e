package engine

import (
	"strings"

	"gpusignal/node"
)

// Dialect says, as data, how one kind of model server spells what gpusignal reads. There is no check of versions: of each
// reading's candidates the first that a page has is taken, so that a server may rename its families.
type Dialect struct {
	// Name of the engine, "vllm".
	Name string `yaml:"name"`
	// Port that the server uses for its metrics page unless told otherwise.
	Port int `yaml:"port"`
	// Path of the page; empty is /metrics.
	Path string `yaml:"path"`
	// Images and Commands tell the engine by its container: see node.Kind.
	Images   []string `yaml:"images"`
	Commands []string `yaml:"commands"`
	// Marks tell the engine by its page: one match is enough.
	Marks []Mark `yaml:"marks"`
	// Precedence decides when a page bears the marks of several dialects: the greater wins.
	Precedence int `yaml:"precedence"`
	// Model are the labels that may hold the model's name, the first present wins.
	Model []string `yaml:"model"`
	// Ranks are the labels that tell data-parallel ranks and replicas of one model apart.
	Ranks []string `yaml:"ranks"`
	// Copies are labels of series that say the same thing several times, as the shards of one rank do: of series that
	// differ in nothing else the greatest counts. The label pid is one of them for gauges, whatever the dialect.
	Copies []string `yaml:"copies"`
	// Noise are labels that come and go on one and the same series: a counter goes on across such a change.
	Noise []string `yaml:"noise"`
	// MaxRunning are the arguments that set how many requests a rank runs at once, "--max-num-seqs"; with MaxOfAll it is
	// how many all ranks run together.
	MaxRunning []string `yaml:"max_running_arguments"`
	MaxOfAll   bool     `yaml:"max_running_of_all_ranks"`
	// Readings and where to find each, the first present wins, for each model by itself.
	Readings map[Measure][]Candidate `yaml:"signals"`
	// NoStart says that the server's page never tells when its process began: one that does has that from a proxy, which joined
	// its own page with the server's.
	NoStart bool `yaml:"-"`
	// Blind says, for people, what the server's page cannot tell.
	Blind []string `yaml:"-"`
}

// Kind is how a container tells that it runs the engine.
func (d *Dialect) Kind() node.Kind {
	return node.Kind{Name: d.Name, Images: d.Images, Commands: d.Commands}
}

// Mark is the beginning of a sample's name and, unless empty, a label that the sample must have. With is the beginning of
// another sample's name that must be on the page as well.
type Mark struct {
	Prefix string `yaml:"prefix"`
	Label  string `yaml:"label"`
	With   string `yaml:"with"`
}

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
	return measureNames()[m]
}

func measureNames() []string {
	return []string{
		"running", "waiting", "capacity", "kv_cache", "max_running", "awake", "prompt_tokens", "generation_tokens",
		"queue_time", "compute_input_time", "time_to_first_token", "inter_token_latency", "requests",
	}
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

func kindNames() []string {
	return []string{"gauge", "counter", "histogram", "quotient", "ratio", "little", "outcome"}
}

// String returns the kind's name as people write it.
func (k Kind) String() string { return kindNames()[k] }

// Aggregation says how the series of one model are joined.
type Aggregation uint8

// The aggregations.
const (
	Sum Aggregation = iota
	Greatest
)

func aggregationNames() []string { return []string{"sum", "max"} }

// String returns the aggregation's name as people write it.
func (a Aggregation) String() string { return aggregationNames()[a] }

// Candidate is one spelling of a reading.
type Candidate struct {
	Kind Kind     `yaml:"kind"`
	Of   []Series `yaml:"of"`
	// Scale makes base units: 1e-6 where the page counts microseconds. Zero is 1. For a Quotient it holds for seconds only.
	Scale float64 `yaml:"scale"`
	// Aggregation of a model's series. Only a Gauge may take the greatest.
	Aggregation Aggregation `yaml:"aggregation"`
	// Outcomes, for the kind Outcome: all of them are counted.
	Outcomes []Outcomes `yaml:"outcomes"`
	// Versions of the server that have it, for people: "0.9.2 and later"; empty: all that are read.
	Versions string `yaml:"-"`
}

// Series are those of a name, and where Label is not empty, only those whose label has that value. A label that is absent
// has the empty value.
type Series struct {
	Name  string `yaml:"-"`
	Label string `yaml:"-"`
	Value string `yaml:"-"`
}

// String returns the series as a selector: name{label="value"}.
func (s Series) String() string {
	if s.Label == "" {
		return s.Name
	}
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s.Value)
	return s.Name + "{" + s.Label + "=\"" + escaped + "\"}"
}

// Outcomes says how the series of a counter of requests tell their outcome.
type Outcomes struct {
	Of Series `yaml:"of"`
	// Label whose value decides, by way of By; a value that By lacks, or no such label, is Otherwise.
	Label     string            `yaml:"label"`
	By        map[string]string `yaml:"by"`
	Otherwise string            `yaml:"otherwise"`
}

// The outcomes of requests.
const (
	Success   = "success"
	Failed    = "error"     // the server's fault
	Cancelled = "cancelled" // by the client, or for it
	Rejected  = "rejected"  // for want of capacity
	Invalid   = "invalid"   // the client's fault
	Unknown   = "unknown"   // ended, and the server does not tell how
	// Answered5xx is the outcome of requests that the HTTP server answered with 5xx, which carry no model. They count as
	// errors as far as they exceed those already counted as errors or rejected, for the same request is often in both.
	Answered5xx = "answered_5xx"
	// Answered503 is that of requests which it answered with 503 for want of capacity. They count as rejected as far as
	// they exceed those already counted so.
	Answered503 = "answered_503"
	// Ignored is the outcome of series that are there and count nothing.
	Ignored = ""
)

// outcomeNames are the outcomes that a dialect may name.
func outcomeNames() []string {
	return []string{Success, Failed, Cancelled, Rejected, Invalid, Unknown, Answered5xx, Answered503}
}
