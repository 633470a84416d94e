package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"gpusignal/test/e2e/cluster"
	"gpusignal/test/e2e/load"
)

// The load. A request computes for 100 ms, one at a time in each server, so two servers wait, by Pollaczek and Khinchine,
// 12 ms in the mean at the light rate and about 100 ms at the heavy one; the autoscaler's target is 50 ms.
const (
	service     = 100 * time.Millisecond
	light       = 4.0  // requests per second, of all clients together
	heavy       = 13.0 // requests per second
	target      = 50 * time.Millisecond
	window      = 15 * time.Second // --signal.window's default
	syncPeriod  = 15 * time.Second // of the autoscaler: its default
	downscale   = 90 * time.Second // 5 minutes in a cluster nobody has changed
	minReplicas = 2
)

// scene is the cluster with everything on it: the servers, their clients, and what the test sees.
type scene struct {
	*cluster.Cluster
	t        *testing.T
	load     *load.Load
	watcher  *watcher
	started  time.Time
	compared []comparison
}

// TestTheWellKnownHPAScales runs the autoscaler that is copied from everywhere (examples/hpa/triton-queue-time.yaml) from light
// load to heavy load and back.
func TestTheWellKnownHPAScales(t *testing.T) {
	s := newScene(t)
	s.load.SetRate(light)
	s.Wait("every server's signal in the custom metrics API", 2*time.Minute, func() error { return s.served(minReplicas) })
	s.MustKubectl("-n", "models", "apply", "-f", root+"/examples/hpa/triton-queue-time.yaml")
	s.Wait("the autoscaler to know the signal", 2*time.Minute, s.known)
	s.show("light load: %v requests/s", light)
	s.watch("2 replicas at light load", 3*syncPeriod, func() error { return s.replicasAre(minReplicas) })
	s.show("light load, %v later", 3*syncPeriod)

	s.load.SetRate(heavy)
	stepped := time.Now()
	s.show("the load steps to %v requests/s", heavy)
	s.Wait("the clients to wait longer than the target", time.Minute, s.clientsWait)
	s.logf("the clients' own mean waiting passed %v %v after the step", target, since(stepped))
	s.Wait("more replicas", 2*time.Minute, s.scaledOut)
	scaled := time.Now()
	s.show("scaled out %v after the step of load", since(stepped))
	s.Wait("a GPU and a signal for every replica", 2*time.Minute, s.everyReplicaCounts)
	s.show("every replica has a GPU and a signal, %v after the step of load", since(stepped))

	s.load.SetRate(light)
	fell := time.Now()
	s.show("the load falls to %v requests/s", light)
	s.Wait("fewer replicas", downscale+2*time.Minute, func() error { return s.replicasAre(minReplicas) })
	s.show("back at %d replicas %v after the load fell, %v after they were added", minReplicas, since(fell), since(scaled))
	// The controller stamps its recommendations when it makes them, before the replicas change: a sync period of grace.
	if took := time.Since(scaled); took < downscale-syncPeriod {
		t.Errorf("replicas were taken away after %v, the stabilisation is %v", took, downscale)
	}
	s.judge()
}

// newScene starts all that the autoscaler needs, by the files that users apply.
func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, started: time.Now(), Cluster: startCluster(t, downscale)}
	s.logf("the node is ready")
	s.Apply(read(t, root+"/examples/prometheus/rbac.yaml"))
	s.StartPrometheus(root+"/examples/prometheus/prometheus.yml", "monitoring", "prometheus")
	startAdapter(t, s.Cluster)
	s.Wait("the daemon and the servers", 2*time.Minute, func() error {
		if _, err := s.Kubectl("-n", "gpusignal", "rollout", "status", "daemonset/gpusignal", "--timeout=1s"); err != nil {
			return err
		}
		_, err := s.Kubectl("-n", "models", "rollout", "status", "deployment/model-server", "--timeout=1s")
		return err
	})
	s.logf("the daemon is ready")
	daemons, err := pods(s.Cluster, "gpusignal", "app.kubernetes.io/name=gpusignal")
	if err != nil || len(daemons) != 1 {
		t.Fatalf("pods of the daemon: %v, %v; want one", daemons, err)
	}
	s.watcher = watch(t, net.JoinHostPort(daemons[0].Status.PodIP, "9478"))
	s.send()
	return s
}

// send begins to send requests to the servers that are ready, until the test ends.
func (s *scene) send() {
	s.load = load.New(load.Config{Model: "resnet", Service: service, Seed: 1})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- s.load.Run(ctx) }()
	go func() { done <- s.follow(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, <-done); err != nil {
			s.t.Errorf("the clients: %v", err)
		}
	})
}

// follow keeps the clients' list of servers.
func (s *scene) follow(ctx context.Context) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		list, err := s.servers()
		if err != nil {
			return err
		}
		var targets []load.Target
		for _, p := range list {
			if p.ready() {
				targets = append(targets, load.Target{Name: p.Metadata.Name, URL: "http://" + net.JoinHostPort(p.Status.PodIP, "8002")})
			}
		}
		s.load.SetTargets(targets)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *scene) servers() ([]pod, error) {
	return pods(s.Cluster, "models", "app.kubernetes.io/name=model-server")
}

