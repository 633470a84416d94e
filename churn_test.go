package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gpusignal/node"
	"gpusignal/nvml/nvmltest"
)

const (
	churned   = 1000                  // pods that come and go
	together  = 40                    // of them at a time
	perPod    = 15 * time.Millisecond // between two of them
	churnGPUs = 8
	watts     = 100.0 // that each draws
)

// TestChurn has a thousand pods come and go on one node, alone on a GPU and sharing one, told by processes, under names that come
// again. At every instant the total of a device is what its accounts and nobody own, in whole nanoseconds and microjoules, and it is
// what the script of the library says; nothing runs on when it has ended.
func TestChurn(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	k := newChurn(t)
	d, stop := k.start(t)
	audited := make(chan int)
	done := make(chan struct{})
	go func() {
		n := 0
		for tick := time.NewTicker(50 * time.Millisecond); ; n++ {
			select {
			case <-done:
				tick.Stop()
				audited <- n
				return
			case <-tick.C:
				audit(t, d.snapshot())
			}
		}
	}()
	k.churn(t)
	time.Sleep(1500 * time.Millisecond) // The last claims go, and what was held is booked.
	close(done)
	t.Logf("%d audits of %d pods", <-audited, churned)
	s := d.snapshot()
	stop()
	k.compare(t, s)
	if err := goleak.Find(leaks); err != nil {
		t.Errorf("left behind: %v", err)
	}
}

// audit adds up.
func audit(t *testing.T, s *node.Snapshot) {
	t.Helper()
	sums := make(map[node.DeviceID][3]int64)
	for _, a := range s.Accounts {
		sum := sums[a.Device]
		sums[a.Device] = [3]int64{sum[0] + int64(a.Busy), sum[1] + int64(a.Observed), sum[2] + a.Energy}
	}
	for _, total := range s.Totals {
		sum := sums[total.Device]
		got := [3]int64{sum[0] + int64(total.UnownedBusy), sum[1] + int64(total.UnownedObserved), sum[2] + total.UnownedEnergy}
		if want := [3]int64{int64(total.Busy), int64(total.Observed), total.Energy}; got != want {
			t.Errorf("%s: accounts and unowned are %v, the total %v", total.Device, got, want)
		}
	}
}

// churn is a node of eight GPUs: four are shared by up to ten pods each, whose processes run in turn, four are one pod's.
type churn struct {
	*kubeletServer
	dir, script string
	lines       []string
	started     time.Time

	live []churnPod
}

// churnPod is a pod, and where it runs.
type churnPod struct {
	servedPod
	gpu, pid int
}

func newChurn(t *testing.T) *churn {
	k := &churn{kubeletServer: newKubeletServer(), dir: t.TempDir()}
	k.lines = []string{fmt.Sprintf("devices %d", churnGPUs)}
	for n := range churnGPUs {
		k.lines = append(k.lines, fmt.Sprintf("gpu.%d.duty %.2f", n, duty(n)), fmt.Sprintf("gpu.%d.power %d", n, int(1000*watts)), fmt.Sprintf("gpu.%d.energy 5000", n))
	}
	k.script = nvmltest.Script(t, k.lines...)
	k.write(t, "proc/stat", "btime 1000\n")
	return k
}

// duty is how busy a GPU is: each another, so that a wrong one shows.
func duty(gpu int) float64 { return 0.1 * float64(gpu+1) }

func (k *churn) start(t *testing.T) (d *daemon, stop func()) {
	t.Helper()
	library := nvmltest.Build(t)
	t.Setenv(nvmltest.ScriptEnv, k.script)
	sockets := k.serve(t)
	k.started = time.Now()
	d, _, end := startHere(t, filepath.Join(k.dir, "proc"), "--nvml.library="+library, "--kubernetes.pods=kubelet",
		"--kubelet.pod-resources-socket="+sockets.resources, "--kubelet.pods-socket="+sockets.pods)
	return d, func() {
		end()
		sockets.stop()
	}
}

