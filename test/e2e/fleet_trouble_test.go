package e2e

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
)

// daemon is the one pod of gpusignal.
func (f *fleet) daemon() (pod, error) {
	list, err := pods(f.Cluster, "gpusignal", "app.kubernetes.io/name=gpusignal")
	if err != nil || len(list) != 1 {
		return pod{}, fmt.Errorf("%d pods of gpusignal, %w", len(list), err)
	}
	return list[0], nil
}

// mustDaemon ends the test where there is not one pod of gpusignal.
func (f *fleet) mustDaemon() pod {
	f.t.Helper()
	p, err := f.daemon()
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *fleet) rollout() func() {
	f.t.Helper()
	old := f.mustDaemon().Metadata.Name
	f.MustKubectl("-n", "gpusignal", "rollout", "restart", "daemonset/gpusignal")
	f.MustKubectl("-n", "gpusignal", "rollout", "status", "daemonset/gpusignal", "--timeout=110s")
	f.Wait("the old pod to go", time.Minute, func() error {
		p, err := f.daemon()
		if err == nil && p.Metadata.Name == old {
			err = errors.New("it is there")
		}
		return err
	})
	return nil
}

func (f *fleet) kill() func() {
	f.t.Helper()
	name := f.mustDaemon().Metadata.Name
	victim, err := process(f.Cluster, "gpusignal", name)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		f.t.Fatal(err)
	}
	f.Wait("another process", time.Minute, func() error {
		p, err := process(f.Cluster, "gpusignal", name)
		if err == nil && p == victim {
			err = errors.New("the old one")
		}
		return err
	})
	return nil
}

// loseGPUs: one that a pod has alone, and one that several share.
func (f *fleet) loseGPUs() func() {
	f.t.Helper()
	ids := uuids(wholeGPUs + sharedGPUs)
	// Of a pod, in a workload.
	device := func(namespace string) (pod string, n int) {
		given, err := claims(namespace)
		if err != nil || len(given) == 0 {
			f.t.Fatalf("the kubelet lists %v of %s, %v", given, namespace, err)
		}
		pod = slices.Sorted(maps.Keys(given))[0]
		id, _, _ := strings.Cut(given[pod][0], "::")
		return pod, slices.Index(ids, id)
	}
	pod, whole := device("saturation")
	_, shared := device("utilization")
	f.lose(true, whole, shared)
	f.Wait("the daemon to say that they are lost", time.Minute, func() error { return f.up(0, ids[whole], ids[shared]) })
	f.logf("GPU %d of pod %s and GPU %d, which pods share, are lost", whole, pod, shared)
	return func() {
		f.lose(false, whole, shared)
		f.Wait("the daemon to find them again", time.Minute, func() error { return f.up(1, ids[whole], ids[shared]) })
	}
}

// up says whether the daemon can read devices, by its own page.
func (f *fleet) up(want float64, ids ...string) error {
	p, err := f.daemon()
	if err != nil {
		return err
	}
	page, err := scrape(net.JoinHostPort(p.Status.PodIP, "9478"))
	if err != nil {
		return err
	}
	for _, id := range ids {
		if found := page.Select("gpusignal_device_up", "gpu_uuid", id); len(found) != 1 || found[0].Value != want {
			return fmt.Errorf("%v, want %v", found, want)
		}
	}
	return nil
}

func (f *fleet) restartPrometheus() func() {
	f.t.Helper()
	f.End("prometheus", syscall.SIGTERM)
	f.Wait("an autoscaler without its metric", time.Minute, func() error {
		out, err := f.Kubectl("-n", "saturation", "get", "hpa", "-o", `jsonpath={.items[0].status.conditions[?(@.type=="ScalingActive")].status}`)
		if err == nil && out != "False" {
			err = fmt.Errorf("ScalingActive is %s", out)
		}
		return err
	})
	f.Again("prometheus")
	return nil
}

