package machine

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestDifferences(t *testing.T) {
	before := state{"mount": {"tmpfs /x": ""}, "process": {}, "kernel setting": {"/proc/sys/kernel/panic": "0"}}
	for name, c := range map[string]struct {
		now  state
		want []string // of each difference a part
	}{
		"as it was": {before, nil},
		"everything is left": {state{
			"mount": {"tmpfs /x": "", "overlay /y": ""}, "process": {"9": "pause"}, "kernel setting": {"/proc/sys/kernel/panic": "10"},
		}, []string{`kernel setting /proc/sys/kernel/panic: "0" before, "10" now`, "new mount overlay /y", "new process 9 pause"}},
		"a mount was taken away": {state{"kernel setting": before["kernel setting"]}, []string{"mount tmpfs /x is gone"}},
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

// TestAProcessLeftBehindIsSeen starts what the tests could leave behind, and ends it.
func TestAProcessLeftBehindIsSeen(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if err := cmd.Start(); err != nil {
		t.Skipf("cannot make namespaces: %v", err)
	}
	theirs := namespacesOf(cmd.Process.Pid)
	if processes, err := readProcesses(theirs); err != nil || len(processes) != 1 {
		t.Errorf("processes in %v: %v, %v; want the one", theirs, processes, err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if processes, err := readProcesses(theirs); err != nil || len(processes) != 0 {
		t.Errorf("after its end, processes in %v: %v, %v; want none", theirs, processes, err)
	}
}

func TestCgroups(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes cgroups")
	}
	if found, err := readCgroups(); err != nil || len(found) > 0 {
		t.Skipf("another run's cgroups: %v, %v", found, err)
	}
	if err := makeCgroups(); err != nil {
		t.Fatal(err)
	}
	found, err := readCgroups()
	if err != nil || len(found) == 0 {
		t.Errorf("cgroups made: %v, %v", found, err)
	}
	for path := range found {
		if err := os.MkdirAll(path+"/kubepods/pod1", 0o755); err != nil {
			t.Error(err)
		}
	}
	if err := removeCgroups(); err != nil {
		t.Error(err)
	}
	if found, err := readCgroups(); err != nil || len(found) > 0 {
		t.Errorf("cgroups left: %v, %v", found, err)
	}
}
