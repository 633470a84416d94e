package sim

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// page is a metrics page in the making, in the text format 0.0.4.
type page struct {
	b []byte
	// number writes a value as the server's own client library does.
	number func([]byte, float64) []byte
	// sorted says that labels stand in the order of their names, as in Python's client.
	sorted bool
}

// series is a sample of a family: label names and values in turn, and the value.
type series struct {
	labels []string
	value  float64
}

// one is a series.
func one(value float64, labels ...string) series { return series{labels, value} }

// family writes the HELP and TYPE lines of a family.
func (p *page) family(name, help, kind string) {
	p.b = append(p.b, "# HELP "...)
	p.b = append(p.b, name...)
	p.b = append(p.b, ' ')
	p.b = append(p.b, help...)
	p.b = append(p.b, "\n# TYPE "...)
	p.b = append(p.b, name...)
	p.b = append(p.b, ' ')
	p.b = append(p.b, kind...)
	p.b = append(p.b, '\n')
}

// sample writes a line.
func (p *page) sample(name string, value float64, labels ...string) {
	if p.sorted {
		labels = sortPairs(labels)
	}
	p.b = append(p.b, name...)
	for i := 0; i+1 < len(labels); i += 2 {
		if i == 0 {
			p.b = append(p.b, '{')
		} else {
			p.b = append(p.b, ',')
		}
		p.b = append(p.b, labels[i]...)
		p.b = append(p.b, '=', '"')
		p.b = append(p.b, escape(labels[i+1])...)
		p.b = append(p.b, '"')
	}
	if len(labels) > 0 {
		p.b = append(p.b, '}')
	}
	p.b = append(p.b, ' ')
	p.b = append(p.number(p.b, value), '\n')
}

// gauge writes a family of gauges, and plain a family of any type with one line a series.
func (p *page) gauge(name, help string, all ...series) { p.plain(name, help, "gauge", all...) }

func (p *page) plain(name, help, kind string, all ...series) {
	p.family(name, help, kind)
	for _, s := range all {
		p.sample(name, s.value, s.labels...)
	}
}

// buckets writes the lines of a histogram.
func (p *page) buckets(name string, h *histogram, labels ...string) {
	with := append(slices.Clone(labels), "le", "")
	var sum uint64
	for i, n := range h.counts {
		sum += n
		bound := math.Inf(1)
		if i < len(h.bounds) {
			bound = h.bounds[i]
		}
		with[len(with)-1] = string(p.number(nil, bound))
		p.sample(name+"_bucket", float64(sum), with...)
	}
	p.sample(name+"_count", float64(sum), labels...)
	p.sample(name+"_sum", h.sum, labels...)
}

// histogram counts observations by upper bound.
type histogram struct {
	bounds []float64
	counts []uint64 // one more than bounds
	sum    float64
}

func newHistogram(bounds []float64) *histogram {
	return &histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

func (h *histogram) observe(v float64) {
	i, _ := slices.BinarySearch(h.bounds, v)
	h.counts[i]++
	h.sum += v
}

// pythonNumber writes a value as prometheus_client for Python does: "8.0", "1.048576e+06", and "1e+010" for ten digits.
func pythonNumber(b []byte, v float64) []byte {
	if math.IsInf(v, 1) {
		return append(b, "+Inf"...)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if v != 0 && math.Abs(v) < 1e-4 {
		return strconv.AppendFloat(b, v, 'e', -1, 64)
	}
	dot := strings.IndexByte(s, '.')
	if dot < 0 {
		dot, s = len(s), s+".0"
	}
	if v <= 0 || dot <= 6 {
		return append(b, s...)
	}
	digits := strings.TrimRight(s[:1]+"."+s[1:dot]+s[dot+1:], "0.")
	b = append(b, digits...)
	b = append(b, "e+0"...)
	return strconv.AppendInt(b, int64(dot-1), 10)
}

// plainNumber writes a value without an exponent, as prometheus-cpp does for the numbers of a page.
func plainNumber(b []byte, v float64) []byte {
	if math.IsInf(v, 1) {
		return append(b, "+Inf"...)
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

// sortPairs sorts label pairs by name.
func sortPairs(labels []string) []string {
	out := slices.Clone(labels)
	for i := 2; i+1 < len(out); i += 2 {
		for j := i; j >= 2 && out[j] < out[j-2]; j -= 2 {
			out[j], out[j-2] = out[j-2], out[j]
			out[j+1], out[j-1] = out[j-1], out[j+1]
		}
	}
	return out
}

// escape makes a label value fit between quotes.
func escape(s string) string {
	if !strings.ContainsAny(s, "\\\"\n") {
		return s
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
}
