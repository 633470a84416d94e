package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"

	corev1 "k8s.io/api/core/v1"
)

// proc is what the files of one process say.
type proc struct {
	comm, cgroup string
	started      time.Time
}

// readProcs reads a folder of processes as one reads /proc: a command can hold spaces and brackets, so that the fields behind
// it are counted from its last bracket.
func readProcs(t *testing.T, dir string) map[int]proc {
	t.Helper()
	read := func(names ...string) string {
		content, err := os.ReadFile(filepath.Join(append([]string{dir}, names...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	boot, err := strconv.ParseInt(regexp.MustCompile(`(?m)^btime (\d+)$`).FindStringSubmatch(read("stat"))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]proc{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat := read(e.Name(), "stat")
		end := strings.LastIndexByte(stat, ')')
		head, fields := stat[:end], strings.Fields(stat[end+1:])
		var ticks int64
		if len(fields) == 50 {
			ticks, err = strconv.ParseInt(fields[22-3], 10, 64)
		}
		comm, ours := strings.CutPrefix(head, e.Name()+" (")
		if err != nil || !ours || fields[0] != "S" || ticks <= 0 {
			t.Fatalf("stat of %d is %q", pid, stat)
		}
		out[pid] = proc{comm, read(e.Name(), "cgroup"), time.Unix(boot, ticks*1e7)}
	}
	return out
}

func TestProcTree(t *testing.T) {
	dir, boot := filepath.Join(t.TempDir(), "proc"), time.Now().Add(-time.Hour)
	tree, err := newProcTree(dir, boot)
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now().Add(-10 * time.Minute)
	first := tree.begin("odd) S (name that is long", "/a.slice/b.scope", started)
	second := tree.begin("python3", "/", time.Now())
	if first <= 1<<22 || second <= first {
		t.Errorf("PIDs %d and %d: a kernel could give them", first, second)
	}
	tree.end(second)
	procs := readProcs(t, dir)
	got := procs[first]
	if len(procs) != 1 || got.comm != "odd) S (name th" || got.cgroup != "0::/a.slice/b.scope\n" {
		t.Errorf("processes %+v", procs)
	}
	if off := started.Sub(got.started); off < 0 || off >= 10*time.Millisecond {
		t.Errorf("the start is %v early", off)
	}
	again, err := newProcTree(dir, boot)
	if err != nil {
		t.Fatal(err)
	}
	again.begin("python3", "/other", started)
	if got := readProcs(t, dir)[first].cgroup; got != "0::/other\n" {
		t.Errorf("the process of a later node has the cgroup %q", got)
	}
	if err := errors.Join(tree.fault(), again.fault()); err != nil {
		t.Error(err)
	}
}

func TestProcessesThatCannotBeWrittenEndTheRun(t *testing.T) {
	n := newNode(t, Config{Seed: 1, GPUs: 1})
	if err := os.RemoveAll(n.Proc()); err != nil {
		t.Fatal(err)
	}
	n.proc.begin("python3", "/", time.Now())
	if err := n.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "write process 4195306") {
		t.Errorf("run: %v", err)
	}
}

// checkProcesses finds each process of a device in the node's folder, and there the container that holds the device, and no
// process else.
func checkProcesses(t *testing.T, n *Node) {
	t.Helper()
	procs := readProcs(t, n.Proc())
	for g := range n.driver.all() {
		for _, p := range onDevice(g) {
			owner := ""
			for _, pod := range n.pods.all() {
				for i, c := range pod.containers {
					holds := slices.ContainsFunc(c.devices, func(id string) bool { return strings.HasPrefix(id, string(g.device.ID)) })
					if holds && procs[p.PID].cgroup == cgroupOf(pod.object, i) {
						owner = c.name
					}
				}
			}
			if g.device.Minor != 7 && owner == "" {
				t.Errorf("process %d on gpu %s is of nobody who holds it: %+v", p.PID, g.device.Label(), procs[p.PID])
			}
			delete(procs, p.PID)
		}
	}
	if len(procs) > 0 {
		t.Errorf("processes that are on no device: %+v", procs)
	}
}

// onDevice are the processes on a device, without those that ended since it was last read.
func onDevice(g *gpu) []node.Process {
	return slices.DeleteFunc(g.read(node.WantProcesses).Processes.Value, func(p node.Process) bool { return p.Memory == 0 && p.Share > 0 })
}

// cgroupOf works the content of the file out from what the pod shows.
func cgroupOf(p *corev1.Pod, i int) string {
	id := strings.TrimPrefix(p.Status.ContainerStatuses[i].ContainerID, "containerd://")
	if len(id) != 64 {
		return "container id " + id
	}
	return fmt.Sprintf("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod%s.slice/cri-containerd-%s.scope\n",
		strings.ReplaceAll(string(p.UID), "-", "_"), id)
}

// The process that no pod owns comes and goes: on the device, in the folder and with a cgroup of the system.
func TestStrayProcess(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		buf := newLogBuffer()
		g := newGPU(node.Device{ID: "GPU-a"}, newTruth(buf), 0, 0)
		tree, err := newProcTree(dir, time.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		n := &Node{driver: &Driver{gpus: []*gpu{g}}, proc: tree}
		if err := n.stray(0); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { n.jobs[0](ctx) })
		seen := map[int]bool{}
		for range 1200 {
			time.Sleep(100 * time.Millisecond)
			procs, on := readProcs(t, dir), onDevice(g)
			if len(procs) != len(on) || len(on) > 1 {
				t.Fatalf("on the device: %+v, in the folder: %+v", on, procs)
			}
			for _, p := range on {
				seen[p.PID] = true
				if got := procs[p.PID]; got.cgroup != "0::/system.slice/nightly.service\n" || time.Since(got.started) > 15*time.Second {
					t.Fatalf("process %+v", got)
				}
			}
		}
		cancel()
		wg.Wait()
		g.halt()
		if len(seen) < 3 {
			t.Errorf("processes %v", seen)
		}
		for _, l := range buf.lines(t) {
			if l.event == "busy" && l.fields["by"] != "-" {
				t.Errorf("%v", l)
			}
		}
	})
}