func (f *fleet) restartKubelet() func() {
	f.t.Helper()
	f.End("kubelet", syscall.SIGTERM)
	time.Sleep(10 * time.Second)
	if _, err := claims("saturation"); err == nil {
		f.t.Error("the kubelet is not stopped")
	}
	f.Again("kubelet")
	f.Wait("the kubelet to list its pods", time.Minute, func() error {
		given, err := claims("saturation")
		if err == nil && len(given) < 2 {
			err = fmt.Errorf("%v", given)
		}
		return err
	})
	return nil
}

// slowPages makes every server of a workload answer its metrics page after 4 s, twice the interval at which it is read.
func (f *fleet) slowPages() func() {
	f.t.Helper()
	w := f.named("saturation")
	delay := func(d time.Duration) {
		for _, p := range f.podsOf(w) {
			address := net.JoinHostPort(p.Status.PodIP, w.Port())
			resp, err := http.Post("http://"+address+"/sim/page-delay?d="+d.String(), "", nil)
			if err != nil {
				f.t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				f.t.Fatalf("the server of %s: %s", p.Metadata.Name, resp.Status)
			}
		}
	}
	delay(4 * time.Second)
	asked := time.Now()
	resp, err := http.Get("http://" + net.JoinHostPort(f.podsOf(w)[0].Status.PodIP, w.Port()) + "/metrics")
	if err != nil {
		f.t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if took := time.Since(asked); err != nil || took < 4*time.Second {
		f.t.Errorf("a page took %v, %v", took, err)
	}
	return func() { delay(0) }
}

// streams of the workload of saturation: 700 tokens of some 51 ms. They are about as long as the stabilisation, and not much longer:
// what draining pods have in hand no autoscaler counts, so it may want fewer until others have it.
const streams = 36 * time.Second

// drain deletes two pods in the middle of their streams, and sees that they end them.
func (f *fleet) drain() func() {
	f.t.Helper()
	w := f.named("saturation")
	deleted := time.Now()
	begun := make(map[string]int)
	for _, p := range f.podsOf(w)[:2] {
		name := p.Metadata.Name
		begun[name] = w.load.Between(name, f.started, time.Now()).Requests
		f.MustKubectl("-n", w.Namespace, "delete", "pod", name, "--wait=false")
	}
	for name := range begun {
		f.Wait("the daemon to say that "+name+" drains", time.Minute, func() error {
			found, err := f.Query(fmt.Sprintf(`gpusignal_pod_state{namespace=%q, pod=%q, state="draining"} == 1`, w.Namespace, name))
			if err == nil && len(found) != 1 {
				err = fmt.Errorf("%v", found)
			}
			return err
		})
	}
	for name, before := range begun {
		f.Wait("the streams of "+name+" to end", time.Minute, func() error {
			if n := w.load.InHand(name, time.Now().Add(-time.Second), time.Now()); n > 0 {
				return fmt.Errorf("%.1f in hand", n)
			}
			return nil
		})
		ended := w.load.Between(name, f.started, time.Now())
		f.logf("pod %s ended %d streams in the %v after it was deleted", name, ended.Requests-before, since(deleted))
		if ended.Requests == before || ended.Failed > 0 {
			f.t.Errorf("pod %s ended %d streams after it was deleted, and %d of all its streams failed: %v", name, ended.Requests-before, ended.Failed, ended.Err)
		}
	}
	return nil
}

// operator makes gpusignal leave the node and come back by the label with which NVIDIA's GPU operator upgrades a driver.
func (f *fleet) operator() func() {
	f.t.Helper()
	const label = "nvidia.com/gpu.deploy.dcgm-exporter="
	f.MustKubectl("label", "node", "--all", label+"paused-for-driver-upgrade")
	f.Wait("gpusignal to leave the node", time.Minute, func() error {
		list, err := pods(f.Cluster, "gpusignal", "app.kubernetes.io/name=gpusignal")
		if err == nil && len(list) > 0 {
			err = fmt.Errorf("%d pods", len(list))
		}
		return err
	})
	f.MustKubectl("label", "node", "--all", "--overwrite", label+"true")
	f.Wait("gpusignal to come back", time.Minute, func() error { _, err := f.daemon(); return err })
	f.MustKubectl("-n", "gpusignal", "rollout", "status", "daemonset/gpusignal", "--timeout=60s")
	return nil
}
