package e2e

import (
	"fmt"
	"math"
	"os"
	"syscall"
	"testing"
	"time"

	"gpusignal/test/e2e/proof"
)

// Series of the daemon.
const (
	containerBusy   = "gpusignal_container_gpu_busy_seconds_total"
	containerClaims = "gpusignal_container_gpu_claims"
	containerMemory = "gpusignal_container_gpu_memory_used_bytes"
	deviceBusy      = "gpusignal_device_busy_seconds_total"
	deviceObserved  = "gpusignal_device_observed_seconds_total"
	deviceUnowned   = "gpusignal_device_unowned_busy_seconds_total"
	podUtilization  = "gpusignal_gpu_utilization_ratio"
	podMemory       = "gpusignal_gpu_memory_usage_ratio"
	sourceUp        = "gpusignal_exporter_source_up"
)

// TestWhoHoldsTheGPU shows on a real kubelet to whom a GPU's time is counted: one pod, several, the containers of one pod, nobody;
// and that a kubelet or an API server that goes and comes changes nothing of it. Meanwhile every page of metrics has to add up.
func TestWhoHoldsTheGPU(t *testing.T) {
	s := newHolders(t)
	s.exclusive()
	s.split()
	s.ends()
	s.forced()
	s.pair()
	s.kubeletStops()
	s.kubeletIsKilled()
	s.byProcess()
	s.apiServerIsAway()
	proof.Shown(t, "on a real kubelet each GPU's time is counted to who holds it, alone, split or by process, to a millionth on every page, and a kubelet or an API server that goes and comes changes no series")
}

// exclusive: all that a GPU does is done for the one pod that has it.
func (s *holders) exclusive() {
	s.t.Helper()
	uuid, n := s.device("alone")
	s.signalOf("alone", float64(utilization(n))/100)
	over := s.over(5 * time.Second)
	s.show("alone has GPU %d to itself", n)
	s.owners(over, uuid, map[owner]float64{{"alone", "main", "exclusive"}: 1}, 0)
	s.near("what GPU %d did for %s", over.grew(deviceBusy, "gpu_uuid", uuid)/over.grew(deviceObserved, "gpu_uuid", uuid), float64(utilization(n))/100, 1e-3, n, "alone")
}

// split: pods that share a GPU have their part of it by what they claim, and no utilisation of their own while nobody knows it.
func (s *holders) split() {
	s.t.Helper()
	uuid, n := s.device("first")
	if other, _ := s.device("second"); other != uuid {
		s.t.Fatalf("the pods have %s and %s, want the same", uuid, other)
	}
	over := s.over(5 * time.Second)
	s.show("first and second share GPU %d, 2 to 1, and the daemon sees no processes", n)
	s.owners(over, uuid, map[owner]float64{{"first", "main", "split"}: 2. / 3, {"second", "main", "split"}: 1. / 3}, 0)
	for pod, claims := range map[string]float64{"first": 2, "second": 1} {
		s.near("claims of %s on GPU %d", over.to.Sum(containerClaims, "gpu_uuid", uuid, "pod", pod), claims, 0, pod, n)
		for _, name := range []string{podUtilization, "gpusignal_gpu_utilization_peak_ratio", podMemory, containerMemory} {
			if guessed := over.to.Select(name, "pod", pod); len(guessed) > 0 {
				s.t.Errorf("pod %s shares a GPU, and nobody knows its part of it: %v", pod, guessed)
			}
		}
	}
}

// ends: of a pod that has ended the counters stay, and what its GPU does from then on nobody owns.
func (s *holders) ends() {
	s.t.Helper()
	uuid, n := s.device("ends")
	s.signal(s.process("ends"), syscall.SIGTERM)
	s.Wait("the pod to have succeeded", time.Minute, func() error {
		var p struct{ Status struct{ Phase string } }
		err := s.API("/api/v1/namespaces/"+holdersNamespace+"/pods/ends", &p)
		if err == nil && p.Status.Phase != "Succeeded" {
			err = fmt.Errorf("it is %s", p.Status.Phase)
		}
		return err
	})
	s.unowned("ends", uuid, "the pod ends on GPU %d has succeeded", n)
}

