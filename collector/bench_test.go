package collector

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"gpusignal/node"
	"gpusignal/scaling"
)

// busyNode is a node of boards, each shared by some pods, each of which runs a token engine.
func busyNode(boards, podsPerBoard int) *node.Snapshot {
	s := &node.Snapshot{At: at, Health: full().Health}
	for i := range boards {
		d := board(i)
		s.Devices = append(s.Devices, d)
		s.Totals = append(s.Totals, node.Total{Device: d.Device.ID, Booked: at, Busy: 1e12, Observed: 2e12, Energy: 1e9, EnergyKnown: true})
		for j := range podsPerBoard {
			id := podID("team", fmt.Sprintf("server-%d-%d", i, j))
			s.Pods = append(s.Pods, node.Pod{ID: id, Workload: node.Workload{Kind: "Deployment", Name: fmt.Sprintf("server-%d", i)}, Phase: "Running"})
			s.Accounts = append(s.Accounts, account(id, d.Device.ID, node.ByProcess, int64(1000+j), 10_000, 500))
			s.Claims = append(s.Claims, node.Claim{Container: container(id), Device: d.Device.ID, Weight: 1})
			s.Servers = append(s.Servers, tokenServer(id))
		}
	}
	return s
}

func countSeries(families []*dto.MetricFamily) (series int) {
	for _, f := range families {
		n := 1
		if f.GetType() == dto.MetricType_SUMMARY {
			n = 2
		}
		series += n * len(f.Metric)
	}
	return series
}

func encodeTo(b *testing.B, out *bytes.Buffer, families []*dto.MetricFamily) {
	out.Reset()
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(out, family); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPage builds and encodes some 5,000 series, and for comparison the same series as const metrics made at each
// scrape, by way of a registry.
func BenchmarkPage(b *testing.B) {
	s := busyNode(8, 16)
	pods := scaling.Derive(s, scaling.Targets{Kinds: []node.Kind{{Name: "vllm", Images: []string{"vllm"}}}})
	ours := collectorOf(s).metrics
	n := float64(countSeries(ours.families(s, pods)))
	var out bytes.Buffer
	b.Run("families alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ours.families(s, pods)
		}
		b.ReportMetric(n, "series")
	})
	b.Run("families", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			encodeTo(b, &out, ours.families(s, pods))
		}
		b.ReportMetric(n, "series")
	})
	// The encoder puts the name of each _sum and each _count together anew: the rest of the page is within the budget.
	b.Run("families but summaries", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			encodeTo(b, &out, slices.DeleteFunc(ours.families(s, pods), func(f *dto.MetricFamily) bool { return f.GetType() == dto.MetricType_SUMMARY }))
		}
	})
	b.Run("promhttp", func(b *testing.B) {
		b.ReportAllocs()
		handler := promhttp.HandlerFor(collectorOf(s).Metrics(), promhttp.HandlerOpts{})
		request := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		request.Header.Set("Accept", "text/plain;version=0.0.4")
		for b.Loop() {
			handler.ServeHTTP(discard{header: http.Header{}}, request)
		}
	})
	b.Run("registry", func(b *testing.B) {
		b.ReportAllocs()
		registry := prometheus.NewRegistry()
		registry.MustRegister(newConstMetrics(ours.families(s, pods)))
		for b.Loop() {
			families, err := registry.Gather()
			if err != nil {
				b.Fatal(err)
			}
			encodeTo(b, &out, families)
		}
		b.ReportMetric(n, "series")
	})
}

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkScrape is all of a scrape but HTTP and the sources: signals, families, text.
func BenchmarkScrape(b *testing.B) {
	for _, size := range []struct{ boards, pods int }{{8, 1}, {8, 10}} {
		b.Run(fmt.Sprintf("%d GPUs and %d pods", size.boards, size.boards*size.pods), func(b *testing.B) {
			s := busyNode(size.boards, size.pods)
			g := collectorOf(s).metrics
			var out bytes.Buffer
			b.ReportAllocs()
			var series int
			for b.Loop() {
				families, err := g.Gather()
				if err != nil {
					b.Fatal(err)
				}
				encodeTo(b, &out, families)
				series = countSeries(families)
			}
			b.ReportMetric(float64(series), "series")
			b.ReportMetric(float64(out.Len()), "bytes")
		})
	}
}

// constMetrics makes every series anew at each scrape, as exporters usually do; its descriptions are made once.
type constMetrics []constMetric

type constMetric struct {
	desc   *prometheus.Desc
	kind   dto.MetricType
	values []string
	from   *dto.Metric
}

func newConstMetrics(families []*dto.MetricFamily) constMetrics {
	var all constMetrics
	for _, family := range families {
		var names []string
		for _, pair := range family.Metric[0].Label {
			names = append(names, pair.GetName())
		}
		d := prometheus.NewDesc(family.GetName(), family.GetHelp(), names, nil)
		for _, m := range family.Metric {
			c := constMetric{desc: d, kind: family.GetType(), from: m}
			for _, pair := range m.Label {
				c.values = append(c.values, pair.GetValue())
			}
			all = append(all, c)
		}
	}
	return all
}

func (constMetrics) Describe(chan<- *prometheus.Desc) {}

func (c constMetrics) Collect(out chan<- prometheus.Metric) {
	for _, m := range c {
		switch m.kind {
		case dto.MetricType_GAUGE:
			out <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, m.from.GetGauge().GetValue(), m.values...)
		case dto.MetricType_COUNTER:
			out <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, m.from.GetCounter().GetValue(), m.values...)
		default:
			out <- prometheus.MustNewConstSummary(m.desc, m.from.GetSummary().GetSampleCount(), m.from.GetSummary().GetSampleSum(), nil, m.values...)
		}
	}
}
