package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var errNotRoot = errors.New("the real stack needs root: it makes namespaces, cgroups and containers; run: sudo make e2e")

// need is a file that the tests need and the Debian package that has it.
type need struct{ file, pkg string }

func needs() []need {
	return []need{
		{"/usr/bin/containerd", "containerd"},
		{"/usr/bin/ctr", "containerd"},
		{"/usr/sbin/runc", "runc"},
		{"/usr/lib/cni/bridge", "containernetworking-plugins"},
		{"/usr/sbin/ip", "iproute2"},
		{"/usr/bin/gcc", "gcc"},
	}
}

// Require says what the machine lacks, and installs the packages it lacks where apt-get can.
func Require() error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	if pid := running("kubelet"); pid != "" {
		return fmt.Errorf("a kubelet runs on this machine (process %s): the tests start their own and cannot run beside it", pid)
	}
	if missing := missing(); len(missing) > 0 {
		if err := install(missing); err != nil {
			return err
		}
	}
	return nil
}

// missing packages, each once.
func missing() []string {
	var packages []string
	seen := make(map[string]bool)
	for _, n := range needs() {
		if _, err := os.Stat(n.file); err != nil && !seen[n.pkg] {
			seen[n.pkg] = true
			packages = append(packages, n.pkg)
		}
	}
	return packages
}

func install(packages []string) error {
	list := strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("missing here: %s; install them as your system does (there is no apt-get)", list)
	}
	fmt.Fprintln(os.Stderr, "e2e: installing", list)
	for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-install-recommends"}, packages...)} {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("missing here: %s; apt-get %s: %w\n%s", list, args[0], err, out)
		}
	}
	if still := missing(); len(still) > 0 {
		return fmt.Errorf("missing here, also after apt-get install: %s", strings.Join(still, " "))
	}
	return nil
}

// running returns the process of a program, or nothing.
func running(name string) string {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, path := range names {
		if comm, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(comm)) == name {
			return filepath.Base(filepath.Dir(path))
		}
	}
	return ""
}
