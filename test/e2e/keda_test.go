package e2e

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"gpusignal/test/e2e/cluster"
)

// What the test substitutes in examples/keda/, in the place of half an hour and more.
const (
	kedaPoll      = 5 * time.Second
	kedaCooldown  = 20 * time.Second
	kedaDownscale = 15 * time.Second
	coldStart     = 40 * time.Second // of the workload that a gateway wakes: longer than the cooldown
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

// TestKEDA runs examples/keda/ on KEDA itself.
func TestKEDA(t *testing.T) {
	c := startCluster(t, downscale, offer{"nvidia.com/gpu", uuids()})
	c.Import(cluster.Image{Name: "gpusignal.test/vllm:1", Files: map[string]string{"/vllm": built + "/vllm"}, Entrypoint: []string{"/vllm"}})
	c.MustKubectl("create", "namespace", "monitoring")
	c.MustKubectl("-n", "monitoring", "create", "serviceaccount", "prometheus")
	c.Apply(read(t, root+"/examples/prometheus/rbac.yaml"))
	c.StartKubeStateMetrics()
	configuration := filepath.Join(t.TempDir(), "prometheus.yml")
	write(t, configuration, read(t, root+"/examples/prometheus/prometheus.yml")+moreScrapes)
	c.StartPrometheus(configuration, "monitoring", "prometheus")
	c.StartKEDA()
	c.Wait("the daemon", 2*time.Minute, func() error {
		_, err := c.Kubectl("-n", "gpusignal", "rollout", "status", "daemonset/gpusignal", "--timeout=1s")
		return err
	})
	kedaToZeroAndBack(t, c)
}

// kedaToZeroAndBack runs examples/keda/scale-to-zero.yaml on two workloads at once: one that the clock keeps, and one that a
// gateway wakes.
func kedaToZeroAndBack(t *testing.T, c *cluster.Cluster) {
	var held atomic.Int64
	queues{"chat-cron": func() int { return 0 }, "chat-gateway": func() int { return int(held.Load()) }}.serve(t, queuePage)
	t.Run("clock", func(t *testing.T) {
		t.Parallel()
		byTheClock(t, c)
	})
	t.Run("gateway", func(t *testing.T) {
		t.Parallel()
		byTheGateway(t, c, &held)
	})
}

// scaleToZero is the example for a namespace, with two replicas for a minute.
func scaleToZero(t *testing.T, namespace string, from time.Time) string {
	t.Helper()
	const cron = "4 15 2 1 *" // minute, hour, day, month
	return substitute(t, read(t, root+"/examples/keda/scale-to-zero.yaml"),
		`namespace="chat"`, `namespace="`+namespace+`"`,
		"prometheus.monitoring.svc:9090", cluster.PrometheusAddress,
		"pollingInterval: 15", fmt.Sprintf("pollingInterval: %.0f", kedaPoll.Seconds()),
		"cooldownPeriod: 1800", fmt.Sprintf("cooldownPeriod: %.0f", kedaCooldown.Seconds()),
		"stabilizationWindowSeconds: 600", fmt.Sprintf("stabilizationWindowSeconds: %.0f", kedaDownscale.Seconds()),
		"timezone: Europe/Berlin", "timezone: UTC",
		"start: 30 6 * * 1-5", "start: "+from.UTC().Format(cron),
		"end: 0 20 * * 1-5", "end: "+from.Add(time.Minute).UTC().Format(cron))
}

// byTheClock holds that a workload without load has two replicas while the clock says so, and none before and after.
func byTheClock(t *testing.T, c *cluster.Cluster) {
	// Time to load, to idle and to fall to zero.
	from := time.Now().Add(time.Minute).Truncate(time.Minute).Add(time.Minute)
	until := from.Add(time.Minute)
	s := newScaled(t, c, "chat-cron", 1, 5*time.Second, scaleToZero(t, "chat-cron", from))
	s.Wait("a server", time.Minute, s.serving(1))
	s.show("a server is ready, and has nothing to do; the floor of two begins in %v", -since(from))
	s.become(0, time.Minute)
	s.show("zero")
	zero := time.Now()
	s.stay(0, "the floor begins", 2*time.Minute, past(from))
	s.become(2, 45*time.Second)
	floor := since(from)
	s.show("two, %v after the floor began", floor)
	s.stay(2, "the floor ends", 2*time.Minute, past(until))
	s.become(0, 2*time.Minute)
	ended := since(until)
	s.show("zero, %v after the floor ended", ended)
	if least := kedaCooldown - kedaPoll - time.Second; ended < least {
		t.Errorf("zero %v after the floor ended; the cooldown counts from the last poll that saw it, so %v at least", ended, least)
	}
	t.Logf("PROVED: without load 0 replicas for %v, 2 from %v after the clock's start to its end, 0 again %v later (cooldown %v)",
		from.Sub(zero).Round(time.Second), floor, ended, kedaCooldown)
}

// byTheGateway holds that requests that wait in a gateway wake a workload, that what loads its model is not taken away, and that
// what idles is.
func byTheGateway(t *testing.T, c *cluster.Cluster, held *atomic.Int64) {
	s := newScaled(t, c, "chat-gateway", 0, coldStart, scaleToZero(t, "chat-gateway", time.Now().Add(12*time.Hour)))
	// Longer than it takes the fallback to come, did KEDA take no pods for an error.
	s.stay(0, "more polls have passed than the fallback waits for", 2*time.Minute, past(time.Now().Add(6*kedaPoll)))
	s.show("zero, and nothing wakes it")

	held.Store(3)
	asked := time.Now()
	s.become(1, time.Minute)
	woke := time.Now()
	s.show("a pod, %v after the first request was held", since(asked))
	held.Store(0)
	s.stay(1, "the server is ready", 2*coldStart, s.serving(1))
	loaded := since(woke)
	s.show("the server is ready, %v after it was woken; nobody waited for it", loaded)
	if loaded < coldStart {
		t.Errorf("the server was ready after %v, and loads for %v", loaded, coldStart)
	}
	ready := time.Now()
	s.become(0, time.Minute)
	s.show("zero, %v after the server was ready", since(ready))
	t.Logf("PROVED: woken %v after the first request was held, 1 replica for the %v of loading (cooldown %v) though nobody waited, 0 after %v without work",
		woke.Sub(asked).Round(100*time.Millisecond), loaded, kedaCooldown, since(ready))
}
