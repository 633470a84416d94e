package proof

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePage(t *testing.T) {
	got, err := ParsePage(strings.NewReader(`# HELP up whether
# TYPE up gauge
up 1
busy_total{gpu_uuid="GPU-1",gpu="0"} 12.5
info{a="with \"quotes\", a comma and }",b=""} 1

latency_bucket{le="+Inf"} 3e+06
empty{} 4
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Series{
		{"up", map[string]string{}, 1},
		{"busy_total", map[string]string{"gpu_uuid": "GPU-1", "gpu": "0"}, 12.5},
		{"info", map[string]string{"a": `with "quotes", a comma and }`, "b": ""}, 1},
		{"latency_bucket", map[string]string{"le": "+Inf"}, 3e6},
		{"empty", map[string]string{}, 4},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"up", "up one", `up{a="b" 1`, `up{a=b} 1`, `up{a="b"} `, `{a="b"} 1`, `up{a='b'} 1`} {
		if _, err := ParsePage(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v, want the line", bad, err)
		}
	}
}

func TestSums(t *testing.T) {
	first := on(t, 0, map[string]float64{`busy{pod="a",gpu="0"}`: 1, `busy{pod="b",gpu="0"}`: 2})
	last := on(t, second, map[string]float64{`busy{pod="a",gpu="0"}`: 4, `busy{pod="b",gpu="1"}`: 9, `busy{pod="b",gpu="0"}`: 2.5, "new": 7})
	if got, known := last.Sum("busy", "gpu", "0"); got != 6.5 || !known {
		t.Errorf("sum %v, %t", got, known)
	}
	if got, known := last.Sum("busy", "gpu", "2"); got != 0 || known {
		t.Errorf("sum of none %v, %t", got, known)
	}
	if got, known := Rise(first, last, "busy", "pod", "a"); got != 3 || !known {
		t.Errorf("rise %v, %t", got, known)
	}
	if got, known := Rise(first, last, "new"); got != 7 || !known {
		t.Errorf("rise of what is new %v, %t", got, known)
	}
	if diff := cmp.Diff(map[string]float64{"a": 4, "b": 11.5}, last.By("pod", "busy")); diff != "" {
		t.Error(diff)
	}
}

// FuzzParsePage: a series that was read is read the same once it is written anew.
func FuzzParsePage(f *testing.F) {
	f.Add(`busy_total{gpu_uuid="GPU-1",gpu="0"} 12.5`)
	f.Add(`info{a="with \"quotes\", a comma and }",b=""} 1`)
	f.Fuzz(func(t *testing.T, line string) {
		s, err := parseSeries(line)
		if err != nil || s.Value != s.Value {
			return
		}
		var labels []string
		for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
			labels = append(labels, fmt.Sprintf("%s=%q", name, s.Labels[name]))
		}
		again, err := parseSeries(fmt.Sprintf("%s{%s} %v", s.Name, strings.Join(labels, ","), s.Value))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if diff := cmp.Diff(s, again); diff != "" {
			t.Error(diff)
		}
	})
}
