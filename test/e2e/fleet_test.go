package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gpusignal/test/e2e/bound"
	"gpusignal/test/e2e/cluster"
	"gpusignal/test/e2e/load"
)

// GPUs of the fleet's node: whole ones, and some that four pods share.
const (
	wholeGPUs  = 42
	sharedGPUs = 2
	sharesEach = 4
)

// fleet is a cluster on which many workloads scale at once, by different signals.
type fleet struct {
	*cluster.Cluster
	t       *testing.T
	started time.Time
	boards  *boards
	all     []*workload
	paces   []*workload
	// reaction is the longest time that the autoscaler took from a step of load to the new replicas while nothing was wrong.
	reaction time.Duration

	mu sync.Mutex
	// pods of the workloads by namespace, as the API server last told.
	pods map[string][]pod
	// seen are the replicas that the autoscalers asked for, each second, by namespace, and fewer the times at which an autoscaler would
	// have taken some away, were it not for its stabilisation.
	seen  map[string][]bound.Seen
	fewer map[string][]time.Time
}

// TestTheFleetScales runs the autoscalers of examples/ beside each other on one node: how soon they act, and that whatever fails
// around them takes no replica away.
func TestTheFleetScales(t *testing.T) {
	f := newFleet(t)
	scaled := t.Run("Scale", func(t *testing.T) {
		kedaScales(t, f.For(t))
		t.Run("Pace", parallel(f.pace))
		for _, w := range f.all {
			t.Run(w.Namespace, parallel(func(t *testing.T) { f.rise(t, w) }))
		}
	})
	if !scaled {
		t.FailNow()
	}
	f.faults()
	f.prefillBound()
	f.fall()
}

// parallel makes a subtest that runs beside the others.
func parallel(test func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		test(t)
	}
}

// newFleet starts all that the autoscalers need: gpusignal by the chart, everything else by the examples.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	ids := uuids(wholeGPUs + sharedGPUs)
	var shared []string
	for _, id := range ids[wholeGPUs:] {
		shared = append(shared, shares(id, sharesEach)...)
	}
	f := &fleet{
		t: t, started: time.Now(), all: workloads(), paces: paces(), pods: make(map[string][]pod),
		seen: make(map[string][]bound.Seen), fewer: make(map[string][]time.Time),
		Cluster: startNode(t, stabilization, offer{wholeGPU, ids[:wholeGPUs]}, offer{sharedGPU, shared}),
	}
	f.logf("the node is ready")
	for _, name := range []string{"triton", "vllm"} {
		f.Import(cluster.Image{
			Name: "gpusignal.test/" + name + ":1", Files: map[string]string{"/" + name: built + "/" + name}, Entrypoint: []string{"/" + name},
		})
	}
	f.boards = newBoards(t)
	f.install()
	var manifests strings.Builder
	for _, w := range slices.Concat(f.all, f.paces) {
		manifests.WriteString(w.manifest(t))
	}
	f.Apply(manifests.String())
	f.MustKubectl("create", "namespace", "monitoring")
	f.MustKubectl("-n", "monitoring", "create", "serviceaccount", "prometheus")
	f.Apply(read(t, root+"/examples/prometheus/rbac.yaml"))
	configuration := t.TempDir() + "/prometheus.yml"
	f.StartKubeStateMetrics()
	write(t, configuration, read(t, root+"/examples/prometheus/prometheus.yml")+slowerJobs+moreScrapes)
	f.StartPrometheus(configuration, "monitoring", "prometheus")
	f.StartKEDA()
	startAdapter(t, f.Cluster, slowerRules)
	f.presets()
	f.MustKubectl("-n", "gpusignal", "rollout", "status", "daemonset/gpusignal", "--timeout=110s")
	f.logf("the daemon is ready")
	f.follow()
	return f
}

// install gpusignal by what the chart made. Its stub reads a script that can change, on a path of the node.
func (f *fleet) install() {
	f.t.Helper()
	f.MustKubectl("create", "namespace", "gpusignal")
	f.Apply(read(f.t, built+"/chart.yaml"))
	mountScript(f.Cluster, f.boards.folder, "")
}

// follow begins to send requests, to look at pods and replicas, and to play the GPUs, until the test ends.
func (f *fleet) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	for n, w := range slices.Concat(f.all, f.paces) {
		w.load = load.New(load.Config{Request: w.ask, Seed: uint64(n)})
		tasks.Go(func() {
			if err := w.load.Run(ctx); err != nil {
				f.t.Errorf("the clients of %s: %v", w.Namespace, err)
			}
		})
		w.set(w.few)
	}
	tasks.Go(func() { f.every(ctx, 500*time.Millisecond, f.lookAtPods) })
	tasks.Go(func() { f.every(ctx, time.Second, f.lookAtReplicas) })
	tasks.Go(func() { f.every(ctx, time.Second, func() error { return f.boards.play(f) }) })
	f.t.Cleanup(func() {
		cancel()
		tasks.Wait()
	})
}

// every so often does something until ctx ends. What fails now and then is done again; the kubelet's restart takes some 15 s.
func (f *fleet) every(ctx context.Context, interval time.Duration, do func() error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for worked := time.Now(); ; {
		err := do()
		if err == nil {
			worked = time.Now()
		} else if time.Since(worked) > 40*time.Second {
			f.t.Errorf("it has not worked for %v: %v", since(worked), err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lookAtPods tells the clients which servers are ready.
func (f *fleet) lookAtPods() error {
	var list struct{ Items []pod }
	if err := f.API("/api/v1/pods?labelSelector="+workloadLabel, &list); err != nil {
		return err
	}
	byNamespace := make(map[string][]pod)
	for _, p := range list.Items {
		byNamespace[p.Metadata.Namespace] = append(byNamespace[p.Metadata.Namespace], p)
	}
	f.mu.Lock()
	f.pods = byNamespace
	f.mu.Unlock()
	for _, w := range slices.Concat(f.all, f.paces) {
		ready := targets(byNamespace[w.Namespace], w.Port())
		if w.uneven && len(ready) > 0 {
			ready = append(ready, ready[0])
		}
		w.load.SetTargets(ready)
	}
	return nil
}

// lookAtReplicas keeps what the autoscalers ask for, and what they would.
func (f *fleet) lookAtReplicas() error {
	var list struct {
		Items []struct {
			Metadata struct{ Namespace string }
			Spec     struct{ Replicas int }
		}
	}
	if err := f.API("/apis/apps/v1/deployments?labelSelector="+workloadLabel, &list); err != nil {
		return err
	}
	all, err := autoscalers(f.Cluster)
	if err != nil {
		return err
	}
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for namespace, a := range all {
		if _, reason := a.condition("AbleToScale"); reason == "ScaleDownStabilized" {
			f.fewer[namespace] = append(f.fewer[namespace], now)
		}
	}
	for _, d := range list.Items {
		f.seen[d.Metadata.Namespace] = append(f.seen[d.Metadata.Namespace], bound.Seen{At: now, Replicas: d.Spec.Replicas})
	}
	return nil
}

// podsOf a workload.
func (f *fleet) podsOf(w *workload) []pod {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pods[w.Namespace]
}

// named workload.
func (f *fleet) named(namespace string) *workload {
	for _, w := range f.all {
		if w.Namespace == namespace {
			return w
		}
	}
	panic("no workload " + namespace)
}

// logf with the time since the start.
func (f *fleet) logf(format string, args ...any) {
	f.t.Helper()
	f.t.Logf("== %v: %s", since(f.started), fmt.Sprintf(format, args...))
}
