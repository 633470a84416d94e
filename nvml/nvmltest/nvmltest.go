// Package nvmltest builds a libnvidia-ml.so.1 that says what a script tells it. Only tests import it. A process can load
// one library only: a test that needs another starts its own binary again as a child.
package nvmltest

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ScriptEnv is the environment variable in which the library finds the path of its script.
const ScriptEnv = "GPUSIGNAL_STUB_SCRIPT"

// source is the folder of the library's files, from the root of the module. The first comment of stub.h tells what a script can
// say.
const source = "nvml/testdata/stub"

// Build compiles the library and returns its path. A define such as "NO_ENERGY" leaves functions out. A machine without a
// C compiler skips the test.
func Build(tb testing.TB, defines ...string) string {
	tb.Helper()
	compiler, err := exec.LookPath("gcc")
	if err != nil {
		if compiler, err = exec.LookPath("cc"); err != nil {
			tb.Skip("no C compiler to build the stub library with")
		}
	}
	path := filepath.Join(tb.TempDir(), "libnvidia-ml.so.1")
	args := []string{"-std=gnu11", "-shared", "-fPIC", "-O1", "-Wall", "-Wno-unused", "-pthread", "-o", path}
	for _, define := range defines {
		args = append(args, "-D"+define)
	}
	if out, err := exec.Command(compiler, append(args, files(tb)...)...).CombinedOutput(); err != nil {
		tb.Fatalf("build stub library: %v\n%s", err, out)
	}
	return path
}

// files of the library's source.
func files(tb testing.TB) []string {
	tb.Helper()
	found, err := filepath.Glob(filepath.Join(find(tb), "*.c"))
	if err != nil || len(found) == 0 {
		tb.Fatalf("find the stub library's files: %v", err)
	}
	return found
}

// find looks for the source from the working directory of the test upwards.
func find(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		path := filepath.Join(dir, filepath.FromSlash(source))
		if _, err := os.Stat(path); err == nil {
			return path
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatalf("find %q: not in the working directory or above it", source)
		}
		dir = parent
	}
}

// Script writes a script of the given lines and returns its path, for ScriptEnv.
func Script(tb testing.TB, lines ...string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "script")
	Rewrite(tb, path, lines...)
	return path
}

// Rewrite replaces a script in one step. The library heeds it with its next call, and a call that sleeps at once.
func Rewrite(tb testing.TB, path string, lines ...string) {
	tb.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		tb.Fatal(err)
	}
}

// Lazy fails a test when the program at a path has its symbols bound at start (-z now): with NVML it would not even start.
func Lazy(tb testing.TB, program string) {
	tb.Helper()
	file, err := elf.Open(program)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for tag, now := range map[elf.DynTag]uint64{
		elf.DT_FLAGS:   uint64(elf.DF_BIND_NOW),
		elf.DT_FLAGS_1: uint64(elf.DF_1_NOW),
	} {
		values, err := file.DynValue(tag)
		if err != nil {
			tb.Fatalf("read %v of %q: %v", tag, program, err)
		}
		for _, value := range values {
			if value&now != 0 {
				tb.Errorf("%q is bound at start (%v): link it with -ldflags '-extldflags=-Wl,-z,lazy'", program, tag)
			}
		}
	}
	if values, err := file.DynValue(elf.DT_BIND_NOW); err == nil && len(values) > 0 {
		tb.Errorf("%q is bound at start (DT_BIND_NOW): link it with -ldflags '-extldflags=-Wl,-z,lazy'", program)
	}
}
