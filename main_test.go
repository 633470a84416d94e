package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// asMain makes the test binary run as the program itself: go-nvml's library can be loaded once per process, so every
// library has a daemon of its own.
const asMain = "GPUSIGNAL_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	tests := []struct {
		name string
		args []string
		env  map[string]string
		want []string // parts of what is said
	}{
		{"unknown flag", []string{"--sample.intervall=1s"}, nil, []string{"unknown long flag '--sample.intervall'", "--help"}},
		{"unknown command", []string{"chekc"}, nil, []string{"unexpected chekc"}},
		{"not a duration", []string{"--signal.window=15"}, nil, []string{"--signal.window=\"15\"", "GPUSIGNAL_SIGNAL_WINDOW", "missing unit"}},
		{"interval under the floor", []string{"--sample.interval=1ms"}, nil, []string{"--sample.interval=1ms", "floor of 10ms"}},
		{"slow interval under the floor", []string{"--sample.slow-interval=100ms"}, nil, []string{"--sample.slow-interval=100ms", "floor of 200ms"}},
		{"slow interval past the driver's ring", []string{"--sample.slow-interval=10s", "--signal.window=1m"}, nil, []string{"--sample.slow-interval=10s", "lose busy time"}},
		{"window too short", []string{"--signal.window=1s"}, nil, []string{"--signal.window=1s", "two slow intervals"}},
		{"environment", nil, map[string]string{"GPUSIGNAL_LOG_LEVEL": "loud"}, []string{"--log.level=\"loud\"", "GPUSIGNAL_LOG_LEVEL", "debug, info, warn, error"}},
		{"configuration is missing", []string{"--config.file=" + dir + "/none.yaml"}, nil, []string{dir + "/none.yaml", "no such file", "--config.file"}},
		{
			"configuration with a typo",
			[]string{"--config.file=" + file("typo.yaml", "targets:\n- namespace: chat\n  workloda: api\n")},
			nil,
			[]string{"typo.yaml", "line 3", "workloda"},
		},
		{
			"configuration with another typo",
			[]string{"--config.file=" + file("top.yaml", "target: []\n")},
			nil,
			[]string{"top.yaml", "line 1", "known here: targets, endpoints, access, dialects"},
		},
		{
			"endpoint of the configuration",
			[]string{"--config.file=" + file("url.yaml", "endpoints:\n- url: ftp://x\n")},
			nil,
			[]string{"url.yaml", "endpoint 1", "ftp"},
		},
		{"endpoint of a flag", []string{"--engine.endpoint=http://127.0.0.1:1/metrics,enigne=vllm"}, nil, []string{"--engine.endpoint", "enigne"}},
		{
			"port in use",
			[]string{"--web.listen-address=" + taken.Addr().String()},
			nil,
			[]string{taken.Addr().String(), "address already in use", "--web.listen-address"},
		},
		{"web configuration", []string{"--web.config.file=" + file("web.yaml", "tls: yes\n")}, nil, []string{"web.yaml", "--web.config.file"}},
		{"two documents", []string{"--config.file=" + file("two.yaml", "targets: []\n---\ntargets: []\n")}, nil, []string{"two.yaml", "one document"}},
		{"an empty socket", []string{"--kubelet.pod-resources-socket="}, nil, []string{"--kubelet.pod-resources-socket is empty"}},
		{"pods of an API server that is not there", []string{"--kubernetes.pods=api"}, nil, []string{"not in a cluster", "--kubernetes.pods=auto"}},
		{"simulated node", []string{"--simulate", "--simulate.node=huge"}, nil, []string{"--simulate.node", "huge", "shared", "plain"}},
		{"simulation log", []string{"--simulate", "--simulate.log=" + dir + "/none/log"}, nil, []string{"--simulate.log", "no such file"}},
	}
	t.Setenv("TMPDIR", t.TempDir())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			var out, errs bytes.Buffer
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if code := run(ctx, tt.args, &out, &errs); code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
				t.Errorf("it left %v behind (%v)", left, err)
			}
			for _, part := range tt.want {
				if !strings.Contains(errs.String(), part) {
					t.Errorf("it said %q, without %q", errs.String(), part)
				}
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	for flag, want := range map[string]string{"--help": "--sample.interval", "--version": "gpusignal, version"} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{flag}, &out, &errs); code != exitOK {
			t.Errorf("%s: exit code %d", flag, code)
		}
		if said := out.String() + errs.String(); !strings.Contains(said, want) {
			t.Errorf("%s said %q, without %q", flag, said, want)
		}
	}
}

func TestFlagsFromTheEnvironment(t *testing.T) {
	t.Setenv("GPUSIGNAL_SAMPLE_SLOW_INTERVAL", "2s")
	t.Setenv("GPUSIGNAL_SIMULATE", "true")
	t.Setenv("NODE_NAME", "gpu-7")
	var out, errs bytes.Buffer
	opts, command, err := parseFlags(nil, &out, &errs)
	if err != nil {
		t.Fatal(err)
	}
	if opts.slow.String() != "2s" || !opts.simulate || opts.nodeName != "gpu-7" || command != commandRun {
		t.Errorf("slow %v, simulate %v, node %q, command %q", opts.slow, opts.simulate, opts.nodeName, command)
	}
}

// A value that works but does not do what one would think is warned of, by the flag's name, and the defaults are not.
func TestWarnings(t *testing.T) {
	for args, want := range map[string]string{
		"":                                    "",
		"--sample.interval=10ms":              "--sample.interval=10ms: the driver renews utilisation every 100ms",
		"--sample.slow-interval=500ms":        "--sample.slow-interval=500ms: calls of the driver hold locks",
		"--sample.slow-interval=6s":           "--sample.slow-interval=6s: the driver keeps utilisation samples for 10s",
		"--collector.detail --collector.dcgm": "",
		"--sample.interval=1s --sample.slow-interval=5s":     "",
		"--sample.interval=100ms --sample.slow-interval=1s ": "",
	} {
		var out, errs bytes.Buffer
		opts, _, err := parseFlags(strings.Fields(args), &out, &errs)
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		got := strings.Join(opts.warnings(), "\n")
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q warns of %q, want %q", args, got, want)
		}
	}
}