// forced: a pod that is deleted by force is gone for the kubelet though its process runs on, as it does while the runtime hangs; and
// with the pod its claim goes.
func (s *holders) forced() {
	s.t.Helper()
	uuid, n := s.device("forced")
	process := s.process("forced")
	runtime := s.parent(process)
	s.signal(runtime, syscall.SIGSTOP)
	s.MustKubectl("-n", holdersNamespace, "delete", "pod", "forced", "--force", "--grace-period=0")
	s.Wait("the kubelet to forget the pod", time.Minute, func() error { return s.held("alone", "first", "second", "pair") })
	s.unowned("forced", uuid, "the pod forced on GPU %d is deleted by force, and its process %d runs on", n, process)
	s.signal(process, 0)
	s.signal(runtime, syscall.SIGCONT)
	s.Wait("the process to end", time.Minute, func() error {
		if err := syscall.Kill(process, 0); err != syscall.ESRCH {
			return fmt.Errorf("it runs, or %w", err)
		}
		return nil
	})
}

// unowned says that a pod's claim on a GPU is gone, that its counters are there and stand still, and that all that the GPU does is
// counted as nobody's.
func (s *holders) unowned(pod, uuid, format string, args ...any) {
	s.t.Helper()
	went := time.Now()
	s.Wait("the daemon to let go of the claim of "+pod, 30*time.Second, func() error {
		if found := s.newest().Select(containerClaims, "pod", pod); len(found) > 0 {
			return fmt.Errorf("%v", found)
		}
		return nil
	})
	s.logf("the claim is gone %v after that was known here", since(went))
	over := s.over(5 * time.Second)
	s.show(format, args...)
	s.owners(over, uuid, map[owner]float64{{pod, "main", "exclusive"}: 0}, 1)
	if signals := over.to.Select(podUtilization, "pod", pod); len(signals) > 0 {
		s.t.Errorf("the pod %s holds nothing any more, but there is %v", pod, signals)
	}
}

// pair: the GPU that containers of one pod share is wholly the pod's.
func (s *holders) pair() {
	s.t.Helper()
	uuid, n := s.device("pair")
	s.signalOf("pair", float64(utilization(n))/100)
	over := s.over(5 * time.Second)
	s.show("two containers of the pod pair share GPU %d", n)
	s.owners(over, uuid, map[owner]float64{{"pair", "left", "split"}: .5, {"pair", "right", "split"}: .5}, 0)
	memory := over.to.Sum("gpusignal_device_memory_used_bytes", "gpu_uuid", uuid) / over.to.Sum("gpusignal_device_memory_total_bytes", "gpu_uuid", uuid)
	s.near("memory of %s", over.to.Sum(podMemory, "pod", "pair"), memory, 1e-6, "pair")
}

// owner is a container that a GPU's time was counted to, and how.
type owner struct{ pod, container, attribution string }

// owners says that of what a GPU did in a span each container was counted its share, and nobody the rest of it, and that there are
// no other containers. A share is met to a millionth of what the GPU did.
func (s *holders) owners(over span, uuid string, shares map[owner]float64, unowned float64) {
	s.t.Helper()
	device := over.grew(deviceBusy, "gpu_uuid", uuid)
	if device <= 0 {
		s.t.Errorf("GPU %s did nothing", uuid)
	}
	for o, share := range shares {
		labels := []string{"namespace", holdersNamespace, "pod", o.pod, "container", o.container, "gpu_uuid", uuid, "attribution", o.attribution}
		if found := over.to.Select(containerBusy, labels...); len(found) != 1 {
			s.t.Errorf("busy seconds of %v on %s: %v, want one series", o, uuid, found)
		}
		s.near("busy seconds of %v on %s", over.grew(containerBusy, labels...), share*device, 1e-6*device, o, uuid)
	}
	if found := over.to.Select(containerBusy, "gpu_uuid", uuid); len(found) != len(shares) {
		s.t.Errorf("busy seconds on %s: %v, want those of %v", uuid, found, shares)
	}
	s.near("busy seconds of nobody on %s", over.grew(deviceUnowned, "gpu_uuid", uuid), unowned*device, 1e-6*device, uuid)
}

