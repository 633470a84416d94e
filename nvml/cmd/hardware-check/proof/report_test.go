package proof

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func TestStatusOfARehearsal(t *testing.T) {
	for _, tc := range []struct {
		name      string
		rehearsal bool
		status    Status
		of        kind
		want      Status
	}{
		{"on a GPU what holds has passed", false, Passed, right, Passed},
		{"and what does not has failed", false, Failed, cost, Failed},
		{"on the stub nothing passes", true, Passed, right, NotRun},
		{"nor what it costs", true, Passed, cost, NotRun},
		{"what is wrong fails there too", true, Failed, right, Failed},
		{"what it costs says nothing there", true, Failed, cost, NotRun},
		{"not run stays so", true, NotRun, right, NotRun},
	} {
		r := &Report{Rehearsal: tc.rehearsal}
		r.add(Check{Status: tc.status, Reason: "why"}, tc.of)
		want := map[Status]Count{Passed: {Passed: 1}, Failed: {Failed: 1}, NotRun: {NotRun: 1}}[tc.want]
		if got := r.Checks[0]; got.Status != tc.want || r.Counts != want || got.Status == NotRun && got.Reason == "" {
			t.Errorf("%s: %+v, counts %+v, want %s", tc.name, got, r.Counts, tc.want)
		}
	}
}

// TestGoldenReport pins the form of the JSON and of the table.
func TestGoldenReport(t *testing.T) {
	r := Report{
		Started: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), Seconds: 431.5, Revision: "abc1234", Plan: "short", Durations: plans()["short"],
		GPU: &GPU{
			Index: 0, UUID: "GPU-5e1f0000-0000-0000-0000-000000000001", Name: "NVIDIA H100 80GB HBM3", PCI: "0000:1a:00.0", Driver: "595.45.04",
			MIG: new(false),
		},
		Probe: json.RawMessage(`{"gpus":[]}`), Checks: []Check{},
	}
	r.add(Check{Part: "truth", Name: "busy seconds: 30 %", Status: Passed, Values: values("true_ratio", 0.30124, "counter_ratio", 0.301)}, right)
	r.add(Check{Part: "harm", Name: "decode load", Status: Failed, Reason: "a loss of 1.00 % is above the budget | of 0.20 %", Values: values("steps", 12345.0)}, cost)
	r.add(Check{Part: "shares", Name: "the part", Status: NotRun, Reason: "the cgroups\ncannot be made"}, right)
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/report.json", append(text, '\n'))
	var table bytes.Buffer
	if err := WriteTable(&table, r); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/report.md", table.Bytes())
	table.Reset()
	if err := WriteTable(&table, Report{Rehearsal: true, GPU: r.GPU}); err != nil || !bytes.Contains(table.Bytes(), []byte("# Rehearsal on the stub library: no GPU was measured")) {
		t.Errorf("the table of a rehearsal names a GPU: %v\n%s", err, table.Bytes())
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: go test ./nvml/cmd/hardware-check/proof -update writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