// churn has the pods come and go. One of ten ends by itself before it is deleted.
func (k *churn) churn(t *testing.T) {
	for n := range churned {
		gpu := n % 4
		id := fmt.Sprintf("GPU-00000000-0000-0000-0000-%012d::%d", gpu, n%10)
		if n%10 >= 4 && n%10 < 8 {
			gpu = n % 10
			id = fmt.Sprintf("GPU-00000000-0000-0000-0000-%012d", gpu)
			k.end(t, gpu)
		}
		p := churnPod{servedPod{
			name: fmt.Sprintf("p%d", n%(2*together)), uid: fmt.Sprintf("00000000-0000-0000-0000-%012d", n), id: id,
			container: fmt.Sprintf("%064x", n),
		}, gpu, 1<<22 + n}
		k.write(t, fmt.Sprintf("proc/%d/cgroup", p.pid), fmt.Sprintf("0::/kubepods/pod%s/%s\n", p.uid, p.container))
		k.write(t, fmt.Sprintf("proc/%d/stat", p.pid), fmt.Sprintf("%d (x) S%s", p.pid, strings.Repeat(" 7", 30)))
		k.add(p.servedPod)
		k.live = append(k.live, p)
		if len(k.live) > together {
			k.remove(t, 0, n%10 == 0)
		}
		k.tell(t)
		time.Sleep(perPod)
	}
	for len(k.live) > 0 {
		k.remove(t, 0, false)
	}
	k.tell(t)
}

// end removes the pod that has a GPU for itself.
func (k *churn) end(t *testing.T, gpu int) {
	for i, p := range k.live {
		if p.gpu == gpu {
			k.remove(t, i, false)
			return
		}
	}
}

func (k *churn) remove(t *testing.T, i int, succeeds bool) {
	p := k.live[i]
	k.live = append(k.live[:i], k.live[i+1:]...)
	if succeeds {
		k.succeed(p.uid)
	}
	k.delete(p.uid)
	if err := os.RemoveAll(filepath.Join(k.dir, "proc", fmt.Sprint(p.pid))); err != nil {
		t.Fatal(err)
	}
}

// tell writes the processes into the script: those of a shared GPU use it alike.
func (k *churn) tell(t *testing.T) {
	lines := append([]string(nil), k.lines...)
	for _, p := range k.live {
		if p.gpu < 4 {
			lines = append(lines, fmt.Sprintf("gpu.%d.process %d 1048576", p.gpu, p.pid), fmt.Sprintf("gpu.%d.process_use %d 10", p.gpu, p.pid))
		}
	}
	nvmltest.Rewrite(t, k.script, lines...)
}

func (k *churn) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(k.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// compare holds the totals against the script: how busy each GPU is, and the power that it draws.
func (k *churn) compare(t *testing.T, s *node.Snapshot) {
	t.Helper()
	if len(s.Totals) != churnGPUs {
		t.Fatalf("%d totals, want %d", len(s.Totals), churnGPUs)
	}
	ways := make(map[node.Attribution]time.Duration)
	for _, a := range s.Accounts {
		ways[a.Attribution] += a.Busy
	}
	if ways[node.Exclusive] == 0 || ways[node.ByProcess] == 0 {
		t.Errorf("busy by way of attribution: %v", ways)
	}
	var gpu int
	for _, total := range s.Totals {
		if _, err := fmt.Sscanf(string(total.Device), "GPU-00000000-0000-0000-0000-%012d", &gpu); err != nil {
			t.Fatal(err)
		}
		if want := duty(gpu) * total.Observed.Seconds(); math.Abs(total.Busy.Seconds()-want) > 1e-3 {
			t.Errorf("gpu %d: busy %v of %v, want %.4f s", gpu, total.Busy, total.Observed, want)
		}
		// What a busy machine misses is not counted, and never more than there was.
		span := total.Booked.Sub(k.started).Seconds()
		if seen := total.Observed.Seconds(); seen > span || seen < span/2 {
			t.Errorf("gpu %d: observed %.3f s of %.3f s", gpu, seen, span)
		}
		if joules := float64(total.Energy) / 1e6; joules > watts*span || joules < watts*(span-5) {
			t.Errorf("gpu %d: %.1f J in %.3f s at %v W", gpu, joules, span, watts)
		}
	}
}
