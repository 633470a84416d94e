package e2e

import (
	"fmt"
	"syscall"
	"time"
)

// Times of the outages.
const (
	kubeletOutage = 45 * time.Second
	apiOutage     = 26 * time.Second
	// steady is how long the series have to stay as they are after one.
	steady = 5 * time.Second
)

// kubeletStops: while the kubelet is away nothing changes its name, and everything goes on to be counted.
func (s *holders) kubeletStops() {
	s.t.Helper()
	s.pin()
	from, left := s.next(), time.Now()
	s.End("kubelet", syscall.SIGTERM)
	s.source("kubelet", false)
	time.Sleep(time.Until(left.Add(kubeletOutage)))
	to := s.next()
	s.Again("kubelet")
	s.answers()
	s.source("kubelet", true)
	s.returned("the kubelet was stopped", left)
	for _, pod := range []string{"alone", "first", "second", "pair"} {
		uuid, n := s.device(pod)
		over := span{from, to}
		s.near("what %s did while the kubelet was stopped", over.grew(deviceBusy, "gpu_uuid", uuid)/to.At.Sub(from.At).Seconds(), float64(utilization(n))/100, .05, uuid)
		s.near("what nobody did on %s", over.grew(deviceUnowned, "gpu_uuid", uuid), 0, 0, uuid)
	}
}

// kubeletIsKilled: a kubelet that begins again does not know its pods at once, and is not believed.
func (s *holders) kubeletIsKilled() {
	s.t.Helper()
	s.pin()
	killed := time.Now()
	s.End("kubelet", syscall.SIGKILL)
	s.Again("kubelet")
	s.answers()
	s.returned("the kubelet was killed and started", killed)
}

// apiServerIsAway: nothing changes either while the API server is away, and not with a kubelet that begins again meanwhile, which
// lists nothing then.
func (s *holders) apiServerIsAway() {
	s.t.Helper()
	// The daemon of the step before is young: the last of its series comes a minute after its first claims.
	_, n := s.device("pair")
	s.signalOf("pair", float64(utilization(n))/100)
	s.pin()
	left := time.Now()
	s.End("kube-apiserver", syscall.SIGKILL)
	s.source("pods", false)
	time.Sleep(time.Until(left.Add(apiOutage / 2)))
	s.End("kubelet", syscall.SIGKILL)
	s.Again("kubelet")
	s.Wait("the kubelet to list nothing", time.Minute, func() error { return s.held() })
	forgot := time.Now()
	s.source("kubelet", true)
	s.logf("the kubelet, started anew without an API server, lists nothing")
	time.Sleep(time.Until(left.Add(apiOutage)))
	if err := s.held(); err != nil {
		s.t.Errorf("nothing is shown of a kubelet that has forgotten its pods: %v", err)
	}
	s.Again("kube-apiserver")
	s.answers()
	s.logf("the kubelet lists its pods again %v after it began to list nothing", since(forgot))
	s.source("pods", true)
	s.Wait("the API server", time.Minute, func() error { _, err := s.Kubectl("get", "--raw", "/readyz"); return err })
	s.returned("the API server was away", left)
}

// answers waits until the kubelet lists its pods again, and tells what it said until then.
func (s *holders) answers() {
	s.t.Helper()
	var last string
	asked := time.Now()
	for {
		err, said := s.held("alone", "first", "second", "pair"), "the kubelet lists them all"
		if err != nil {
			said = err.Error()
		}
		if said != last {
			s.t.Logf("   %v: %s", time.Since(asked).Round(10*time.Millisecond), said)
			last = said
		}
		if err == nil {
			return
		}
		if time.Since(asked) > 2*time.Minute {
			s.t.Fatal("the kubelet does not list its pods")
		}
		time.Sleep(50 * time.Millisecond) // Its limit is 100 questions a second, for all clients together.
	}
}

// source waits until the daemon says that one of its sources works, or that it does not.
func (s *holders) source(name string, up bool) {
	s.t.Helper()
	want := 0.0
	if up {
		want = 1
	}
	asked := time.Now()
	s.Wait(fmt.Sprintf("the daemon to say of its source %q: %v", name, want), 2*time.Minute, func() error {
		page := s.newest()
		if found := page.Select(sourceUp, "source", name); len(found) != 1 || found[0].Value != want || page.At.Before(asked) {
			return fmt.Errorf("%v", found)
		}
		return nil
	})
	s.logf("the daemon says of its source %q: %v", name, want)
}

// returned says that the series have stayed the same since they were pinned, and do so for a while.
func (s *holders) returned(what string, left time.Time) {
	s.t.Helper()
	time.Sleep(steady)
	s.next()
	n := s.unpin()
	s.show("%s, %v ago; %d pages since then had the series from before", what, since(left), n)
	if n < 5 {
		s.t.Error("that is too few to show anything")
	}
}
