package collector

import (
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// prefix of every family.
const prefix = "gpusignal_"

// desc is what a family is called and what labels its series have.
type desc struct {
	name, help string
	kind       dto.MetricType
	labels     *labelNames
}

// page is the families of one scrape while they are written. Everything lies in a few slabs, as large as the last
// scrape's were: a scrape allocates a dozen times, however many series it has.
type page struct {
	labels *labelCache

	families []*dto.MetricFamily
	room     []dto.MetricFamily
	ranges   []int // where each family's metrics end
	metrics  []*dto.Metric
	current  *desc

	gauges    slab[gauge]
	counters  slab[counter]
	summaries slab[summary]

	histograms slab[histogram]
	buckets    slab[bucket]
	bounds     []*dto.Bucket
}

type gauge struct {
	metric dto.Metric
	gauge  dto.Gauge
	value  float64
}

type counter struct {
	metric  dto.Metric
	counter dto.Counter
	value   float64
}

type summary struct {
	metric  dto.Metric
	summary dto.Summary
	sum     float64
	count   uint64
}

type histogram struct {
	metric    dto.Metric
	histogram dto.Histogram
	sum       float64
	count     uint64
}

type bucket struct {
	bucket dto.Bucket
	upper  float64
	count  uint64
}

// upTo is how many observations a histogram has of at most a bound.
type upTo struct{ upper, count float64 }

// slab hands out values that stay where they are.
type slab[T any] struct {
	items []T
	used  int
	total int
}

func (s *slab[T]) next() *T {
	if s.used == len(s.items) {
		s.items, s.used = make([]T, max(32, s.total)), 0
	}
	item := &s.items[s.used]
	s.used++
	s.total++
	return item
}

// sizes are how much of each a scrape needed.
type sizes struct{ families, metrics, gauges, counters, summaries, histograms, buckets int }

func newPage(labels *labelCache, n sizes) *page {
	return &page{
		labels: labels, families: make([]*dto.MetricFamily, 0, n.families), room: make([]dto.MetricFamily, n.families),
		ranges: make([]int, 0, n.families), metrics: make([]*dto.Metric, 0, n.metrics),
		gauges: slab[gauge]{items: make([]gauge, n.gauges)}, counters: slab[counter]{items: make([]counter, n.counters)},
		summaries: slab[summary]{items: make([]summary, n.summaries)}, histograms: slab[histogram]{items: make([]histogram, n.histograms)},
		buckets: slab[bucket]{items: make([]bucket, n.buckets)}, bounds: make([]*dto.Bucket, 0, n.buckets),
	}
}

func (p *page) sizes() sizes {
	return sizes{len(p.families), len(p.metrics), p.gauges.total, p.counters.total, p.summaries.total, p.histograms.total, p.buckets.total}
}

// begin starts a family. A family that gets no series is not published.
func (p *page) begin(d *desc) { p.current = d }

// put adds a series to the family, unless its value is no number or could not be a counter's.
func (p *page) put(labels *labelSet, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	if p.current.kind == dto.MetricType_GAUGE {
		m := p.gauges.next()
		m.value = value
		m.gauge.Value = &m.value
		m.metric.Label, m.metric.Gauge = labels.pairs, &m.gauge
		p.metrics = append(p.metrics, &m.metric)
		return
	}
	if value < 0 {
		return
	}
	m := p.counters.next()
	m.value = value
	m.counter.Value = &m.value
	m.metric.Label, m.metric.Counter = labels.pairs, &m.counter
	p.metrics = append(p.metrics, &m.metric)
}

// putSummary adds a summary without quantiles.
func (p *page) putSummary(labels *labelSet, sum, count float64) {
	if !(sum >= 0) || !(count >= 0) || math.IsInf(sum, 1) || count >= 1<<63 {
		return
	}
	m := p.summaries.next()
	m.sum, m.count = sum, uint64(count)
	m.summary.SampleSum, m.summary.SampleCount = &m.sum, &m.count
	m.metric.Label, m.metric.Summary = labels.pairs, &m.summary
	p.metrics = append(p.metrics, &m.metric)
}

// putHistogram adds a histogram: bounds ascend, and so do the counts up to them, to the count of all at most. A bound that does not
// fit is left out; the one of all observations is added by who encodes it.
func (p *page) putHistogram(labels *labelSet, sum, count float64, upTo []upTo) {
	if !(sum >= 0) || !(count >= 0) || math.IsInf(sum, 1) || count >= 1<<63 {
		return
	}
	m := p.histograms.next()
	m.sum, m.count = sum, uint64(count)
	from, last := len(p.bounds), uint64(0)
	for _, u := range upTo {
		if !(u.count >= float64(last)) || u.count > count || math.IsInf(u.upper, 0) || math.IsNaN(u.upper) {
			continue
		}
		b := p.buckets.next()
		b.upper, b.count = u.upper, uint64(u.count)
		b.bucket.UpperBound, b.bucket.CumulativeCount = &b.upper, &b.count
		p.bounds, last = append(p.bounds, &b.bucket), b.count
	}
	m.histogram.SampleSum, m.histogram.SampleCount, m.histogram.Bucket = &m.sum, &m.count, p.bounds[from:len(p.bounds):len(p.bounds)]
	m.metric.Label, m.metric.Histogram = labels.pairs, &m.histogram
	p.metrics = append(p.metrics, &m.metric)
}

// end ends the family.
func (p *page) end() {
	from := 0
	if n := len(p.ranges); n > 0 {
		from = p.ranges[n-1]
	}
	if len(p.metrics) == from {
		return
	}
	if len(p.families) == len(p.room) {
		// The families so far stay in the old room; pointers to them stay good.
		p.room = make([]dto.MetricFamily, max(32, 2*len(p.room)))
	}
	family := &p.room[len(p.families)]
	family.Name, family.Help, family.Type = &p.current.name, &p.current.help, &p.current.kind
	p.families = append(p.families, family)
	p.ranges = append(p.ranges, len(p.metrics))
}

// finish returns the families, sorted by name.
func (p *page) finish() []*dto.MetricFamily {
	from := 0
	for i, family := range p.families {
		to := p.ranges[i]
		family.Metric = p.metrics[from:to:to]
		from = to
	}
	slices.SortFunc(p.families, func(a, b *dto.MetricFamily) int { return strings.Compare(*a.Name, *b.Name) })
	return p.families
}

// family is a family that has at most one series a row.
type family[R any] struct {
	desc  desc
	value func(*R) (float64, bool)
}

func gaugeOf[R any](labels *labelNames, name, help string, value func(*R) (float64, bool)) family[R] {
	return family[R]{desc{prefix + name, help, dto.MetricType_GAUGE, labels}, value}
}

func counterOf[R any](labels *labelNames, name, help string, value func(*R) (float64, bool)) family[R] {
	return family[R]{desc{prefix + name, help, dto.MetricType_COUNTER, labels}, value}
}

func gaugeDesc(labels *labelNames, name, help string) desc {
	return desc{prefix + name, help, dto.MetricType_GAUGE, labels}
}

func counterDesc(labels *labelNames, name, help string) desc {
	return desc{prefix + name, help, dto.MetricType_COUNTER, labels}
}

// writeAll writes each family over all rows.
func writeAll[R any](p *page, families []family[R], rows []R, labels func(*R) *labelSet) {
	for i := range families {
		p.begin(&families[i].desc)
		for j := range rows {
			if v, ok := families[i].value(&rows[j]); ok {
				p.put(labels(&rows[j]), v)
			}
		}
		p.end()
	}
}

// describeAll appends the descriptions of families.
func describeAll[R any](to []*desc, families []family[R]) []*desc {
	for i := range families {
		to = append(to, &families[i].desc)
	}
	return to
}
