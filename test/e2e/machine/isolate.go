// Package machine lends the end-to-end tests the machine they run on: they get a network, mounts and processes of their own,
// of which nothing is left when they end, however they end.
package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
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

// Main runs a test binary's tests in namespaces of their own and returns its exit code. prepare runs before, on the machine as
// it is: what has to be downloaded, built or installed belongs there. run runs the tests, within.
//
// The tests find a network of nothing but the loopback device, an empty /run, /var/lib and /var/log (see mounts), and the folder
// Dir.
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

// Dir is the folder that the tests may write into. It is removed when they end.
func Dir() string { return os.Getenv(dirEnv) }

// isolate prepares, runs the tests and compares the machine with what it was.
func isolate(prepare func() error) (code int, err error) {
	if err := Require(); err != nil {
		return 1, err
	}
	if err := prepare(); err != nil {
		return 1, err
	}
	if err := removeCgroups(); err != nil {
		return 1, fmt.Errorf("remove the cgroups of a run that was cut off: %w", err)
	}
	before, err := look()
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "gpusignal-e2e-")
	if err != nil {
		return 1, err
	}
	code, err = inNamespaces(dir)
	err = errors.Join(err, removeCgroups(), os.RemoveAll(dir))
	if err != nil {
		return 1, err
	}
	return code, before.compare()
}

// inNamespaces starts this binary again as the first process of new namespaces and waits for its end, with which every process
// in them ends.
func inNamespaces(dir string) (int, error) {
	// The signal of Pdeathsig is sent when the thread that started the process ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := again(first)
	cmd.Env = append(cmd.Env, dirEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	// An interrupt from the terminal reaches the tests by itself.
	signal.Ignore(os.Interrupt)
	defer signal.Reset(os.Interrupt)
	return exitCode(cmd.Run())
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

// again is this binary with the same arguments, in another stage.
func again(stage string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), stageEnv+"="+stage)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// mounts gives the namespaces folders of their own where Kubernetes' parts write by default, and files in place of the kernel's
// settings that the kubelet changes: no setting of the machine is touched.
func mounts(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make / private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, folder := range []string{"/run", "/var/lib", "/var/log"} {
		own := filepath.Join(dir, folder)
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(own, folder, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", folder, err)
		}
	}
	for _, setting := range settings() {
		if err := shield(dir, setting); err != nil {
			return fmt.Errorf("shield %s: %w", setting, err)
		}
	}
	return nil
}

// settings are the kernel's settings that a kubelet writes: pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables.
func settings() []string {
	return []string{
		"/proc/sys/vm/overcommit_memory", "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/panic", "/proc/sys/kernel/panic_on_oops",
		"/proc/sys/kernel/keys/root_maxkeys", "/proc/sys/kernel/keys/root_maxbytes",
	}
}

// shield mounts a copy over a kernel setting.
func shield(dir, setting string) error {
	value, err := os.ReadFile(setting)
	if err != nil {
		return err
	}
	own := filepath.Join(dir, "settings", setting)
	if err := os.MkdirAll(filepath.Dir(own), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(own, value, 0o644); err != nil {
		return err
	}
	return unix.Mount(own, setting, "", unix.MS_BIND, "")
}
