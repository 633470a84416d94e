package engine

import (
	"fmt"
	"slices"
	"strings"
)

// How people write the words of a dialect. Each error names what was written and what can be.

// UnmarshalText reads the name of a measure, "waiting".
func (m *Measure) UnmarshalText(text []byte) error {
	i, err := oneOf("signal", string(text), measureNames())
	*m = Measure(i)
	return err
}

// UnmarshalText reads the name of a kind, "gauge".
func (k *Kind) UnmarshalText(text []byte) error {
	i, err := oneOf("kind", string(text), kindNames())
	*k = Kind(i)
	return err
}

// UnmarshalText reads the name of an aggregation, "max".
func (a *Aggregation) UnmarshalText(text []byte) error {
	i, err := oneOf("aggregation", string(text), aggregationNames())
	*a = Aggregation(i)
	return err
}

func oneOf(what, name string, names []string) (int, error) {
	i := slices.Index(names, name)
	if i < 0 {
		return 0, fmt.Errorf("unknown %s %q (known: %s)", what, name, strings.Join(names, ", "))
	}
	return i, nil
}

// UnmarshalText reads a selector: a sample's name, and at most one label with its value, name{label="value"}.
func (s *Series) UnmarshalText(text []byte) error {
	n := nameEnd(text)
	if n == 0 {
		return fmt.Errorf("series %q begins with no metric name: write name or name{label=\"value\"}", text)
	}
	*s = Series{Name: string(text[:n])}
	rest := strings.TrimSpace(string(text[n:]))
	if rest == "" {
		return nil
	}
	labels, err := parseLabels([]byte(rest))
	if err != nil || rest[0] != '{' || len(labels) > 1 {
		return fmt.Errorf("series %q has no selector of one label: write name or name{label=\"value\"}", text)
	}
	for _, l := range labels {
		s.Label, s.Value = l.name, l.value
	}
	return nil
}
