package proof

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestParse(t *testing.T) {
	o, err := Parse([]string{"-plan", "long", "-daemon", "3m", "-parts", "truth,harm"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if o.Durations.Daemon != 3*time.Minute || o.Durations.Step != 20*time.Second || !o.wants("harm") || o.wants("daemon") {
		t.Errorf("%+v", o)
	}
	if _, err := os.Stat("/dev/nvidiactl"); err != nil && !o.Rehearsal {
		t.Error("there is no driver, and this is no rehearsal")
	}
	for bad, want := range map[string]string{
		"-plan endless": "short, long, rehearsal", "-parts truth,lies": "lies", "-step -1s": "above zero", "-rounds -1": "above zero", "more": "more",
	} {
		if _, err := Parse(strings.Fields(bad), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", bad, err, want)
		}
	}
}

// tool writes a program of the shell into a folder.
func tool(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestRunTellsWhatItCouldNotRun: what is missing is failed or not run, with the reason, and the exit code says so.
func TestRunTellsWhatItCouldNotRun(t *testing.T) {
	const gpu = `{"index":0,"uuid":"GPU-1","name":"H100","pci":"0000:1a:00.0","mig":MIG}`
	list := func(mig string) string { return "echo '[" + strings.Replace(gpu, "MIG", mig, 1) + "]'\n" }
	for _, tc := range []struct {
		name, program string
		args          []string
		code          int
		want          map[string]string // part: status and a word of the reason
	}{
		{"no library", "echo no such library >&2; exit 1\n", nil, 1, map[string]string{"machine": "failed no such library"}},
		{"no GPU of the index", list("false"), []string{"-gpu", "3"}, 1, map[string]string{"machine": "failed no index 3"}},
		{
			"MIG is on", list("true"),
			[]string{"-parts", "truth,shares,harm,daemon"},
			0,
			map[string]string{"truth": "not run MIG is on", "daemon": "not run MIG is on", "machine": "not run rehearsed"},
		},
		{"without CUDA", list("false"), []string{"-cuda", "", "-parts", "harm"}, 0, map[string]string{"harm": "not run without CUDA"}},
		{
			"no time left", list("false"),
			[]string{"-budget", "1s", "-parts", "truth,daemon"},
			0,
			map[string]string{"truth": "not run time budget", "daemon": "not run time budget"},
		},
		{"a program is missing", list("false"), []string{"-parts", "truth"}, 1, map[string]string{"truth": "failed kubelet"}},
		{
			"the probe fails", `case "$1" in gpus) ` + list("false") + ";; *) echo boom >&2; exit 7;; esac\n",
			[]string{"-parts", "probe"},
			1,
			map[string]string{"probe": "failed boom"},
		},
		{
			"MIG was changed", `if [ -e "$0.seen" ]; then ` + list("true") + `else touch "$0.seen"; ` + list("false") + "fi\n",
			[]string{"-cuda", "", "-parts", "harm"},
			1,
			map[string]string{"machine": "failed MIG was off and is on"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			tool(t, dir, "hardware-check", tc.program)
			file := filepath.Join(dir, "report.json")
			var out, complaints bytes.Buffer
			code := Run(t.Context(), append([]string{"-tools", dir, "-rehearsal", "-json", file}, tc.args...), "", &out, &complaints)
			var report Report
			if text, err := os.ReadFile(file); err != nil || json.Unmarshal(text, &report) != nil {
				t.Fatalf("no report: %v\n%s", err, complaints.String())
			}
			got := map[string]string{}
			for _, c := range report.Checks {
				got[c.Part] += string(c.Status) + " " + c.Reason
			}
			for part, want := range tc.want {
				status, word := "not run", strings.TrimPrefix(want, "not run ")
				if failed, is := strings.CutPrefix(want, "failed "); is {
					status, word = "failed", failed
				}
				if !strings.HasPrefix(got[part], status) || !strings.Contains(got[part], word) {
					t.Errorf("%s: %q, want %q", part, got[part], want)
				}
			}
			if code != tc.code || report.Counts.Passed > 0 || !strings.Contains(out.String(), "0 passed, ") {
				t.Errorf("exit code %d, want %d; %s%s", code, tc.code, out.String(), complaints.String())
			}
		})
	}
}

func TestRunRefusesBadFlags(t *testing.T) {
	if code := Run(t.Context(), []string{"-plan", "endless"}, "", &bytes.Buffer{}, &bytes.Buffer{}); code != 2 {
		t.Errorf("exit code %d", code)
	}
}

func TestAProcessThatSaysNothing(t *testing.T) {
	dir := t.TempDir()
	tool(t, dir, "mute", "echo why >&2; exit 4\n")
	p, err := start("mute", filepath.Join(dir, "mute"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.await(t.Context(), "ready", time.Minute); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("err = %v, want what it complained of", err)
	}
	if code := p.stop(time.Minute); code != 4 {
		t.Errorf("exit code %d", code)
	}
	tool(t, dir, "deaf", "trap '' TERM\necho ready\nwhile true; do sleep 0.05; done\n")
	p, err = start("deaf", filepath.Join(dir, "deaf"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.await(t.Context(), "ready", time.Minute); err != nil {
		t.Fatal(err)
	}
	if code := p.stop(50 * time.Millisecond); code != -1 {
		t.Errorf("a process that does not end has exit code %d", code)
	}
}
