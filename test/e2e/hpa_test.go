package e2e

import (
	"testing"
	"time"
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