// signalOf waits for the utilisation of a pod, which is there after one window, or after a minute where containers of the pod
// share a GPU.
func (s *holders) signalOf(pod string, want float64) {
	s.t.Helper()
	s.Wait("the utilisation of "+pod, 90*time.Second, func() error {
		found := s.newest().Select(podUtilization, "namespace", holdersNamespace, "pod", pod)
		if len(found) != 1 || math.Abs(found[0].Value-want) > 0.005 {
			return fmt.Errorf("%v, want %v", found, want)
		}
		return nil
	})
}

// rounding is what sums of floats can be off by: counters are whole nanoseconds.
const rounding = 1e-9

// near says that a number is the one wanted.
func (s *holders) near(what string, got, want, within float64, args ...any) {
	s.t.Helper()
	if math.Abs(got-want) > within+rounding {
		s.t.Errorf("%s: %v, want %v to within %v", fmt.Sprintf(what, args...), got, want, within)
	}
}

func (s *holders) signal(process int, signal syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(process, signal); err != nil {
		s.t.Fatalf("send %v to process %d: %v", signal, process, err)
	}
}

// byProcess: where the daemon sees the processes of the node, they tell what each pod that shares a GPU uses of it, and how much
// the system uses besides. It is daemonset.yaml with hostPID, and a script of the stub that can change.
func (s *holders) byProcess() {
	s.t.Helper()
	uuid, n := s.device("first")
	folder := s.t.TempDir()
	s.script(folder, "")
	s.stop()
	mountScript(s.Cluster, folder, `"hostPID": true, `)
	s.follow()

	const mib = 1 << 20
	use := []struct {
		pod        string
		pid, sm    int
		memory     float64
		attributed float64 // of the sum of sm
	}{
		{"first", s.process("first"), 60, 3000 * mib, .6}, {"second", s.process("second"), 20, 1000 * mib, .2}, {"", os.Getpid(), 20, 500 * mib, .2},
	}
	var lines string
	for _, u := range use {
		lines += fmt.Sprintf("gpu.%[1]d.process %[2]d %.0[4]f\ngpu.%[1]d.process_use %[2]d %[3]d\n", n, u.pid, u.sm, u.memory)
	}
	s.script(folder, lines)
	s.logf("processes on GPU %d:\n%s", n, lines)
	for _, u := range use[:2] {
		s.signalOf(u.pod, u.attributed*float64(utilization(n))/100)
	}
	over := s.over(15 * time.Second)
	s.show("first and second share GPU %d with a process of the system, 60:20:20, and the daemon sees them", n)
	device := over.grew(deviceBusy, "gpu_uuid", uuid)
	for _, u := range use[:2] {
		labels := []string{"namespace", holdersNamespace, "pod", u.pod, "container", "main", "gpu_uuid", uuid}
		s.near("busy seconds of %s by process", over.grew(containerBusy, append(labels, "attribution", "process")...), u.attributed*device, 1e-6*device, u.pod)
		s.near("memory of %s", over.to.Sum(containerMemory, labels...), u.memory, 0, u.pod)
	}
	s.near("busy seconds by anything else on %s", over.grew(containerBusy, "gpu_uuid", uuid)-over.grew(containerBusy, "gpu_uuid", uuid, "attribution", "process"), 0, 0, uuid)
	s.near("busy seconds of the system on %s", over.grew(deviceUnowned, "gpu_uuid", uuid), use[2].attributed*device, 1e-6*device, uuid)
}

// script replaces what the stub tells by what it told at first and more lines, at once.
func (s *holders) script(folder, lines string) {
	s.t.Helper()
	if err := writeScript(folder, stubScript()+lines); err != nil {
		s.t.Fatal(err)
	}
}
