package triton_test

import (
	"strings"
	"testing"

	"gpusignal/engine"
	"gpusignal/triton"
)

// Triton counts microseconds and milliseconds; whatever is read in them must be scaled to seconds.
func TestScales(t *testing.T) {
	for measure, candidates := range triton.Dialect().Readings {
		for _, c := range candidates {
			want := 0.0
			for _, s := range c.Of {
				switch {
				case strings.HasSuffix(s.Name, "_us"):
					want = 1e-6
				case strings.HasSuffix(s.Name, "_ms"):
					want = 1e-3
				}
			}
			if c.Scale != want {
				t.Errorf("%v from %v: scale %g, want %g", measure, c.Of, c.Scale, want)
			}
		}
	}
}

// A request is counted from one family, though the vLLM backend's page may count it too.
func TestRequestsFromOneFamily(t *testing.T) {
	candidates := triton.Dialect().Readings[engine.Requests]
	if len(candidates) != 1 {
		t.Fatalf("%d candidates", len(candidates))
	}
	for _, o := range candidates[0].Outcomes {
		if !strings.HasPrefix(o.Of.Name, "nv_inference_request_") {
			t.Errorf("requests are counted from %q", o.Of.Name)
		}
	}
}
