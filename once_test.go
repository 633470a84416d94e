package main

import (
	"context"
	"strings"
	"testing"
)

func TestCheckOnTheSimulatedNode(t *testing.T) {
	t.Parallel()
	var out, said lockedBuffer
	if code := run(t.Context(), []string{"--simulate", "check"}, &out, &said); code != exitOK {
		t.Fatalf("exit code %d; it said:\n%s", code, said.String())
	}
	for _, part := range []string{"nvml", "ok", "NVIDIA H100", "CANNOT TELL", "fan retired_pages", "nobody (unclaimed)", "triton", "refused", "gpusignal/port", "FOUND BY", "prometheus.io/"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in:\n%s", part, out.String())
		}
	}
}

func TestOnceOnTheSimulatedNode(t *testing.T) {
	t.Parallel()
	var out, said lockedBuffer
	code := run(t.Context(), []string{"--simulate", "--simulate.node=plain", "--signal.window=2s", "--engine.interval=500ms", "once"}, &out, &said)
	if code != exitOK {
		t.Fatalf("exit code %d; it said:\n%s", code, said.String())
	}
	page := parsePage(t, strings.NewReader(out.String()))
	if n := len(page["gpusignal_gpu_utilization_ratio"].GetMetric()); n != 6 {
		t.Errorf("utilisation of %d pods, want 6", n)
	}
}

func TestOnceInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, said lockedBuffer
	if code := run(ctx, []string{"--simulate", "once"}, &out, &said); code != exitFailure || out.String() != "" {
		t.Errorf("exit code %d and %q; a page that never came is a failure", code, out.String())
	}
}