// Wait as the cluster does, and compare what the API says with what the clients see meanwhile.
func (s *scene) Wait(what string, limit time.Duration, condition func() error) {
	s.t.Helper()
	s.Cluster.Wait(what, limit, func() error {
		s.compare()
		return condition()
	})
}

// watch fails when a condition does not hold for all of a time.
func (s *scene) watch(what string, span time.Duration, condition func() error) {
	s.t.Helper()
	until := time.Now().Add(span)
	s.Wait(what, 2*span, func() error {
		if err := condition(); err != nil {
			s.t.Fatalf("%s, for %v: %v", what, span, err)
		}
		if left := time.Until(until); left > 0 {
			return fmt.Errorf("%v are left", left)
		}
		return nil
	})
}

// replicas that the autoscaler asks for.
func (s *scene) replicas() (int, error) {
	out, err := s.Kubectl("-n", "models", "get", "deployment", "model-server", "-o", "jsonpath={.spec.replicas}")
	if err != nil {
		return 0, err
	}
	var n int
	_, err = fmt.Sscan(out, &n)
	return n, err
}

func (s *scene) replicasAre(want int) error {
	n, err := s.replicas()
	if err == nil && n != want {
		err = fmt.Errorf("%d replicas, want %d", n, want)
	}
	return err
}

func (s *scene) scaledOut() error {
	n, err := s.replicas()
	if err == nil && n <= minReplicas {
		err = fmt.Errorf("%d replicas", n)
	}
	return err
}

// known says that the autoscaler has a value of the signal.
func (s *scene) known() error {
	out, err := s.Kubectl("-n", "models", "get", "hpa", "model-server-hpa", "-o", "jsonpath={.status.currentMetrics[0].pods.current.averageValue}")
	if err == nil && out == "" {
		err = errors.New("<unknown>")
	}
	return err
}

// clientsWait says that the clients' mean waiting over the signal's window is above the autoscaler's target.
func (s *scene) clientsWait() error {
	now := time.Now()
	if mean := s.load.Between("", now.Add(-window), now).MeanWait; mean <= target {
		return fmt.Errorf("they wait %v", mean)
	}
	return nil
}

// everyReplicaCounts says that every replica claims a GPU of its own, and has signals of its own: the utilisation of that GPU,
// and the one that the autoscaler reads.
func (s *scene) everyReplicaCounts() error {
	n, err := s.replicas()
	if err != nil {
		return err
	}
	list, err := s.servers()
	if err != nil {
		return err
	}
	if len(list) != n {
		return fmt.Errorf("%d pods, want %d", len(list), n)
	}
	var claimed []string
	for _, p := range list {
		device, err := s.watcher.claim(p.Metadata.Name)
		if err != nil {
			return err
		}
		if slices.Contains(claimed, device) {
			return fmt.Errorf("GPU %s has two pods", device)
		}
		claimed = append(claimed, device)
		if err := s.utilizationOf(p.Metadata.Name, device); err != nil {
			return err
		}
	}
	return s.served(n)
}

// utilizationOf says that a pod's utilisation, as Prometheus has it, is that of the GPU it claims.
func (s *scene) utilizationOf(pod, device string) error {
	gpu := slices.IndexFunc(uuids(), func(id string) bool { return id == device })
	if gpu < 0 {
		return fmt.Errorf("pod %s claims %s, which the driver does not have", pod, device)
	}
	found, err := s.Query(fmt.Sprintf(`gpusignal_gpu_utilization_ratio{namespace="models", pod=%q, workload_kind="Deployment", workload="model-server"}`, pod))
	if err != nil {
		return err
	}
	want := float64(utilization(gpu)) / 100
	if len(found) != 1 || found[0].Value.Value < want-0.001 || found[0].Value.Value > want+0.001 {
		return fmt.Errorf("utilisation of pod %s on GPU %d: %v, want %v", pod, gpu, found, want)
	}
	return nil
}

// served says that the custom metrics API has the signal of so many pods.
func (s *scene) served(n int) error {
	values, err := s.customMetrics()
	if err == nil && len(values) != n {
		err = fmt.Errorf("the API serves the signal of %d pods, want %d", len(values), n)
	}
	return err
}

// customMetrics is what the autoscaler reads, by pod.
func (s *scene) customMetrics() (map[string]time.Duration, error) {
	out, err := s.Kubectl("get", "--raw", metricPath)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			DescribedObject struct{ Name string }
			Value           string
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	values := make(map[string]time.Duration)
	for _, item := range list.Items {
		if values[item.DescribedObject.Name], err = microseconds(item.Value); err != nil {
			return nil, err
		}
	}
	return values, nil
}

const metricPath = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/models/pods/*/triton_queue_compute_input_duration_us"

// show what a user would look at.
func (s *scene) show(format string, args ...any) {
	s.t.Helper()
	s.logf(format, args...)
	for _, command := range [][]string{{"-n", "models", "get", "hpa"}, {"-n", "models", "get", "pods", "-o", "wide"}, {"get", "--raw", metricPath}} {
		s.t.Logf("$ kubectl %s\n%s", strings.Join(command, " "), s.MustKubectl(command...))
	}
}

// logf with the time since the start.
func (s *scene) logf(format string, args ...any) {
	s.t.Helper()
	s.t.Logf("== %v: %s", since(s.started), fmt.Sprintf(format, args...))
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }
