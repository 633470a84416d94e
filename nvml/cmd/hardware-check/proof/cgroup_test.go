package proof

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHierarchies(t *testing.T) {
	const mounts = `22 1 0:20 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:5 - cgroup2 cgroup2 rw
32 30 0:28 / /sys/fs/cgroup/memory rw,nosuid shared:6 - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids
cut off
`
	got, err := hierarchies(strings.NewReader(mounts))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestSit: a process is seen in the cgroup of a container of the pod, and nothing is left when it has gone.
func TestSit(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	defer end()
	s, err := sit(cmd.Process.Pid, "6b0c0000-0000-4000-8000-0000000000ff")
	if err != nil {
		t.Skipf("cgroups cannot be made here: %v", err)
	}
	content, err := os.ReadFile(filepath.Join("/proc", itoa(cmd.Process.Pid), "cgroup"))
	if err != nil || !strings.Contains(string(content), "/kubepods/burstable/pod6b0c0000-0000-4000-8000-0000000000ff/c0dec0de") {
		t.Errorf("its cgroups are %s, %v", content, err)
	}
	end()
	s.leave()
	for _, dir := range s.made {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is left", dir)
		}
	}
}

func TestSitWhereNothingCanBeMade(t *testing.T) {
	root := filepath.Join(t.TempDir(), "none")
	if _, err := sitIn(root, 1, "a"); err == nil || !strings.Contains(err.Error(), root) {
		t.Errorf("err = %v, want the folder", err)
	}
}
