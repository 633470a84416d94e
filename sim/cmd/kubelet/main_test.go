package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRunSaysWhatIsWrong(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte(`{"Name": `), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"-listen", ":80"}, 2},
		{[]string{"-dir", t.TempDir(), "-pods", "/nonexistent.json"}, 1},
		{[]string{"-dir", t.TempDir(), "-pods", bad}, 1},
	} {
		if got := run(c.args); got != c.want {
			t.Errorf("run %v is %d, want %d", c.args, got, c.want)
		}
	}
}

// TestServeEnds: it serves until it is told to end, and leaves no socket.
func TestServeEnds(t *testing.T) {
	dir, err := os.MkdirTemp("", "gs") // Short enough for a socket.
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "pods.json")
	pods := `[{"Namespace": "ml", "Name": "server-0", "UID": "1", "Container": "vllm", "Devices": ["GPU-1"]}]`
	if err := os.WriteFile(file, []byte(pods), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := serve(ctx, dir, file); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*.sock")); len(left) > 0 {
		t.Errorf("left %s", strings.Join(left, ", "))
	}
}
