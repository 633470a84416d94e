package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

var errNotRoot = errors.New("the real stack needs root: it makes namespaces, cgroups and containers; run: sudo make e2e")

// programs that the tests need, each with the Debian package that has it; the first plugin of the container network's stands for
// all of them.
func needs() [][2]string {
	return [][2]string{
		{"containerd", "containerd"},
		{"ctr", "containerd"},
		{"runc", "runc"},
		{"bridge", "containernetworking-plugins"},
		{"ip", "iproute2"},
		{"gcc", "gcc"},
		{"ldd", "libc-bin"},
	}
}

// NetworkPlugins is the folder of the container network's plugins: Debian's, Fedora's, or that of the project's own releases.
func NetworkPlugins() string {
	for _, folder := range []string{"/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"} {
		if _, err := os.Stat(filepath.Join(folder, "bridge")); err == nil {
			return folder
		}
	}
	return ""
}

// Require says what the machine lacks, and installs the packages it lacks where apt-get can do so without removing others.
func Require() error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	probe := exec.Command("true")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if err := probe.Run(); err != nil {
		return fmt.Errorf("the real stack makes namespaces, which this root may not: %w", err)
	}
	if programs, packages := missing(NetworkPlugins()); len(packages) > 0 {
		return install(programs, packages)
	}
	return nil
}

// missing programs, and the packages they are in, each once. The network's plugins are looked for in their folder alone: iproute2
// has a program bridge as well.
func missing(plugins string) (programs, packages []string) {
	seen := make(map[string]bool)
	for _, need := range needs() {
		found := plugins != ""
		if need[0] != "bridge" {
			_, err := exec.LookPath(need[0])
			found = err == nil
		}
		if found {
			continue
		}
		programs = append(programs, need[0])
		if !seen[need[1]] {
			seen[need[1]] = true
			packages = append(packages, need[1])
		}
	}
	return programs, packages
}

func install(programs, packages []string) error {
	lacks := fmt.Sprintf("missing here: %s (Debian's packages: %s)", strings.Join(programs, ", "), strings.Join(packages, " "))
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%s; install them as your system does", lacks)
	}
	fmt.Fprintln(os.Stderr, "e2e: installing", strings.Join(packages, " "))
	for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-remove", "--no-install-recommends"}, packages...)} {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s; apt-get %s: %w\n%s", lacks, args[0], err, out)
		}
	}
	if still, _ := missing(NetworkPlugins()); len(still) > 0 {
		return fmt.Errorf("missing here, also after apt-get install: %s", strings.Join(still, ", "))
	}
	return nil
}
