package e2e

import (
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
	t       *testing.T
	load    *load.Load
	pages   *pages
	stalls  *stalls
	started time.Time
	agreement
}

// newScene starts all that the autoscaler needs, by the files that users apply.
func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, started: time.Now(), Cluster: startCluster(t, downscale, offer{"nvidia.com/gpu", uuids(gpus)})}
	s.untold, s.stalled = make(map[sample]bool), make(map[sample]bool)
	s.logf("the node is ready")
	s.Import(cluster.Image{
		Name: "gpusignal.test/triton:1", Files: map[string]string{"/triton": built + "/triton"}, Entrypoint: []string{"/triton"},
	})
	s.Apply(read(t, "testdata/model-server.yaml"))
	s.MustKubectl("create", "namespace", "monitoring")
	s.MustKubectl("-n", "monitoring", "create", "serviceaccount", "prometheus")
	s.Apply(read(t, root+"/examples/prometheus/rbac.yaml"))
	s.StartPrometheus(root+"/examples/prometheus/prometheus.yml", "monitoring", "prometheus")
	startAdapter(t, s.Cluster, "")
	// There is nothing to compare yet.
	s.Cluster.Wait("the daemon and the servers", 2*time.Minute, func() error {
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
	s.stalls = watchStalls(t)
	s.pages = watchPages(t, net.JoinHostPort(daemons[0].Status.PodIP, "9478"))
	s.MustKubectl("-n", "models", "apply", "--dry-run=server", "-f", root+"/examples/hpa/model-server.yaml")
	s.send()
	return s
}

// send begins to send requests to the servers that are ready, until the test ends.
func (s *scene) send() {
	s.load = load.New(load.Config{Request: load.Infer("resnet", service), Seed: 1})
	runClients(s.t, s.load, func() ([]load.Target, error) {
		list, err := s.servers()
		return targets(list, "8002"), err
	})
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

// hold looks for a time at how many replicas the autoscaler asks for, and ends the test when they are out of bounds.
func (s *scene) hold(what string, span time.Duration, least, most int) {
	s.t.Helper()
	until := time.Now().Add(span)
	s.Wait(what, 2*span, func() error {
		n, err := s.replicas()
		if err != nil {
			return err
		}
		if n < least || n > most {
			s.show("%d replicas", n)
			s.t.Fatalf("%s: %d replicas, want %d to %d for %v", what, n, least, most, span)
		}
		if left := time.Until(until); left > 0 {
			return fmt.Errorf("%v are left", left)
		}
		return nil
	})
}

// lost says that none of the clients' requests was.
func (s *scene) lost() {
	s.t.Helper()
	all := s.load.Between("", s.started, time.Now())
	if all.Failed > 0 || s.load.Dropped() > 0 {
		s.t.Errorf("%d of %d requests failed (%v), %d were not sent", all.Failed, all.Requests, all.Err, s.load.Dropped())
	}
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
