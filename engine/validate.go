package engine

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// The bounds of a dialect that people write.
const (
	maxCandidates = 32
	maxList       = 64
	maxWord       = 40
)

// Validate says what of a dialect cannot be used, and the way out.
func (d *Dialect) Validate() error {
	if !engineName(d.Name) {
		return fmt.Errorf("name %q: name the engine with at most %d of a-z, 0-9, _ and -, beginning with a letter, as in \"acme\"", d.Name, maxWord)
	}
	switch {
	case d.Port < 1 || d.Port > 65535:
		return fmt.Errorf("port %d: give the port of the metrics page, 1 to 65535", d.Port)
	case d.Path != "" && !strings.HasPrefix(d.Path, "/"):
		return fmt.Errorf("path %q: begin it with /, as in \"/metrics\"", d.Path)
	case len(d.Marks) == 0:
		return fmt.Errorf("marks: give at least one beginning of a sample's name that tells the engine, as in {prefix: %s_}", d.Name)
	case len(d.Readings) == 0:
		return fmt.Errorf("signals: give at least one of %s", strings.Join(measureNames(), ", "))
	}
	if err := d.validateWords(); err != nil {
		return err
	}
	for m := range measures {
		for i, c := range d.Readings[m] {
			if err := c.validate(m); err != nil {
				return fmt.Errorf("signals: %v: candidate %d: %w", m, i+1, err)
			}
		}
		if n := len(d.Readings[m]); n > maxCandidates {
			return fmt.Errorf("signals: %v: %d candidates: give at most %d", m, n, maxCandidates)
		}
	}
	return nil
}

// validateWords looks at what a container and a page are matched with.
func (d *Dialect) validateWords() error {
	for _, m := range d.Marks {
		if !metricName(m.Prefix) || m.With != "" && !metricName(m.With) {
			return fmt.Errorf("marks: prefix %q, with %q: give the beginning of a metric name, as in \"acme_\"", m.Prefix, m.With)
		}
		if m.Label != "" && !labelName(m.Label) {
			return fmt.Errorf("marks: label %q is no label's name", m.Label)
		}
	}
	for _, list := range []struct {
		key    string
		words  []string
		labels bool
	}{
		{"images", d.Images, false},
		{"commands", d.Commands, false},
		{"max_running_arguments", d.MaxRunning, false},
		{"model", d.Model, true},
		{"ranks", d.Ranks, true},
		{"copies", d.Copies, true},
		{"noise", d.Noise, true},
	} {
		if len(list.words) > maxList {
			return fmt.Errorf("%s: %d entries: give at most %d", list.key, len(list.words), maxList)
		}
		for _, w := range list.words {
			switch {
			case strings.TrimSpace(w) == "":
				return fmt.Errorf("%s: an entry is empty: it would fit everything; take it away", list.key)
			case list.labels && !labelName(w):
				return fmt.Errorf("%s: %q is no label's name", list.key, w)
			}
		}
	}
	return nil
}

// validate a candidate of a measure.
func (c *Candidate) validate(m Measure) error {
	kinds := kindsOf(m)
	if !slices.Contains(kinds, c.Kind) {
		var names []string
		for _, k := range kinds {
			names = append(names, k.String())
		}
		return fmt.Errorf("kind %v: a %v has the kind %s", c.Kind, m, strings.Join(names, " or "))
	}
	if c.Scale < 0 || c.Scale > 1e9 || math.IsNaN(c.Scale) {
		return fmt.Errorf("scale %g: give what makes base units of the page's, as in 0.001 for milliseconds", c.Scale)
	}
	if c.Aggregation == Greatest && c.Kind != Gauge {
		return errors.New("aggregation max: only the kind gauge has it")
	}
	if least, most := partsOf(c.Kind); len(c.Of) < least || len(c.Of) > most {
		if most == least {
			return fmt.Errorf("of: a %v has %d series, and here are %d", c.Kind, least, len(c.Of))
		}
		return fmt.Errorf("of: a %v has %d to %d series, and here are %d", c.Kind, least, most, len(c.Of))
	}
	for _, s := range c.Of {
		if err := s.validate(); err != nil {
			return fmt.Errorf("of: %w", err)
		}
	}
	if (c.Kind == Outcome) != (len(c.Outcomes) > 0) || len(c.Outcomes) > maxCandidates {
		return fmt.Errorf("outcomes: the kind outcome has 1 to %d of them, every other kind none", maxCandidates)
	}
	for _, o := range c.Outcomes {
		if err := o.validate(); err != nil {
			return fmt.Errorf("outcomes: %w", err)
		}
	}
	return nil
}

func (s *Series) validate() error {
	if !metricName(s.Name) {
		return fmt.Errorf("%q is no metric's name", s.Name)
	}
	if s.Label != "" && !labelName(s.Label) {
		return fmt.Errorf("%q is no label's name", s.Label)
	}
	return nil
}

func (o *Outcomes) validate() error {
	if err := o.Of.validate(); err != nil {
		return fmt.Errorf("of: %w", err)
	}
	if o.Label != "" && !labelName(o.Label) {
		return fmt.Errorf("label %q is no label's name", o.Label)
	}
	if (o.Label == "") != (len(o.By) == 0) {
		return fmt.Errorf("%s: label and by belong together: the value of the label decides", o.Of.Name)
	}
	names := []string{o.Otherwise}
	for _, as := range o.By {
		names = append(names, as)
	}
	for _, as := range names {
		if as != Ignored && !slices.Contains(outcomeNames(), as) {
			return fmt.Errorf("%s: unknown outcome %q (known: %s; empty is not counted)", o.Of.Name, as, strings.Join(outcomeNames(), ", "))
		}
	}
	return nil
}

// kindsOf a measure are those that its candidates may have.
func kindsOf(m Measure) []Kind {
	switch m {
	case Running:
		return []Kind{Gauge, Ratio, Little}
	case PromptTokens, GenerationTokens:
		return []Kind{Counter}
	case Queue, ComputeInput, FirstToken, InterToken:
		return []Kind{Histogram, Quotient}
	case Requests:
		return []Kind{Outcome}
	default:
		return []Kind{Gauge, Ratio}
	}
}

// partsOf a kind are how many series it has, at least and at most.
func partsOf(k Kind) (least, most int) {
	switch k {
	case Gauge, Counter:
		return 1, 8
	case Histogram:
		return 1, 1
	case Quotient, Ratio, Little:
		return 2, 2
	default:
		return 0, 0
	}
}

func engineName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (i == 0 || c != '_' && c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != "" && len(name) <= maxWord
}

func metricName(name string) bool { return name != "" && nameEnd([]byte(name)) == len(name) }
