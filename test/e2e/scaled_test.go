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

// newScaled deploys a number of servers that load their model for a while. A ScaledObject for them comes with Apply.
func newScaled(t *testing.T, c *cluster.Cluster, namespace string, servers int, loading time.Duration) *scaled {
	t.Helper()
	s := &scaled{Cluster: c.For(t), t: t, namespace: namespace, started: time.Now()}
	s.Apply(server{
		Namespace: namespace, Engine: "vllm", Args: []string{"--served-model-name=llm", "--max-num-seqs=4", "--load-time=" + loading.String()},
		Resource: wholeGPU, Replicas: servers, Grace: 5,
	}.manifest(t))
	t.Cleanup(func() { s.MustKubectl("delete", "namespace", namespace, "--wait=false") })
	return s
}

// example is one of KEDA's for the namespace, and in the place of half an hour and more a time that a test can wait for. Pairs of
// what stands there and what shall do so say what else is replaced.
func (s *scaled) example(name string, pairs ...string) string {
	s.t.Helper()
	return substitute(s.t, read(s.t, root+"/examples/keda/"+name), append([]string{
		"namespace: chat\n", "namespace: " + s.namespace + "\n",
		"stabilizationWindowSeconds: 600", fmt.Sprintf("stabilizationWindowSeconds: %.0f", kedaDownscale.Seconds()),
	}, pairs...)...)
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
	return replicas(s.Cluster, s.namespace, "llm-server")
}

// ready are the servers that clients may ask.
func (s *scaled) ready() ([]load.Target, error) {
	list, err := s.pods()
	return targets(list, "8000"), err
}

func (s *scaled) pods() ([]pod, error) {
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
	s.within(want, want, what, limit, condition)
}

// within ends the test when the number of replicas that the Deployment is asked for is out of bounds before a condition holds.
func (s *scaled) within(least, most int, what string, limit time.Duration, condition func() error) {
	s.t.Helper()
	s.Wait(what, limit, func() error {
		n, err := s.replicas()
		if err != nil {
			return err
		}
		if n < least || n > most {
			s.show("%d replicas", n)
			s.t.Fatalf("%d replicas, want %d to %d until %s", n, least, most, what)
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
		list, err := s.ready()
		if err == nil && len(list) != want {
			err = fmt.Errorf("%d servers are ready", len(list))
		}
		return err
	}
}

// gone is the condition that no server is left, and with it none that clients may still ask.
func (s *scaled) gone() error {
	list, err := s.pods()
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("%d servers are left", len(list))
	}
	return err
}

// told is the condition that Prometheus has the saturation of so many servers.
func (s *scaled) told(want int) func() error {
	return func() error {
		list, err := s.Query(`gpusignal_saturation_ratio{namespace="` + s.namespace + `"}`)
		if err == nil && len(list) != want {
			err = fmt.Errorf("%d servers have a saturation", len(list))
		}
		return err
	}
}

// knows is the condition that the autoscaler has a value of the one metric that it asks for.
func (s *scaled) knows(want string) func() error {
	return func() error {
		value, err := s.Kubectl("-n", s.namespace, "get", "hpa", "keda-hpa-llm-server", "-o", "jsonpath={.status.currentMetrics[0].external.current.value}")
		if err == nil && value != want {
			err = fmt.Errorf("the value is %q", value)
		}
		return err
	}
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
