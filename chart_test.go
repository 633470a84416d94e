package main

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/engine"
)

// The command line and the configuration file that charts/gpusignal writes are ones that the daemon reads, and means what its
// values say. The tests of charts/ write both.
func TestWhatTheChartWrites(t *testing.T) {
	args, err := os.ReadFile("charts/testdata/args")
	if err != nil {
		t.Fatal(err)
	}
	opts, command, err := parseFlags(strings.Fields(string(args)), io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	type flags struct {
		Command, File, Pods, Library string
		Listen, Endpoints            []string
		Window                       time.Duration
		DCGM, Detail                 bool
		Seed                         int64
	}
	want := flags{
		Command: commandRun, File: "/etc/gpusignal/config/gpusignal.yaml", Pods: "api", Library: "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
		Listen: []string{":9479"}, Endpoints: []string{"http://10.0.0.7/metrics,engine=vllm"}, Window: 30 * time.Second, DCGM: true, Seed: 1000000,
	}
	got := flags{command, opts.configFile, opts.pods, opts.nvmlLibrary, *opts.web.WebListenAddresses, opts.endpoints, opts.window, opts.dcgm, opts.detail, opts.simulateSeed}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}

	file, err := os.ReadFile("charts/testdata/gpusignal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	read, err := parseConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(read.targets.Rules) != 1 || read.targets.Rules[0].Namespace != "chat" {
		t.Errorf("targets %+v", read.targets.Rules)
	}
	access := map[string]engine.Access{
		"chat": {TokenFile: "/etc/gpusignal/access/chat/token", CAFile: "/etc/gpusignal/access/chat/ca.crt", ServerName: "llm.chat.svc"},
		"b":    {TokenFile: "/etc/gpusignal/access/b/t"},
	}
	if diff := cmp.Diff(access, read.access); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
}
