// Package books reads the daemon's pages of metrics and holds its counters of use against each other.
package books

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Page is what /metrics said when it was asked at an instant, without summaries and histograms.
type Page struct {
	At     time.Time
	Series []Series
}

// Series is a series and its value.
type Series struct {
	Name    string
	Labels  map[string]string
	Counter bool
	Value   float64
}

// String is the series as the page has it.
func (s Series) String() string { return fmt.Sprintf("%s %v", s.identity(), s.Value) }

// identity is the name and the labels, in order.
func (s Series) identity() string {
	var labels []string
	for name, value := range s.Labels {
		labels = append(labels, fmt.Sprintf("%s=%q", name, value))
	}
	slices.Sort(labels)
	return s.Name + "{" + strings.Join(labels, ",") + "}"
}

// Parse reads a page.
func Parse(at time.Time, text io.Reader) (Page, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return Page{}, fmt.Errorf("parse the page of metrics: %w", err)
	}
	p := Page{At: at}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			s := Series{Name: name, Labels: make(map[string]string, len(m.GetLabel())), Counter: family.GetType() == dto.MetricType_COUNTER}
			for _, pair := range m.GetLabel() {
				s.Labels[pair.GetName()] = pair.GetValue()
			}
			switch {
			case m.Gauge != nil:
				s.Value = m.GetGauge().GetValue()
			case m.Counter != nil:
				s.Value = m.GetCounter().GetValue()
			default:
				continue
			}
			p.Series = append(p.Series, s)
		}
	}
	slices.SortFunc(p.Series, func(a, b Series) int { return strings.Compare(a.identity(), b.identity()) })
	return p, nil
}

// Select the series of a name whose labels have the given values, in pairs: Select("up", "job", "x").
func (p Page) Select(name string, labels ...string) []Series {
	var found []Series
	for _, s := range p.Series {
		if s.Name == name && s.has(labels) {
			found = append(found, s)
		}
	}
	return found
}

// Sum of what Select selects.
func (p Page) Sum(name string, labels ...string) float64 {
	var sum float64
	for _, s := range p.Select(name, labels...) {
		sum += s.Value
	}
	return sum
}

// Identities are the series that carry the name of a pod or describe something, without their values: a mapping that is lost or
// wrong changes them.
func (p Page) Identities() []string {
	var all []string
	for _, s := range p.Series {
		if s.Labels["pod"] != "" && !strings.HasPrefix(s.Name, "gpusignal_exporter_") || strings.HasSuffix(s.Name, "_info") {
			all = append(all, s.identity())
		}
	}
	return all
}

func (s Series) has(labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		if s.Labels[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}
