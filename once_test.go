package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"gpusignal/node"
)

func TestCheckOnTheSimulatedNode(t *testing.T) {
	t.Parallel()
	var out, said lockedBuffer
	if code := run(t.Context(), []string{"--simulate", "check"}, &out, &said); code != exitOK {
		t.Fatalf("exit code %d; it said:\n%s", code, said.String())
	}
	for _, part := range []string{"nvml", "ok", "NVIDIA H100", "CANNOT TELL", "fan retired_pages", "nobody (unclaimed)", "WITHOUT OWNER", "no container that the kubelet lists asks for it", "triton", "refused", "gpusignal/port", "FOUND BY", "prometheus.io/"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in:\n%s", part, out.String())
		}
	}
}

// TestCheckSaysWhyAGPUHasNoPod holds each reason to a line of its own with the way out.
func TestCheckSaysWhyAGPUHasNoPod(t *testing.T) {
	s := &node.Snapshot{
		Devices: []node.DeviceState{{Device: node.Device{ID: "GPU-a", Minor: 3}}, {Device: node.Device{ID: "GPU-b", Minor: 4}}},
		Claims:  []node.Claim{{Container: node.ContainerID{Pod: node.PodID{Namespace: "n", Name: "p"}, Name: "c"}, Device: "GPU-b"}},
		Unmapped: []node.Unmapped{
			{Device: "GPU-a", Reason: "pod_ended", Detail: "n/old has ended; delete the pod"},
			{Device: "nvidia9", Reason: "unknown_id", Detail: "no GPU of this node has it"},
		},
	}
	var out strings.Builder
	if err := printCheck(&out, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^GPU 3 +pod_ended +n/old has ended; delete the pod$`, `(?m)^nvidia9 +unknown_id +no GPU of this node has it$`, `nobody \(pod_ended\)`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no %s in:\n%s", want, out.String())
		}
	}
	s.Unmapped = nil
	out.Reset()
	if err := printCheck(&out, s); err != nil || strings.Contains(out.String(), "WITHOUT OWNER") {
		t.Errorf("%v: a node on which every GPU has its pod says:\n%s", err, out.String())
	}
}

// TestCheckSaysHowASharedGPUIsTold holds each way, and each reason for a split, to a line of its own.
func TestCheckSaysHowASharedGPUIsTold(t *testing.T) {
	for name, test := range map[string]struct {
		way    node.Attribution
		parent node.DeviceID
		lacks  node.Features
		guests node.Opt[uint64]
		want   string
	}{
		"alone":               {node.Exclusive, "", 0, node.Some[uint64](0), ""},
		"by process":          {node.ByProcess, "", 0, node.Some[uint64](0), `(?m)^GPU 3 +process *$`},
		"without host PIDs":   {node.Split, "", 0, node.Opt[uint64]{}, `(?m)^GPU 3 +split +.*set hostPID: true`},
		"a MIG instance":      {node.Split, "GPU-p", 0, node.Some[uint64](0), `(?m)^GPU 3:0 +split +.*an instance of its own`},
		"without the feature": {node.Split, "", node.Features(0).With(node.FeatureProcessUtilization), node.Some[uint64](0), `(?m)^GPU 3 +split +.*does not tell of processes`},
		"not yet":             {node.Split, "", 0, node.Some[uint64](0), `(?m)^GPU 3 +split +.*source "pods"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &node.Snapshot{
				Guests:   test.guests,
				Devices:  []node.DeviceState{{Device: node.Device{ID: "GPU-a", Minor: 3, Parent: test.parent}, Lacks: test.lacks}},
				Accounts: []node.Account{{Device: "GPU-a", Attribution: test.way}, {Device: "GPU-a", Attribution: node.Split, Closed: time.Unix(9, 0)}},
			}
			var out strings.Builder
			if err := printCheck(&out, s); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out.String(), "SHARED") != (test.want != "") || !regexp.MustCompile(test.want).MatchString(out.String()) {
				t.Errorf("no %s in:\n%s", test.want, out.String())
			}
		})
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
