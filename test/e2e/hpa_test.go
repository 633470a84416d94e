package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gpusignal/test/e2e/proof"
)

// The load. A request computes for 100 ms, one at a time in each server. By Pollaczek and Khinchine the requests wait, in the
// mean, 13 ms in two servers at the light rate, and 105 ms at the heavy one; the lasting rate keeps four servers busy: 45 ms. The
// autoscaler's target is 50 ms.
const (
	service     = 100 * time.Millisecond
	light       = 4.0  // requests per second, of all clients together
	heavy       = 13.0 // requests per second
	lasting     = 18.0 // requests per second
	target      = 50 * time.Millisecond
	minReplicas = 2
)

// Intervals, all defaults but the last.
const (
	window         = 15 * time.Second // --signal.window
	engineInterval = 2 * time.Second  // --engine.interval
	scrapeInterval = 5 * time.Second  // of examples/prometheus/prometheus.yml
	syncPeriod     = 15 * time.Second // of the autoscaler
	downscale      = 30 * time.Second // its stabilisation, 5 minutes in a cluster nobody has changed
)

// wellKnownHPA is the autoscaler as it is copied from everywhere: the example up to the pace that is ours.
func wellKnownHPA(t *testing.T) string {
	t.Helper()
	const example = root + "/examples/hpa/triton-queue-time.yaml"
	snippet, _, found := strings.Cut(read(t, example), "\n  behavior:\n")
	if !found {
		t.Fatalf("%s has no line %q, before which the snippet that is copied from everywhere ends", example, "  behavior:")
	}
	return snippet + "\n"
}

// TestTheWellKnownHPAScales runs the autoscaler that is copied from everywhere from light load to heavy load and back.
func TestTheWellKnownHPAScales(t *testing.T) {
	hpa := filepath.Join(t.TempDir(), "hpa.yaml")
	write(t, hpa, wellKnownHPA(t))
	s := newScene(t)
	s.load.SetRate(light)
	s.Wait("every server's signal in the custom metrics API", 2*time.Minute, func() error { return s.served(minReplicas) })
	s.MustKubectl("-n", "models", "apply", "-f", hpa)
	s.Wait("the autoscaler to know the signal", 2*time.Minute, s.known)
	s.show("light load: %v requests/s", light)
	s.hold("light load", syncPeriod, minReplicas, minReplicas)
	s.show("light load, %v later", syncPeriod)

	s.load.SetRate(heavy)
	stepped := time.Now()
	s.show("the load steps to %v requests/s", heavy)
	s.Wait("the clients to wait longer than the target", time.Minute, s.clientsWait)
	if n, err := s.replicas(); err != nil || n != minReplicas {
		t.Errorf("%d replicas, %v, before the clients waited longer than the target", n, err)
	}
	s.show("the clients' own mean waiting passed %v %v after the step", target, since(stepped))
	s.Wait("more replicas", 2*time.Minute, s.scaledOut)
	scaled := time.Now()
	out := since(stepped)
	s.show("scaled out %v after the step of load", out)
	s.Wait("a GPU and a signal for every replica", 2*time.Minute, s.everyReplicaCounts)
	s.show("every replica has a GPU and a signal, %v after the step of load", since(stepped))
	s.load.SetRate(lasting)
	s.hold("lasting load, past the stabilisation", max(syncPeriod, time.Until(scaled.Add(downscale+syncPeriod))), minReplicas+1, gpus)
	s.show("%v requests/s, and the replicas are there, %v after they were added", lasting, since(scaled))
	s.lost()
	s.Wait("the autoscaler to ask for more replicas than the least once more", time.Minute, s.asksForMore)

	s.load.SetRate(light)
	fell := time.Now()
	s.show("the load falls to %v requests/s", light)
	s.Wait("fewer replicas", downscale+2*time.Minute, s.scaledIn)
	took := time.Since(fell)
	s.show("back at %d replicas %v after the load fell", minReplicas, since(fell))
	// The last sync before the fall, at most a period before it, asked for more.
	if took < downscale-syncPeriod {
		t.Errorf("replicas were taken away %v after the load fell, the stabilisation is %v", took, downscale)
	}
	s.Wait("claims and signals of the others to go", time.Minute, s.everyReplicaCounts)
	s.show("the others' claims and signals are gone")
	s.judge()
	proof.Shown(t, "the HPA that is copied from everywhere went from %d replicas up %v after a step of load, and down %v after its fall; the API's values are those that the clients timed",
		minReplicas, out, took.Round(100*time.Millisecond))
}
