package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gpusignal/test/e2e/cluster"
	"gpusignal/test/e2e/load"
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
