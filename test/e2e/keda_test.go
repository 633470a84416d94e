package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gpusignal/test/e2e/cluster"
	"gpusignal/test/e2e/load"
	"gpusignal/test/e2e/proof"
)

// What the tests put in the place of the examples' times.
const (
	kedaPoll      = 5 * time.Second
	kedaCooldown  = 20 * time.Second
	kedaDownscale = 15 * time.Second
	coldStart     = 30 * time.Second // of the workload that a gateway wakes: longer than the cooldown
)

// queuePage is where the gateways' metrics page is.
const queuePage = cluster.NodeIP + ":9700"

// moreScrapes follow those of examples/prometheus/prometheus.yml: what scaling to zero needs of others.
const moreScrapes = `
  - job_name: kube-state-metrics
    scrape_interval: 5s
    honor_labels: true
    static_configs: [{targets: ["` + cluster.StateMetricsAddress + `"]}]
  - job_name: gateway
    scrape_interval: 2s
    honor_labels: true
    static_configs: [{targets: ["` + queuePage + `"]}]
`

// kedaScales runs examples/keda/ on KEDA itself: to zero and back, by the clock and by a gateway, and without Prometheus.
func kedaScales(t *testing.T, c *cluster.Cluster) {
	kedaToZeroAndBack(t, c)
	t.Run("direct", func(t *testing.T) {
		t.Parallel()
		kedaAsksGpusignal(t, c)
	})
}

// kedaToZeroAndBack runs examples/keda/scale-to-zero.yaml on two workloads at once: one that the clock keeps, and one that a
// gateway wakes.
func kedaToZeroAndBack(t *testing.T, c *cluster.Cluster) {
	gateway := newGateway()
	// Of chat-cron there is no series, as of a gateway that nobody has asked yet: that is 0, and no error that wakes a pod.
	queues{"chat-gateway": gateway.Held}.serve(t, queuePage)
	t.Run("clock", func(t *testing.T) {
		t.Parallel()
		byTheClock(t, c)
	})
	t.Run("gateway", func(t *testing.T) {
		t.Parallel()
		byTheGateway(t, c, gateway)
	})
}

// newGateway is clients whose requests wait while there is no server.
func newGateway() *load.Load {
	return load.New(load.Config{Request: load.Complete("llm", 20, 50), Hold: true, Seed: 1})
}

// scaleToZero is the example, with two replicas for a minute.
func (s *scaled) scaleToZero(from time.Time) string {
	s.t.Helper()
	const cron = "4 15 2 1 *" // minute, hour, day, month
	return s.example("scale-to-zero.yaml",
		`namespace="chat"`, `namespace="`+s.namespace+`"`,
		"prometheus.monitoring.svc:9090", cluster.PrometheusAddress,
		"pollingInterval: 15", fmt.Sprintf("pollingInterval: %.0f", kedaPoll.Seconds()),
		"cooldownPeriod: 1800", fmt.Sprintf("cooldownPeriod: %.0f", kedaCooldown.Seconds()),
		"timezone: Europe/Berlin", "timezone: UTC",
		"start: 30 6 * * 1-5", "start: "+from.UTC().Format(cron),
		"end: 0 20 * * 1-5", "end: "+from.Add(time.Minute).UTC().Format(cron))
}

// byTheClock holds that a workload without load has two replicas while the clock says so, and none before and after.
func byTheClock(t *testing.T, c *cluster.Cluster) {
	// Time to load, to idle and to fall to zero.
	from := time.Now().Add(80 * time.Second).Truncate(time.Minute).Add(time.Minute)
	until := from.Add(time.Minute)
	s := newScaled(t, c, "chat-cron", 1, 5*time.Second)
	s.Apply(s.scaleToZero(from))
	s.Wait("a server", time.Minute, s.serving(1))
	s.show("a server is ready, and has nothing to do; the floor of two begins in %v", -since(from))
	s.become(0, time.Minute)
	s.show("zero")
	zero := time.Now()
	// A second before: KEDA may look at once when it has begun.
	s.stay(0, "the floor begins", 3*time.Minute, past(from.Add(-time.Second)))
	s.become(2, 45*time.Second)
	floor := since(from)
	s.show("two, %v after the floor began", floor)
	s.stay(2, "the floor ends", 2*time.Minute, past(until.Add(-time.Second)))
	s.become(0, 2*time.Minute)
	ended := since(until)
	s.show("zero, %v after the floor ended", ended)
	if least := kedaCooldown - kedaPoll - time.Second; ended < least {
		t.Errorf("zero %v after the floor ended; the cooldown counts from the last poll that saw it, so %v at least", ended, least)
	}
	proof.Shown(t, "without load 0 replicas for %v, 2 from %v after the clock's start to its end, 0 again %v later (cooldown %v)",
		from.Sub(zero).Round(time.Second), floor, ended, kedaCooldown)
}

