//go:build cgo && linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gpusignal/nvml/cmd/hardware-check/load"
	"gpusignal/nvml/cmd/hardware-check/proof"
	"gpusignal/nvml/nvmltest"
)

// again starts this binary as the program, on the stub library with a script.
func again(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), programEnv+"=1", nvmltest.ScriptEnv+"="+script, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = t.Output()
	return cmd
}

// ready starts a program and waits until it says that it is ready.
func ready(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("it said %q, %v", line, err)
	}
}

// TestLoadAndWatch: a load of two processes is seen by a reader beside them, in the ring, in energy and by process.
func TestLoadAndWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := nvmltest.Script(t, "devices 1", "gpu.0.window_ms 100", "gpu.0.bursts "+filepath.Join(dir, "bursts"))
	library, cuda := nvmltest.Build(t), buildCUDA(t)

	list, err := again(t, script, "gpus", "-library", library).Output()
	var gpus []proof.GPU
	if err != nil || json.Unmarshal(list, &gpus) != nil || len(gpus) != 1 || gpus[0].PCI != "0000:1a:00.0" || gpus[0].MIG == nil || *gpus[0].MIG {
		t.Fatalf("GPUs %s, %v", list, err)
	}

	sights := filepath.Join(dir, "sights")
	watch := again(t, script, "watch", "-library", library, "-log", sights, "-interval", "100ms", "-processes", "500ms")
	ready(t, watch)
	plan := filepath.Join(dir, "plan")
	steps, _ := json.Marshal([]load.Step{{Name: "half", Length: 2 * time.Second, Duty: 0.5, Least: 20 * time.Millisecond, Most: 100 * time.Millisecond}})
	if err := os.WriteFile(plan, steps, 0o600); err != nil {
		t.Fatal(err)
	}
	var loads []*exec.Cmd
	begin := load.Now() + 500*time.Millisecond
	for i := range 2 {
		cmd := again(t, script, "load", "-cuda", cuda, "-pci", gpus[0].PCI, "-plan", plan, "-log", filepath.Join(dir, fmt.Sprint(i)),
			"-begin", fmt.Sprint(int64(begin)), "-seed", fmt.Sprint(i))
		ready(t, cmd)
		loads = append(loads, cmd)
	}
	var ran []load.Spans
	for i, cmd := range loads {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		log, err := load.Parse(f)
		f.Close()
		if err != nil || len(log.Of(load.Burst)) < 5 {
			t.Fatalf("log of load %d: %+v, %v", i, log, err)
		}
		ran = append(ran, log.Spans())
	}
	// Its next readings hold the ring's last sample of the load.
	seen := read(t, sights)
	for end := load.Now() + 200*time.Millisecond; len(seen) == 0 || seen[len(seen)-1].At < end; seen = read(t, sights) {
		time.Sleep(20 * time.Millisecond)
	}
	_ = watch.Process.Signal(syscall.SIGTERM)
	if err := watch.Wait(); err != nil {
		t.Fatal(err)
	}
	checkSights(t, seen, load.Union(append(ran[0], ran[1]...)), loads)
}

// read is what was seen so far.
func read(t *testing.T, path string) []proof.Sight {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen, err := proof.ParseSights(f)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// checkSights compares what was seen with what ran.
func checkSights(t *testing.T, seen []proof.Sight, ran load.Spans, loads []*exec.Cmd) {
	t.Helper()
	var integral float64 // busy seconds by the ring, whose periods are 100 ms
	shares := map[int]float64{}
	for i, s := range seen {
		if s.Live == nil || s.Energy == nil || i > 0 && *s.Energy < *seen[i-1].Energy {
			t.Fatalf("sight %d: %+v", i, s)
		}
		for _, sample := range s.Samples {
			integral += 0.1 * sample.Value / 100
		}
		for _, p := range s.Processes {
			shares[p.PID] += p.Share
		}
	}
	if busy := ran.Busy(0, load.Now()).Seconds(); integral < busy-0.15 || integral > busy+0.15 {
		t.Errorf("the ring tells of %v busy seconds, the logs of %v", integral, busy)
	}
	if proof.Spacing(proof.Stamps(seen)) != 100*time.Millisecond {
		t.Errorf("spacing %v", proof.Spacing(proof.Stamps(seen)))
	}
	for _, cmd := range loads {
		if shares[cmd.Process.Pid] <= 0 {
			t.Errorf("process %d has no share: %v", cmd.Process.Pid, shares)
		}
	}
}

// TestCommands: what is wrong is told, with a code of its own.
func TestCommands(t *testing.T) {
	t.Parallel()
	script, library := nvmltest.Script(t, "devices 1"), nvmltest.Build(t)
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"dance"}, 2, "probe, prove, load, gpus, watch"},
		{[]string{"load", "-cuda", "/nonexistent.so"}, 1, "/nonexistent.so"},
		{[]string{"load", "-speed", "1"}, 2, "speed"},
		{[]string{"gpus", "-library", "/nonexistent.so"}, 1, "/nonexistent.so"},
		{[]string{"watch", "-library", library, "-gpu", "5"}, 1, "GPU 5"},
		{[]string{"prove", "-plan", "endless"}, 2, "endless"},
	} {
		cmd := again(t, script, tc.args...)
		cmd.Stderr = nil
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != tc.code || !strings.Contains(string(out), tc.want) {
			t.Errorf("%q: exit code %d, %s, want %d and %q", tc.args, code, out, tc.code, tc.want)
		}
	}
}
