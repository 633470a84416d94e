package collector

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// replay is a collector for a registry, made of families.
type replay []*dto.MetricFamily

func (replay) Describe(chan<- *prometheus.Desc) {}

func (r replay) Collect(out chan<- prometheus.Metric) {
	for _, family := range r {
		for _, m := range family.Metric {
			var names, values []string
			for _, pair := range m.Label {
				names, values = append(names, pair.GetName()), append(values, pair.GetValue())
			}
			d := prometheus.NewDesc(family.GetName(), family.GetHelp(), names, nil)
			switch family.GetType() {
			case dto.MetricType_GAUGE:
				out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, m.GetGauge().GetValue(), values...)
			case dto.MetricType_COUNTER:
				out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, m.GetCounter().GetValue(), values...)
			case dto.MetricType_HISTOGRAM:
				of, buckets := m.GetHistogram(), map[float64]uint64{}
				for _, b := range of.Bucket {
					buckets[b.GetUpperBound()] = b.GetCumulativeCount()
				}
				out <- prometheus.MustNewConstHistogram(d, of.GetSampleCount(), of.GetSampleSum(), buckets, values...)
			default:
				out <- prometheus.MustNewConstSummary(d, m.GetSummary().GetSampleCount(), m.GetSummary().GetSampleSum(), nil, values...)
			}
		}
	}
}

// A pedantic registry that is given the same series checks everything our gatherer does not, and must agree to the letter.
func TestAgreesWithAPedanticRegistry(t *testing.T) {
	for name, cfg := range map[string]Config{"everything": {Detail: true, DCGM: true}, "histograms": {Histogram: true}} {
		t.Run(name, func(t *testing.T) { agreesWithAPedanticRegistry(t, collectorWith(full(), cfg)) })
	}
}

func agreesWithAPedanticRegistry(t *testing.T, c *Collector) {
	families, err := c.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(replay(families))
	checked, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	lines := func(text string) []string {
		l := strings.Split(text, "\n")
		slices.Sort(l)
		return l
	}
	if diff := cmp.Diff(lines(encode(t, checked)), lines(encode(t, families))); diff != "" {
		t.Errorf("registry and gatherer differ (-registry +ours):\n%s", diff)
	}
	if !slices.IsSortedFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) }) {
		t.Error("families are not sorted")
	}
}
