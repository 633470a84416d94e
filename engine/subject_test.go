package engine

import (
	"net/netip"
	"strings"
	"testing"

	"gpusignal/node"
)

func TestPathOfADialect(t *testing.T) {
	plans := plansOf(Dialects(), nil)
	for _, tt := range []struct {
		name        string
		annotations map[string]string
		image, want string
		args        []string
	}{
		{"announced", map[string]string{"gpusignal/engine": "trtllm"}, "own", "http://10.0.0.1:8000/prometheus/metrics", nil},
		{"by its image", map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "8000"}, "nvcr.io/nim/meta/llama:1", "http://10.0.0.1:8000/v1/metrics", nil},
		{"by its command line", map[string]string{"prometheus.io/scrape": "true"}, "own", "http://10.0.0.1:8000/prometheus/metrics", []string{"/usr/bin/trtllm-serve", "m"}},
		{"the annotation goes before", map[string]string{"gpusignal/engine": "nim", "gpusignal/path": "/metrics"}, "own", "http://10.0.0.1:8000/metrics", nil},
		{"a dialect without", map[string]string{"gpusignal/engine": "sglang"}, "own", "http://10.0.0.1:30000/metrics", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pod := node.Pod{
				Phase: "Running", IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Annotations: tt.annotations,
				Containers: []node.Container{{Image: tt.image, Args: tt.args}},
			}
			targets, searches := find([]node.Pod{pod}, holdersOf(nil), plans, nil)
			var got []string
			for _, found := range targets {
				got = append(got, found.URL)
			}
			for _, s := range searches {
				got = append(got, s.places()...)
			}
			if len(got) != 1 || strings.TrimSpace(got[0]) != tt.want {
				t.Errorf("%q, want one at %s", got, tt.want)
			}
		})
	}
}
