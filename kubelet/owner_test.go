package kubelet

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gpusignal/node"
)

// proc is a folder like /proc, with a machine that started at the second 1000.
type proc struct {
	t   *testing.T
	dir string
}

func newProc(t *testing.T) proc {
	p := proc{t, t.TempDir()}
	p.write("stat", "cpu  1 2 3\nbtime 1000\nprocesses 9\n")
	return p
}

func (p proc) write(name, content string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// process that started some clock ticks after the machine.
func (p proc) process(pid int, ticks int, cgroup string) {
	p.write(fmt.Sprintf("%d/cgroup", pid), cgroup)
	p.write(fmt.Sprintf("%d/stat", pid), fmt.Sprintf("%d (python (3) x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 %d 20 21", pid, ticks))
}

func newOwners(p proc, pods ...node.Pod) *Kubelet {
	k := New(Config{PodsMode: modeKubelet, HostPIDs: true, Proc: p.dir, Devices: func() []node.Device { return nil }, Logger: slog.New(slog.DiscardHandler)})
	byUID := map[string]node.Pod{}
	for _, pod := range pods {
		byUID[pod.ID.UID] = pod
	}
	k.pods.book.put(fromKubelet, byUID)
	return k
}

func TestOwner(t *testing.T) {
	two := node.Pod{ID: node.PodID{UID: uid, Namespace: "ml", Name: "two"}, Containers: []node.Container{{Name: "a", ID: idA}, {Name: "b", ID: idB}}}
	one := node.Pod{ID: node.PodID{UID: static, Namespace: "ml", Name: "one"}, Containers: []node.Container{{Name: "main"}}}
	in := func(pod, container string) string { return "0::/kubepods/pod" + pod + "/" + container + "\n" }
	for name, test := range map[string]struct {
		cgroup string
		want   node.ContainerID
		known  bool
	}{
		"of the host, in the cgroup of a service":         {"0::/system.slice/x.service\n", node.ContainerID{}, true},
		"of the first container":                          {in(uid, idA), node.ContainerID{Pod: two.ID, Name: "a"}, true},
		"of the second container":                         {in(uid, idB), node.ContainerID{Pod: two.ID, Name: "b"}, true},
		"of a container without a status, the only one":   {in(static, idA), node.ContainerID{Pod: one.ID, Name: "main"}, true},
		"of a container without a status, among others":   {in(uid, idA[:62]+"00"), node.ContainerID{}, false},
		"of a pod that is not known":                      {in("ffffffff"+uid[8:], idA), node.ContainerID{}, false},
		"of a pod inside a pod":                           {"0::/kubepods/pod" + uid + "/" + idA + "/kubepods/pod" + static + "/" + idB, node.ContainerID{Pod: two.ID, Name: "a"}, true},
		"of a pod inside a pod that another kubelet runs": {"0::/kubepods/pod" + "ffffffff" + uid[8:] + "/" + idA + "/kubepods/pod" + static + "/" + idB, node.ContainerID{Pod: one.ID, Name: "main"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProc(t)
			p.process(42, 250, test.cgroup)
			got, started, known := newOwners(p, one, two).Owner(42)
			if got != test.want || known != test.known || !started.Equal(time.Unix(1002, 5e8)) {
				t.Errorf("%+v, started %v, known %v; want %+v, %v", got, started, known, test.want, test.known)
			}
		})
	}
}

// A process that cannot be read is not known, whatever is wrong with it.
func TestOwnerOfNobody(t *testing.T) {
	for name, change := range map[string]func(p proc){
		"it is gone":                 func(p proc) { os.RemoveAll(filepath.Join(p.dir, "42")) },
		"its cgroup is gone":         func(p proc) { os.Remove(filepath.Join(p.dir, "42", "cgroup")) },
		"its start is cut":           func(p proc) { p.write("42/stat", "42 (x) S 1 2") },
		"its start is no number":     func(p proc) { p.process(42, -1, "0::/\n") },
		"its stat is empty":          func(p proc) { p.write("42/stat", "") },
		"the machine tells no start": func(p proc) { p.write("stat", "cpu 1\n") },
		"the machine's start is bad": func(p proc) { p.write("stat", "btime x\n") },
	} {
		t.Run(name, func(t *testing.T) {
			p := newProc(t)
			p.process(42, 1, "0::/\n")
			if _, _, known := newOwners(p).Owner(42); !known {
				t.Fatal("not known before the change")
			}
			change(p)
			if got, started, known := newOwners(p).Owner(42); known || got != (node.ContainerID{}) || !started.IsZero() {
				t.Errorf("%+v, %v, %v", got, started, known)
			}
		})
	}
}

// Processes can be told apart where the host's are visible and pods are known by their UIDs.
func TestSeesProcesses(t *testing.T) {
	k := newOwners(newProc(t))
	if !k.SeesProcesses() {
		t.Error("host PIDs and live pods: not seen")
	}
	k.cfg.HostPIDs = false
	if k.SeesProcesses() {
		t.Error("seen without host PIDs")
	}
	k = New(Config{PodsMode: modeOff, HostPIDs: true, Logger: slog.New(slog.DiscardHandler)})
	if k.SeesProcesses() {
		t.Error("seen where pods are known by name only")
	}
}

// The real thing: this process is on this machine.
func TestOwnerOfThisProcess(t *testing.T) {
	k := newOwners(proc{t, "/proc"})
	_, started, _ := k.Owner(os.Getpid())
	if since := time.Since(started); since < -2*time.Second || since > time.Hour {
		t.Errorf("this process started %v ago", since)
	}
	again, err := k.proc.started(os.Getpid())
	if first, _ := k.proc.started(os.Getpid()); err != nil || again != first {
		t.Errorf("its start moved: %d, %d, %v", first, again, err)
	}
}

func FuzzParseStart(f *testing.F) {
	f.Add([]byte("42 (python (3) x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 250 20 21"))
	f.Add([]byte("1 () S"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, stat []byte) {
		if ticks, err := parseStart(stat); ticks < 0 || err != nil && ticks != 0 {
			t.Errorf("%q gives %d, %v", stat, ticks, err)
		}
	})
}
