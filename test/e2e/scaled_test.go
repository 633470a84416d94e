package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gpusignal/test/e2e/cluster"
	"gpusignal/test/e2e/load"
)

// scaled is a Deployment of simulated servers that KEDA scales, in a namespace of its own.
type scaled struct {
	*cluster.Cluster
	t         *testing.T
	namespace string
	started   time.Time
}

// newScaled deploys a number of servers that load their model for a while, and then a ScaledObject, both of which name the
// namespace chat.
func newScaled(t *testing.T, c *cluster.Cluster, namespace string, servers int, loading time.Duration, object string) *scaled {
	t.Helper()
	s := &scaled{Cluster: c.For(t), t: t, namespace: namespace, started: time.Now()}
	s.Apply(substitute(t, read(t, "testdata/llm-server.yaml"), "name: chat\n", "name: "+namespace+"\n", "namespace: chat\n", "namespace: "+namespace+"\n",
		"replicas: 1", fmt.Sprintf("replicas: %d", servers), "--load-time=40s", "--load-time="+loading.String()))
	s.Apply(substitute(t, object, "namespace: chat\n", "namespace: "+namespace+"\n"))
	return s
}

// substitute replaces in a text what stands there, in pairs of old and new.
func substitute(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for n := 0; n < len(pairs); n += 2 {
		if !strings.Contains(text, pairs[n]) {
			t.Fatalf("no %q to replace in:\n%s", pairs[n], text)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// replicas that the Deployment is asked for.
func (s *scaled) replicas() (int, error) {
	var deployment struct{ Spec struct{ Replicas int } }
	err := s.API("/apis/apps/v1/namespaces/"+s.namespace+"/deployments/llm-server", &deployment)
	return deployment.Spec.Replicas, err
}

func (s *scaled) servers() ([]pod, error) {
	return pods(s.Cluster, s.namespace, "app.kubernetes.io/name=llm-server")
}

// become waits until the Deployment is asked for some replicas.
func (s *scaled) become(want int, limit time.Duration) {
	s.t.Helper()
	s.Wait(fmt.Sprintf("%d replicas", want), limit, func() error {
		n, err := s.replicas()
		if err == nil && n != want {
			err = fmt.Errorf("%d replicas", n)
		}
		return err
	})
}

// stay ends the test when the Deployment is asked for another number of replicas before a condition holds.
func (s *scaled) stay(want int, what string, limit time.Duration, condition func() error) {
	s.t.Helper()
	s.Wait(what, limit, func() error {
		n, err := s.replicas()
		if err != nil {
			return err
		}
		if n != want {
			s.show("%d replicas", n)
			s.t.Fatalf("%d replicas, want %d until %s", n, want, what)
		}
		return condition()
	})
}

// past is the condition that a time is over.
func past(end time.Time) func() error {
	return func() error {
		if left := time.Until(end); left > 0 {
			return fmt.Errorf("%v are left", left.Round(time.Second))
		}
		return nil
	}
}

// serving is the condition that so many servers are ready.
func (s *scaled) serving(want int) func() error {
	return func() error {
		list, err := s.servers()
		if n := len(s.targets(list)); err == nil && n != want {
			err = fmt.Errorf("%d servers are ready", n)
		}
		return err
	}
}

// targets are the servers that are ready.
func (s *scaled) targets(list []pod) []load.Target {
	var out []load.Target
	for _, p := range list {
		if p.ready() {
			out = append(out, load.Target{Name: p.Metadata.Name, URL: "http://" + net.JoinHostPort(p.Status.PodIP, "8000")})
		}
	}
	return out
}

// show what a user would look at.
func (s *scaled) show(format string, args ...any) {
	s.t.Helper()
	s.t.Logf("== %v: %s\n$ kubectl -n %s get hpa,scaledobject\n%s", since(s.started), fmt.Sprintf(format, args...), s.namespace,
		s.MustKubectl("-n", s.namespace, "get", "hpa,scaledobject"))
}

// queues are the metrics page of a gateway that keeps requests: how many wait in it, by namespace.
type queues map[string]func() int

// serve the page at an address until the test ends.
func (q queues) serve(t *testing.T, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "# TYPE llm_d_epp_flow_control_queue_size gauge")
		for namespace, size := range q {
			fmt.Fprintf(w, "llm_d_epp_flow_control_queue_size{namespace=%q} %d\n", namespace, size())
		}
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Shutdown(context.Background()); <-done })
}
