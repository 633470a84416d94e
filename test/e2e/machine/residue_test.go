package machine

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestDifferences(t *testing.T) {
	before := state{
		"mount":          {"/": "/dev/vda ext4;", "/proc": "proc proc;"},
		"cgroup":         {"/sys/fs/cgroup/cpu": ""},
		"namespace":      {"net:[1]": "(process 7, browser)"},
		"kernel setting": {"/proc/sys/kernel/panic": "0"},
	}
	for name, c := range map[string]struct {
		now  state
		want []string // of each difference a part
	}{
		"as it was": {before, nil},
		"another program's namespace and cgroup ended": {state{
			"mount": before["mount"], "kernel setting": before["kernel setting"], "cgroup": {}, "namespace": {},
		}, nil},
		"everything is left": {state{
			"mount":          {"/": "/dev/vda ext4;", "/proc": "proc proc;", "/var/lib/kubelet/pods/x": "tmpfs tmpfs;"},
			"cgroup":         {"/sys/fs/cgroup/cpu": "", "/sys/fs/cgroup/cpu/kubepods": ""},
			"namespace":      {"net:[1]": "(process 7, browser)", "net:[2]": "(process 9, pause)"},
			"kernel setting": {"/proc/sys/kernel/panic": "10"},
		}, []string{
			"new cgroup /sys/fs/cgroup/cpu/kubepods", `kernel setting /proc/sys/kernel/panic: "0" before, "10" now`,
			"new mount /var/lib/kubelet/pods/x", "new namespace net:[2] (process 9, pause)",
		}},
		"a mount was taken away": {state{
			"mount": {"/": "/dev/vda ext4;"}, "cgroup": before["cgroup"], "namespace": before["namespace"], "kernel setting": before["kernel setting"],
		}, []string{"mount /proc is gone"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			if err := before.differences(c.now); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(c.want) {
				t.Fatalf("differences: %q, want %q", got, c.want)
			}
			for i := range got {
				if !strings.Contains(got[i], c.want[i]) {
					t.Errorf("difference %d: %q, want %q", i, got[i], c.want[i])
				}
			}
		})
	}
}

// TestLookSeesAProcessInItsNamespaces starts what the tests could leave behind.
func TestLookSeesAProcessInItsNamespaces(t *testing.T) {
	before, err := look()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		t.Skipf("cannot make namespaces: %v", err)
	}
	now, err := look()
	if err != nil {
		t.Fatal(err)
	}
	left := before.differences(now)
	if left == nil || strings.Count(left.Error(), "cat") != 3 {
		t.Errorf("a process in three namespaces of its own: differences %v", left)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := before.compare(); err != nil {
		t.Errorf("after it has ended: %v", err)
	}
}
