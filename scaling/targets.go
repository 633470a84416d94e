package scaling

import (
	"fmt"
	"strings"

	"gpusignal/node"
)

// Targets say what counts as full, by namespace and workload. The zero value has none but the defaults.
type Targets struct {
	Rules []Rule `yaml:"targets,omitempty"`
	// Kinds are how containers tell that they are model servers, and which.
	Kinds []node.Kind `yaml:"-"`
}

// Rule sets targets for the pods that it fits. The first rule that fits a pod holds for it, whole; annotations of the pod
// override it target by target. What is nil is not set.
type Rule struct {
	// Namespace of the pods; empty: every namespace.
	Namespace string `yaml:"namespace,omitempty"`
	// Workload of the pods, as "Kind/name" or "name"; empty: every workload.
	Workload string `yaml:"workload,omitempty"`

	// Queue is how many requests may wait per rank.
	Queue *float64 `yaml:"queue,omitempty"`
	// MaxRunning is how many requests a rank runs at once, where its page does not tell.
	MaxRunning *float64 `yaml:"max_running,omitempty"`
	// Concurrency is how many requests a pod may have running and waiting.
	Concurrency *float64 `yaml:"concurrency,omitempty"`
	// QueueTime, TimeToFirstToken and InterTokenLatency are means, in seconds.
	QueueTime         *float64 `yaml:"queue_time,omitempty"`
	TimeToFirstToken  *float64 `yaml:"time_to_first_token,omitempty"`
	InterTokenLatency *float64 `yaml:"inter_token_latency,omitempty"`
	// GPU is utilisation, at most 0.9.
	GPU *float64 `yaml:"gpu,omitempty"`
}

// Setting is one target and where it comes from.
type Setting struct {
	Value  float64
	Source string
}

// Set says that the target is set.
func (s Setting) Set() bool { return s.Source != "" }

// Target is what counts as full for one pod. Queue is always set.
type Target struct {
	Queue, MaxRunning, Concurrency                 Setting
	QueueTime, TimeToFirstToken, InterTokenLatency Setting // seconds
	GPU                                            Setting // 0-1
	// Problems are the annotations that could not be used, and why.
	Problems []string
}

// Sources of targets that no rule and no annotation set.
const (
	sourceDefault = "default"
	sourcePage    = "page"
)

// defaultQueue is how many requests may wait per rank where nobody says otherwise.
const defaultQueue = 5

// For returns the targets of a pod: the first rule that fits it, then its annotations. An annotation that is no number, or
// out of bounds, is left out and told in Problems.
func (t Targets) For(pod node.Pod) Target {
	out := Target{Queue: Setting{defaultQueue, sourceDefault}}
	for i, rule := range t.Rules {
		if rule.fits(pod) {
			for _, b := range bounds() {
				if v := *b.rule(&rule); v != nil && b.holds(*v) {
					*b.target(&out) = Setting{*v, ruleName(i, rule)}
				}
			}
			break
		}
	}
	annotate(&out, pod.Annotations)
	return out
}

// fits says that the rule is for the pod. A workload that is not known fits no workload's name.
func (r Rule) fits(pod node.Pod) bool {
	if r.Namespace != "" && r.Namespace != pod.ID.Namespace {
		return false
	}
	if r.Workload == "" {
		return true
	}
	kind, name, both := strings.Cut(r.Workload, "/")
	if !both {
		return r.Workload == pod.Workload.Name
	}
	return kind == pod.Workload.Kind && name == pod.Workload.Name
}

// Validate says which rule cannot be used, why, and what to do about it.
func (t Targets) Validate() error {
	for i, rule := range t.Rules {
		if err := rule.validate(); err != nil {
			return fmt.Errorf("%s: %w", ruleName(i, rule), err)
		}
		for j, earlier := range t.Rules[:i] {
			if earlier.covers(rule) {
				return fmt.Errorf("%s can never hold: %s fits every pod that it fits, and the first rule that fits holds; put the narrower rule first",
					ruleName(i, rule), ruleName(j, earlier))
			}
		}
	}
	return nil
}

func (r Rule) validate() error {
	if kind, name, both := strings.Cut(r.Workload, "/"); both && (kind == "" || name == "" || strings.Contains(name, "/")) {
		return fmt.Errorf("workload %q is neither \"Kind/name\" nor \"name\": write for example \"Deployment/chat\"", r.Workload)
	}
	set := false
	for _, b := range bounds() {
		v := *b.rule(&r)
		if v == nil {
			continue
		}
		set = true
		if !b.holds(*v) {
			return fmt.Errorf("%s is %v: set it from %v to %v %s", b.field, *v, b.least, b.most, b.unit)
		}
	}
	if !set {
		return fmt.Errorf("sets no target: give it one of %s, or take it away", fields())
	}
	return nil
}

// covers says that every pod which the later rule fits is fitted by this one.
func (r Rule) covers(later Rule) bool {
	if r.Namespace != "" && r.Namespace != later.Namespace {
		return false
	}
	if r.Workload == "" || r.Workload == later.Workload {
		return true
	}
	_, name, both := strings.Cut(later.Workload, "/")
	return both && r.Workload == name
}

// ruleName is what a rule is called in messages and in the source of a target.
func ruleName(i int, r Rule) string {
	namespace, workload := r.Namespace, r.Workload
	if namespace == "" {
		namespace = "*"
	}
	if workload == "" {
		workload = "*"
	}
	return fmt.Sprintf("target %d (namespace %s, workload %s)", i+1, namespace, workload)
}