// byTheGateway holds that requests that wait in a gateway wake a workload, that what loads its model is not taken away, and that
// what idles is.
func byTheGateway(t *testing.T, c *cluster.Cluster, gateway *load.Load) {
	s := newScaled(t, c, "chat-gateway", 0, coldStart)
	s.Apply(s.scaleToZero(time.Now().Add(12 * time.Hour)))
	runClients(t, gateway, s.ready)
	// Longer than it takes the fallback to come, did KEDA take no pods for an error.
	s.stay(0, "more polls have passed than the fallback waits for", 2*time.Minute, past(time.Now().Add(6*kedaPoll)))
	s.show("zero, and nothing wakes it")

	gateway.SetClients(3)
	woke := s.wake(gateway)
	began := time.Now()
	gateway.SetClients(0)
	s.show("a pod, %v after the first request was held; its %d clients give up", woke, gateway.GiveUp())
	s.stay(1, "the server is ready", 2*coldStart, s.serving(1))
	loaded := since(began)
	s.show("the server is ready, %v after it was woken; nobody waited for it", loaded)
	if loaded < coldStart {
		t.Errorf("the server was ready after %v, and loads for %v", loaded, coldStart)
	}
	ready := time.Now()
	// The cooldown, after a window without saturation, which with these short polls may last until the fallback comes.
	s.become(0, 2*time.Minute)
	idle := since(ready)
	s.show("zero, %v after the server was ready", idle)
	proof.Shown(t, "woken %v after the first request was held, 1 replica for the %v of loading (cooldown %v) though nobody waited, 0 after %v without work",
		woke, loaded, kedaCooldown, idle)
	s.again(gateway)
}

// again wakes the workload once more, for clients who wait, and gives it more to do than one server can.
func (s *scaled) again(gateway *load.Load) {
	s.Wait("the server to go", time.Minute, s.gone)
	began := time.Now()
	gateway.SetClients(3)
	woke := s.wake(gateway)
	s.show("a pod, %v after the first request was held", woke)
	s.stay(1, "those who waited are answered", 3*coldStart, func() error {
		if n := gateway.Between("", began, time.Now()).Requests; n < 3 {
			return fmt.Errorf("%d requests are answered, %d are held", n, gateway.Held())
		}
		return nil
	})
	waited := gateway.Between("", began, time.Now()).MaxWait.Round(100 * time.Millisecond)
	s.show("those who waited are answered; it took %v", waited)
	// In one server 5 ÷ (0.8 × 4 slots) = 1.6 asks for two.
	gateway.SetClients(5)
	came := time.Now()
	s.become(2, time.Minute)
	out := since(came)
	s.show("a second pod, %v after more clients came", out)
	s.stay(2, "both serve", 2*coldStart, s.serving(2))
	gateway.SetClients(0)
	left := time.Now()
	s.show("both serve, and the clients leave")
	s.become(0, 2*time.Minute)
	in := since(left)
	s.show("zero, %v later", in)
	proof.Shown(s.t, "woken %v after the first request was held, all of those held answered, after %v at most; 2 replicas %v after more came, 0 again %v after they left; %s",
		woke, waited, out, in, s.lost(gateway))
}

// lost says that none of the clients' requests was, save those that they gave up. The clients have left.
func (s *scaled) lost(clients *load.Load) string {
	s.t.Helper()
	all := clients.Between("", s.started, time.Now())
	if all.Failed > 0 || clients.Dropped() > 0 || all.Requests == 0 || all.Requests+clients.GaveUp() != clients.Arrived() {
		s.t.Errorf("of %d requests %d were given up, %d were not sent, %d ended, and of those %d failed (%v)",
			clients.Arrived(), clients.GaveUp(), clients.Dropped(), all.Requests, all.Failed, all.Err)
	}
	return fmt.Sprintf("of %d requests %d were given up, and the others answered", clients.Arrived(), clients.GaveUp())
}

// wake waits until what the gateway holds has woken a pod, and returns how long that took.
func (s *scaled) wake(gateway *load.Load) time.Duration {
	s.t.Helper()
	s.stay(0, "the gateway holds requests", time.Minute, func() error {
		if gateway.Held() == 0 {
			return errors.New("none is held")
		}
		return nil
	})
	held := time.Now()
	s.become(1, time.Minute)
	return since(held)
}

// kedaAsksGpusignal runs examples/keda/metrics-api.yaml, in which no Prometheus has a part.
func kedaAsksGpusignal(t *testing.T, c *cluster.Cluster) {
	s := newScaled(t, c, "chat-direct", 2, 5*time.Second)
	s.Apply(read(t, root+"/examples/keda/service.yaml"))
	clients := newGateway()
	runClients(t, clients, s.ready)
	s.Wait("the signals of both servers", time.Minute, s.told(2))
	s.Apply(s.example("metrics-api.yaml", "/workloads/chat/", "/workloads/"+s.namespace+"/", "periodSeconds: 180", "periodSeconds: 15"))
	s.stay(2, "the autoscaler knows that they idle", time.Minute, s.knows("0"))
	s.show("two servers without work")
	// In two servers 9 ÷ 2 ÷ (0.8 × 4 slots) = 1.4 each, in three 0.9.
	clients.SetClients(9)
	came := time.Now()
	s.become(3, time.Minute)
	out := since(came)
	s.show("three servers, %v after work for them came", out)
	// The third is ready before it has a saturation, and the mean of the first two, which still tells of before, is multiplied by
	// it: that may ask for one more.
	s.within(3, 4, "three servers or four have been enough for a while", 2*time.Minute, past(time.Now().Add(30*time.Second)))
	s.show("and no more")
	clients.SetClients(0)
	left := time.Now()
	s.become(2, 2*time.Minute)
	in := since(left)
	s.show("two servers, %v after the work was done", in)
	proof.Shown(t, "KEDA asked gpusignal itself: 3 replicas %v after there was work for them, 4 at most, 2 again %v after it was done; %s", out, in, s.lost(clients))
}
