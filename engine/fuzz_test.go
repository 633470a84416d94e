package engine

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	prom "github.com/prometheus/common/model"
)

// FuzzScan holds the scanner against expfmt: of every page that expfmt reads, the scanner keeps exactly the same samples of
// the wanted names; and a page scanned twice, when every line is foreseen, says the same.
func FuzzScan(f *testing.F) {
	f.Add([]byte("a 1\n"))
	f.Add([]byte("# HELP a b\n# TYPE a counter\na{x=\"1\",} 1.5e+010 1700000000000\n\nb:c{y=\"\\\"}\\\\\"} 2.0\n"))
	f.Add([]byte("a{x=\"1\"} 1\na{x=\"2\"} NaN\na{x=\"1\"} 3\nother{z=\"}\"} -Inf\n"))
	f.Add([]byte("a_created 1\na {x = \"\\n\"} 0x1\n"))
	f.Add([]byte("a\t1\n  a{} 2\nb:c 123456789012345678"))
	f.Add(vllmPage(40))
	f.Add(tritonPage(45))
	want := wants("a", "b:c", "vllm:num_requests_running", "vllm:prompt_tokens_total", "nv_inference_request_success")
	f.Fuzz(func(t *testing.T, page []byte) {
		s := newScanner(want)
		err := s.scan(page)
		if err == nil {
			once := kept(s)
			if err := s.scan(page); err != nil {
				t.Fatalf("second scan: %v", err)
			}
			if !slices.EqualFunc(once, kept(s), same) {
				t.Fatalf("second scan differs: %v, before %v", kept(s), once)
			}
		}
		oracle, ok := expected(page, want)
		if !ok {
			return
		}
		if err != nil {
			t.Fatalf("expfmt reads the page, the scanner does not: %v", err)
		}
		got := kept(s)
		slices.SortStableFunc(got, func(a, b sample) int { return strings.Compare(identity(a), identity(b)) })
		slices.SortStableFunc(oracle, func(a, b sample) int { return strings.Compare(identity(a), identity(b)) })
		// A series that is on the page twice has one value, the last.
		if !slices.EqualFunc(lasts(got), lasts(oracle), func(a, b sample) bool {
			return identity(a) == identity(b) && sameValue(a.Value, b.Value)
		}) {
			t.Fatalf("samples differ:\nscanner %v\nexpfmt  %v", got, oracle)
		}
	})
}

func same(a, b sample) bool { return a.Text == b.Text && sameValue(a.Value, b.Value) }

func sameValue(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// identity of a sample: its name and its labels, sorted.
func identity(s sample) string {
	name := s.Text[:nameEnd([]byte(s.Text))]
	var labels []string
	for k, v := range s.Labels {
		labels = append(labels, k+"\x00"+v)
	}
	slices.Sort(labels)
	return name + "\x00" + strings.Join(labels, "\x00")
}

// lasts keeps the last of each identity.
func lasts(samples []sample) []sample {
	var out []sample
	for i, s := range samples {
		if i+1 == len(samples) || identity(samples[i+1]) != identity(s) {
			out = append(out, s)
		}
	}
	return out
}

// expected reads the page with expfmt, every family as untyped; false where expfmt cannot, or reads what no engine writes.
func expected(page []byte, want map[string]int32) ([]sample, bool) {
	if !bytes.HasSuffix(page, []byte("\n")) {
		return nil, false // Cut in half; expfmt does not mind where the rest is blank.
	}
	if regexp.MustCompile(`"[ \t]*=`).Match(page) {
		return nil, false // A label's name in quotes.
	}
	var plain []byte
	for line := range bytes.Lines(page) {
		text := trimBlank(line)
		if len(text) > 0 && text[0] == '{' {
			return nil, false // Names in quotes.
		}
		if len(text) > 1 && text[0] != '#' && nameEnd(text) == 0 {
			return nil, false // expfmt takes "a+0" for "a +0".
		}
		if len(text) == 0 || text[0] != '#' {
			plain = append(plain, line...)
		}
	}
	parser := expfmt.NewTextParser(prom.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(plain))
	if err != nil {
		return nil, false
	}
	var samples []sample
	for name, family := range families {
		if _, ok := want[name]; !ok {
			continue
		}
		for _, m := range family.Metric {
			samples = append(samples, sample{name, labelsOf(m), m.GetUntyped().GetValue()})
		}
	}
	return samples, true
}

func labelsOf(m *dto.Metric) map[string]string {
	labels := make(map[string]string)
	for _, l := range m.Label {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

func FuzzParseEndpoint(f *testing.F) {
	f.Add("http://127.0.0.1:8000/metrics,engine=vllm,namespace=a,pod=b")
	f.Add("https://[::1]:9")
	f.Add("http://x,")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseEndpoint(text)
		if err != nil {
			if e != (Endpoint{}) {
				t.Fatalf("an error and an endpoint %+v", e)
			}
			return
		}
		if e.Pod.Name == "" || !strings.HasPrefix(e.URL, "http") {
			t.Fatalf("endpoint %+v", e)
		}
		if strings.Contains(e.URL, ",") {
			return
		}
		again, err := ParseEndpoint(e.URL)
		if err != nil || again.URL != e.URL {
			t.Fatalf("its URL %q reads as %+v, %v", e.URL, again, err)
		}
	})
}

// FuzzRead gives a server any three pages: nothing it publishes is NaN, infinite or negative, and no count falls.
func FuzzRead(f *testing.F) {
	f.Add([]byte("a{model=\"m\"} 1\n"), []byte("a{model=\"m\"} 3\nc{model=\"m\"} 5\n"), []byte("a{model=\"m\"} NaN\n"))
	f.Add([]byte("h_sum 1\nh_count 0\nh_bucket{le=\"1\"} 1e300\n"), []byte("h_sum 9\nh_count 1e-300\n"), []byte("g -1\n"))
	f.Add([]byte("u{k=\"1\"} 1\nu{k=\"2\"} 0\n"), []byte("g{pid=\"1\"} 1e18\ng{pid=\"2\"} 1e18\n"), []byte("process_start_time_seconds 5\n"))
	f.Fuzz(func(t *testing.T, one, two, three []byte) {
		checkReads(t, [][]byte{one, two, three})
	})
}

// FuzzSelector: what reads as a selector is written as one that reads the same, and can be used.
func FuzzSelector(f *testing.F) {
	f.Add("a")
	f.Add(`vllm:num_requests_waiting_by_reason{reason="capacity"}`)
	f.Add(`a{b="\"}\\\n"}`)
	f.Add("a{b='c'}")
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Series
		if err := s.UnmarshalText([]byte(text)); err != nil {
			return
		}
		if err := s.validate(); err != nil {
			t.Fatalf("%q reads as %+v, which cannot be used: %v", text, s, err)
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Fatalf("%q reads as %+v, written %s it reads as %+v, %v", text, s, s, again, err)
		}
	})
}
