// Package machine lends the end-to-end tests the machine they run on: they get a network, mounts, processes and a cgroup of their
// own, of which nothing is left when they end.
package machine

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stageEnv says to a process of the test binary which part it plays; dirEnv is the folder that the tests write into.
const (
	stageEnv = "GPUSIGNAL_E2E_STAGE"
	dirEnv   = "GPUSIGNAL_E2E_DIR"
)

// Stages of the test binary: the process that was started makes the namespaces and starts itself again as their first
// process, which starts the tests.
const (
	first = "first"
	tests = "tests"
)

// namespaces are those that the tests get.
const namespaces = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// Main runs each test of a test binary in namespaces of its own, one after the other, and returns the binary's exit code. prepare
// runs before, on the machine as it is: what has to be downloaded or built belongs there. run runs a test, within them.
//
// A test finds a network of nothing but the loopback device, an empty /run, /var/lib and /var/log (see mounts), the cgroup
// CgroupRoot, and the folder Dir, which is its home and holds its temporary files.
func Main(prepare func() error, run func() int) int {
	switch os.Getenv(stageEnv) {
	case first:
		return beFirst()
	case tests:
		return run()
	}
	code, err := isolate(prepare)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return code
}

// Dir is the folder that a test may write into. It is removed when it ends.
func Dir() string { return os.Getenv(dirEnv) }

// isolate prepares and runs the tests, until one of them leaves the machine changed.
func isolate(prepare func() error) (code int, err error) {
	if err := Require(); err != nil {
		return 1, err
	}
	work, err := workFolder()
	if err != nil {
		return 1, err
	}
	defer work.release()
	if err := removeCgroups(); err != nil {
		return 1, fmt.Errorf("remove the cgroups of a run that was cut off: %w", err)
	}
	if err := prepare(); err != nil {
		return 1, err
	}
	flag.Parse()
	selected, err := selection(flag.Lookup("test.run").Value.String())
	if err != nil {
		return 1, err
	}
	if len(selected) == 0 {
		return 1, fmt.Errorf("-run %s selects no test", flag.Lookup("test.run").Value)
	}
	for _, pattern := range selected {
		failed, err := alone(work.run, pattern)
		if err != nil {
			return 1, err
		}
		code = max(code, failed)
	}
	return code, nil
}

// selection returns a pattern for each test of this binary that the value of a flag -run selects: the test's name, and what the
// value says of subtests.
func selection(run string) ([]string, error) {
	name, subtests, nested := strings.Cut(run, "/")
	// It is the binary itself that knows, in the part that runs tests.
	list := exec.Command("/proc/self/exe", "-test.list", cmp.Or(name, "."))
	list.Env = append(os.Environ(), stageEnv+"="+tests)
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the tests: %w", err)
	}
	var patterns []string
	for test := range strings.FieldsSeq(string(out)) {
		pattern := "^" + test + "$"
		if nested {
			pattern += "/" + subtests
		}
		patterns = append(patterns, pattern)
	}
	return patterns, nil
}

// alone runs a test and compares the machine with what it was.
func alone(run, pattern string) (code int, err error) {
	before, err := look(run, nil)
	if err != nil {
		return 1, err
	}
	if err := makeCgroups(); err != nil {
		return 1, errors.Join(fmt.Errorf("make a cgroup for the tests: %w", err), removeCgroups())
	}
	code, theirs, err := inNamespaces(run, pattern)
	err = errors.Join(err, removeCgroups(), os.RemoveAll(run))
	return code, errors.Join(err, before.compare(run, theirs))
}

// inNamespaces starts this binary again as the first process of new namespaces, for the tests of a pattern, and waits for its end,
// with which every process in them ends. A signal ends it early. It returns the exit code, and which namespaces they were.
func inNamespaces(run, pattern string) (code int, theirs []string, err error) {
	// The signal of Pdeathsig is sent when the thread that started the process ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := os.MkdirAll(filepath.Join(run, "tmp"), 0o755); err != nil {
		return 1, nil, err
	}
	cmd := again(first, "-test.run="+pattern) // The last of a flag counts.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + run, "TMPDIR=" + run + "/tmp", stageEnv + "=" + first, dirEnv + "=" + run}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 1, nil, fmt.Errorf("start the tests in namespaces of their own: %w", err)
	}
	theirs = namespacesOf(cmd.Process.Pid)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case s := <-signals:
		_ = cmd.Process.Kill()
		err = errors.Join(fmt.Errorf("ended by signal: %v", s), <-ended)
	}
	code, err = exitCode(err)
	return code, theirs, err
}

// beFirst is the first process of the namespaces: it makes the mounts, runs the tests and collects the processes that have lost
// their parents.
func beFirst() int {
	if err := mounts(Dir()); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: make the mounts of the tests:", err)
		return 1
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: set the loopback device up: %v: %s\n", err, out)
		return 1
	}
	// Other work on the machine should not show in the tests' timings. The priority is a thread's, and inherited.
	runtime.LockOSThread()
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -10); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: go on without a higher priority:", err)
	}
	cmd := again(tests)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: start the tests:", err)
		return 1
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			fmt.Fprintln(os.Stderr, "e2e: wait for the tests:", err)
			return 1
		case pid == cmd.Process.Pid && status.Exited():
			return status.ExitStatus()
		case pid == cmd.Process.Pid:
			fmt.Fprintln(os.Stderr, "e2e: the tests were ended by", status.Signal())
			return 1
		}
	}
}

// again is this binary with the same arguments and more, in another stage.
func again(stage string, more ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", slices.Concat(os.Args[1:], more)...)
	cmd.Env = append(os.Environ(), stageEnv+"="+stage)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}
