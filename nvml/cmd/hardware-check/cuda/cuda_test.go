//go:build cgo && linux

package cuda

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"gpusignal/nvml/nvmltest"
)

// open opens GPU 1 of the library for tests, whose load is a file of bursts.
func open(t *testing.T) (d *Device, bursts string) {
	t.Helper()
	bursts = filepath.Join(t.TempDir(), "bursts")
	t.Setenv(nvmltest.ScriptEnv, nvmltest.Script(t, "devices 2", "gpu.1.bursts "+bursts))
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	d, err := Open(build(t), "0000:2a:00.0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d, bursts
}

func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libcuda.so.1")
	out, err := exec.Command("gcc", "-std=gnu11", "-shared", "-fPIC", "-O1", "-o", path, "testdata/cuda.c").CombinedOutput()
	if err != nil {
		t.Fatalf("build CUDA's library: %v\n%s", err, out)
	}
	return path
}

func TestKernelsOfAStreamRunOneAfterTheOther(t *testing.T) {
	d, bursts := open(t)
	var streams [2]Stream
	for i := range streams {
		var err error
		if streams[i], err = d.Stream(); err != nil {
			t.Fatal(err)
		}
	}
	var events [4]Event
	mark := func(i int, s Stream) {
		var err error
		if events[i], err = d.Mark(s); err != nil {
			t.Fatal(err)
		}
	}
	mark(0, streams[0])
	for range 2 {
		if err := d.SpinOn(streams[0], 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	mark(1, streams[0])
	if _, err := d.Between(events[0], events[1]); err == nil || !strings.Contains(err.Error(), "CUDA error 600") {
		t.Errorf("before they ran: %v", err)
	}
	mark(2, streams[1])
	if err := d.SpinOn(streams[1], 5*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	mark(3, streams[1])
	if err := d.Wait(streams[1]); err != nil {
		t.Fatal(err)
	}
	if err := d.Synchronize(); err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]time.Duration{0: 20 * time.Millisecond, 2: 5 * time.Millisecond} {
		got, err := d.Between(events[i], events[i+1])
		if err != nil || got < want {
			t.Errorf("events %d: %v, %v, want at least %v", i, got, err, want)
		}
	}
	for _, e := range events {
		d.FreeEvent(e)
	}
	content, err := os.ReadFile(bursts)
	if err != nil || strings.Count(string(content), fmt.Sprintf(" %d\n", os.Getpid())) != 3 {
		t.Errorf("bursts are %q, %v; want three of this process", content, err)
	}
}

func TestWork(t *testing.T) {
	d, _ := open(t)
	for kind, want := range map[string]time.Duration{"matrix": 80 * time.Microsecond, "decode": 2560 * time.Microsecond} {
		step, err := d.Work(kind)
		if err != nil {
			t.Fatal(err)
		}
		if took, err := step(); err != nil || took < want*99/100 {
			t.Errorf("a step of %s took %v, %v, want at least %v", kind, took, err, want)
		}
	}
	if _, err := d.Work("spell"); err == nil {
		t.Error("a load that there is not was made")
	}
}

func TestAKernelThatDoesNotCompile(t *testing.T) {
	d, _ := open(t)
	t.Setenv("CUDA_STUB_NO_KERNEL", "entry matrix")
	_, err := d.Work("matrix")
	if err == nil || !strings.Contains(err.Error(), "matrix") || !strings.Contains(err.Error(), "knows no such target") {
		t.Errorf("err = %v, want the kernel and what the compiler says", err)
	}
}

// TestKernelsAreWhole: what cannot be compiled here at least names its target and version once, declares the registers that it uses, and
// jumps to labels that there are.
func TestKernelsAreWhole(t *testing.T) {
	files, err := kernels.ReadDir("kernels")
	if err != nil || len(files) != 3 {
		t.Fatalf("kernels %v, %v", files, err)
	}
	for _, f := range files {
		raw, err := kernels.ReadFile("kernels/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		text := targets()[1].of(string(raw))
		if !strings.Contains(text, "\n.version 6.3\n.target sm_75\n") || strings.Contains(text, "TARGET") || strings.Contains(text, "VERSION") {
			t.Errorf("%s: target or version is not put in", f.Name())
		}
		declared := map[string]bool{}
		for _, line := range regexp.MustCompile(`(?m)^\s*\.reg .*;$`).FindAllString(text, -1) {
			for _, name := range regexp.MustCompile(`%\w+`).FindAllString(line, -1) {
				declared[name] = true
			}
		}
		special := regexp.MustCompile(`^%(globaltimer|tid|ntid|ctaid)$`)
		for _, name := range regexp.MustCompile(`%\w+`).FindAllString(text, -1) {
			if !declared[name] && !special.MatchString(name) {
				t.Errorf("%s: register %s is not declared", f.Name(), name)
			}
		}
		for _, jump := range regexp.MustCompile(`bra (\w+);`).FindAllStringSubmatch(text, -1) {
			if !strings.Contains(text, "\n"+jump[1]+":\n") {
				t.Errorf("%s: label %s is missing", f.Name(), jump[1])
			}
		}
		for _, parameter := range regexp.MustCompile(`ld\.param\.\w+ %\w+, \[(\w+)\];`).FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile(`\.param \.u(32|64) ` + parameter[1] + `[,)]`).MatchString(text) {
				t.Errorf("%s: parameter %s is missing", f.Name(), parameter[1])
			}
		}
	}
}

func TestWithoutALibrary(t *testing.T) {
	if _, err := Open("/nonexistent/libcuda.so.1", "0000:1a:00.0"); err == nil || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("err = %v, want the library's path", err)
	}
}
