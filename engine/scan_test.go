package engine

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sample is what a scanner kept of a line.
type sample struct {
	Text   string
	Labels map[string]string
	Value  float64
}

func wants(names ...string) map[string]int32 {
	want := make(map[string]int32)
	for i, n := range names {
		want[n] = int32(i)
	}
	return want
}

// kept lists what is on the newest page, in the order of the page.
func kept(s *scanner) []sample {
	var samples []sample
	for i := range s.order {
		id := s.ordered[i]
		labels := make(map[string]string)
		for _, l := range s.series[id].labels {
			labels[l.name] = l.value
		}
		samples = append(samples, sample{s.series[id].text, labels, s.values[id]})
	}
	return samples
}

func TestScanLines(t *testing.T) {
	none := map[string]string{}
	tests := []struct {
		name, line string
		want       []sample
		err        string
	}{
		{name: "no labels", line: "a 1", want: []sample{{"a", none, 1}}},
		{name: "not wanted", line: "other 1"},
		{name: "longer name than a wanted one", line: `a_total{x="1"} 5`},
		{name: "comment", line: "# a 1"},
		{name: "empty", line: ""},
		{name: "colon", line: "b:c 2.5", want: []sample{{"b:c", none, 2.5}}},
		{name: "trailing comma", line: `a{x="1",} 3`, want: []sample{{`a{x="1",}`, map[string]string{"x": "1"}, 3}}},
		{name: "empty braces", line: `a{} 3`, want: []sample{{`a{}`, none, 3}}},
		{name: "blanks in labels", line: `a { x = "1" , y="2" }  3`, want: []sample{
			{`a { x = "1" , y="2" }`, map[string]string{"x": "1", "y": "2"}, 3},
		}},
		{name: "tab before the value", line: "a\t7", want: []sample{{"a", none, 7}}},
		{name: "leading blanks", line: "  a 7", want: []sample{{"a", none, 7}}},
		{name: "three digits of exponent", line: "a 1.15e+011", want: []sample{{"a", none, 1.15e11}}},
		{name: "escaped quote", line: `a{x="\"}{"} 3`, want: []sample{{`a{x="\"}{"}`, map[string]string{"x": `"}{`}, 3}}},
		{name: "escaped backslash at the end", line: `a{x="\\"} 3`, want: []sample{
			{`a{x="\\"}`, map[string]string{"x": `\`}, 3},
		}},
		{name: "escaped newline", line: `a{x="1\n2"} 3`, want: []sample{{`a{x="1\n2"}`, map[string]string{"x": "1\n2"}, 3}}},
		{name: "brace in a value", line: `a{x="}"} 3`, want: []sample{{`a{x="}"}`, map[string]string{"x": "}"}, 3}}},
		{name: "blank in a value", line: `a{x="1 2"} 3`, want: []sample{{`a{x="1 2"}`, map[string]string{"x": "1 2"}, 3}}},
		{name: "timestamp", line: "a 3 1700000000000", want: []sample{{"a", none, 3}}},
		{name: "negative timestamp", line: "a 3.5 -1", want: []sample{{"a", none, 3.5}}},
		{name: "NaN", line: "a NaN", want: []sample{{"a", none, math.NaN()}}},
		{name: "infinite", line: "a +Inf", want: []sample{{"a", none, math.Inf(1)}}},
		{name: "negative", line: "a -4", want: []sample{{"a", none, -4}}},
		{name: "sixteen digits", line: "a 1234567890123456", want: []sample{{"a", none, 1234567890123456}}},
		{name: "created", line: "a_created 1.7e9"},
		{name: "name in quotes", line: `{"a"} 1`},
		{name: "no value", line: "a", err: "is no sample"},
		{name: "no value after labels", line: `a{x="1"}`, err: "bad value"},
		{name: "no value after a blank", line: "a ", err: "bad value"},
		{name: "two values", line: "a 1 x", err: "bad value"},
		{name: "word for a value", line: "a one", err: "bad value"},
		{name: "underscore in a value", line: "a 1_0", err: "bad value"},
		{name: "hexadecimal", line: "a 0x1p-2", err: "bad value"},
		{name: "labels without an end", line: `a{x="1" 3`, err: "labels have no end"},
		{name: "quote without an end", line: `a{x="1} 3`, err: "labels have no end"},
		{name: "labels without quotes", line: `a{x=1} 3`, err: "labels are not"},
		{name: "label name in quotes", line: `a{"x"="1"} 3`, err: "labels are not"},
		{name: "label name with a dot", line: `a{x.y="1"} 3`, err: "labels are not"},
		{name: "unknown escape", line: `a{x="\t"} 3`, err: "unknown escape"},
		{name: "markup", line: "<!DOCTYPE html>", err: "is no sample"},
		{name: "binary", line: "\x00\x01\x02", err: "is no sample"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScanner(wants("a", "b:c"))
			for range 2 { // The second time the line is foreseen.
				err := s.scan([]byte(tt.line + "\n"))
				if tt.err != "" {
					if err == nil || !strings.Contains(err.Error(), tt.err) {
						t.Fatalf("error %v, want one that holds %q", err, tt.err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, kept(s), cmpopts.EquateNaNs()); diff != "" {
					t.Errorf("samples (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestScanHalfPage(t *testing.T) {
	page := "a{x=\"1\"} 10\na{x=\"2\"} 20\n"
	whole := newScanner(wants("a"))
	if err := whole.scan([]byte(page)); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < len(page); n++ {
		if page[n-1] == '\n' {
			continue // A cut at the end of a line is found by the length of the body, not by its text.
		}
		for _, s := range []*scanner{newScanner(wants("a")), whole} {
			if err := s.scan([]byte(page[:n])); err == nil {
				t.Errorf("no error for a page cut after %q", page[:n])
			}
		}
	}
}

func TestScanFollowsChanges(t *testing.T) {
	s := newScanner(wants("a", "b"))
	line := func(name string, i int) string { return fmt.Sprintf("%s{x=\"%d\"} %d\n", name, i, i) }
	pages := [][]string{
		{line("a", 1), line("a", 2), line("b", 3)},
		{line("a", 1), line("a", 2), line("b", 3)},
		{line("b", 3), line("a", 2), line("a", 1)}, // Another order.
		{line("b", 3), line("a", 1)},               // One vanished.
		{line("a", 9), line("b", 3), line("a", 1)}, // One is new.
		{line("a", 1), line("a", 2), line("b", 3)}, // One came back.
	}
	for i, lines := range pages {
		if err := s.scan([]byte(strings.Join(lines, ""))); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range kept(s) {
			got = append(got, fmt.Sprintf("%s %g\n", k.Text, k.Value))
		}
		if diff := cmp.Diff(lines, got); diff != "" {
			t.Errorf("page %d (-want +got):\n%s", i, diff)
		}
		on := 0
		for id := range s.series {
			if s.has(id) {
				on++
			}
		}
		if on != len(lines) {
			t.Errorf("page %d: %d series are on it, want %d", i, on, len(lines))
		}
	}
}

func TestScanForgets(t *testing.T) {
	s := newScanner(wants("a"))
	s.limit = 100
	page := func(from, n int) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "a{x=\"%d\"} %d\n", from+i, from+i)
		}
		return []byte(b.String())
	}
	for i := range 50 {
		if err := s.scan(page(30*i, 30)); err != nil {
			t.Fatalf("page %d: %v", i, err)
		}
		if len(s.ids) > s.limit || len(s.series) > s.limit {
			t.Fatalf("page %d: %d ids, %d series", i, len(s.ids), len(s.series))
		}
		for j, k := range kept(s) {
			if want := float64(30*i + j); k.Value != want || k.Labels["x"] != fmt.Sprint(30*i+j) {
				t.Fatalf("page %d line %d: %+v, want %g", i, j, k, want)
			}
		}
	}
	err := s.scan(page(1e6, 200))
	if err == nil || faultOf(err, "") != FaultTooBig {
		t.Errorf("error %v, want %s", err, FaultTooBig)
	}
	if err := s.scan(page(0, 30)); err != nil {
		t.Errorf("the page after: %v", err)
	}
}

func TestScanForgetsWhatIsLongGone(t *testing.T) {
	s := newScanner(wants("a"))
	if err := s.scan([]byte("a{x=\"old\"} 1\na{x=\"kept\"} 2\n")); err != nil {
		t.Fatal(err)
	}
	for range 3 * keepPages {
		if err := s.scan([]byte("a{x=\"kept\"} 2\n")); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.ids) != 1 {
		t.Errorf("%d series are kept, want 1", len(s.ids))
	}
	if err := s.scan([]byte("a{x=\"new\"} 3\na{x=\"kept\"} 2\n")); err != nil {
		t.Fatal(err)
	}
	if len(s.series) != 2 {
		t.Errorf("%d ids were made, want 2: that of the old series is free", len(s.series))
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	for name, page := range map[string][]byte{"vllm": vllmPage(600), "triton": tritonPage(15000)} {
		s := newScanner(wantsOf(name))
		if err := s.scan(page); err != nil {
			t.Fatal(err)
		}
		n := testing.AllocsPerRun(10, func() {
			if err := s.scan(page); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %g allocations for a page of known series, want 0", name, n)
		}
		if len(kept(s)) == 0 {
			t.Errorf("%s: nothing was kept", name)
		}
	}
}
