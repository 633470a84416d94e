package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/engine"
)

func TestConfigurationFollowsItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	write("targets:\n- {namespace: chat, queue: 8}\n")
	c, err := newConfiguration(path, []string{"http://127.0.0.1:9/metrics"}, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(c.targets().Rules); got != 1 {
		t.Fatalf("%d rules, want 1", got)
	}

	write("targets:\n- {namespace: chat, queue: 8}\n- {namespace: vision, queue: 2}\nendpoints:\n- {url: 'http://127.0.0.1:8/metrics'}\n")
	c.reload()
	if rules, endpoints := len(c.targets().Rules), len(c.endpoints()); rules != 2 || endpoints != 2 {
		t.Errorf("after a change: %d rules and %d endpoints, want 2 and 2 (one of the flag)", rules, endpoints)
	}

	write("targets: 7\n")
	c.reload()
	c.reload()
	if c.good.Load() || len(c.targets().Rules) != 2 {
		t.Errorf("after a bad change: good %v, %d rules; want the last good ones", c.good.Load(), len(c.targets().Rules))
	}
	if n := strings.Count(said.String(), "cannot be used"); n != 1 {
		t.Errorf("the bad file was told %d times, want once:\n%s", n, said.String())
	}

	write("target: 7\n")
	c.reload()
	if n := strings.Count(said.String(), "cannot be used"); n != 2 {
		t.Errorf("two bad files were told %d times, want twice:\n%s", n, said.String())
	}

	write("targets: []\n")
	c.reload()
	if !c.good.Load() || len(c.targets().Rules) != 0 {
		t.Errorf("after a good change: good %v, %d rules", c.good.Load(), len(c.targets().Rules))
	}

	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	c.reload()
	if c.good.Load() {
		t.Error("the file is away, and the reload is good")
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	c.reload()
	if !c.good.Load() {
		t.Error("the same file is back, and the reload is not good")
	}
}

func TestAccess(t *testing.T) {
	settings, err := parseConfig([]byte("access:\n- {namespace: chat, token_file: /t/chat, ca_file: /c/chat.crt, server_name: chat.example}\n- {namespace: vision, ca_file: /c/v}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]engine.Access{
		"chat":   {TokenFile: "/t/chat", CAFile: "/c/chat.crt", ServerName: "chat.example"},
		"vision": {CAFile: "/c/v"},
	}
	if diff := cmp.Diff(want, settings.access); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
	for content, says := range map[string]string{
		"access: [{token_file: /t}]":                                         "access 1: give its namespace",
		"access: [{namespace: a, ca_file: /c}, {namespace: a, ca_file: /d}]": `access 2: namespace "a" is there twice`,
		"access: [{namespace: a, server_name: b}]":                           "give token_file, ca_file or both",
		"access: [{namespace: a, token_file: t}]":                            `path "t" must begin with /`,
		"access: [{namespace: a, token: secret}]":                            "unknown key \"token\" (known here: namespace, token_file, ca_file, server_name)",
		"tokens: []": "known here: targets, endpoints, access, dialects",
	} {
		if _, err := parseConfig([]byte(content)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want one that holds %q", content, err, says)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("targets:\n- {namespace: a, workload: Deployment/b, queue: 8}\n"))
	f.Add([]byte("endpoints:\n- {url: 'http://[::1]:8000/metrics', engine: vllm}\n"))
	f.Add([]byte("access:\n- {namespace: a, token_file: /t, ca_file: /c, server_name: s}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		settings, err := parseConfig(content)
		if err == nil && settings.targets.Validate() != nil {
			t.Errorf("accepted targets that do not validate")
		}
	})
}
