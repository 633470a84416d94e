package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"gpusignal/test/e2e/prometheus"
)

// PrometheusAddress is where Prometheus listens: pods reach it too.
const PrometheusAddress = NodeIP + ":9090"

// StartPrometheus runs Prometheus with a configuration as users write it, as a pod with a service account would find itself:
// the account's token and the cluster's authority in their usual place.
func (c *Cluster) StartPrometheus(configuration, namespace, account string) {
	c.t.Helper()
	// One place for all: no other program of the cluster reads it.
	const place = "/var/run/secrets/kubernetes.io/serviceaccount"
	authority, err := os.ReadFile(c.pki("ca.crt"))
	if err != nil {
		c.t.Fatal(err)
	}
	writeFile(c.t, filepath.Join(place, "ca.crt"), string(authority))
	writeFile(c.t, filepath.Join(place, "namespace"), namespace)
	writeFile(c.t, filepath.Join(place, "token"), c.token(namespace, account))
	host, port, _ := strings.Cut(apiServer, ":")
	c.start("prometheus", []string{"KUBERNETES_SERVICE_HOST=" + host, "KUBERNETES_SERVICE_PORT=" + port}, c.programs+"/prometheus",
		"--config.file="+configuration, "--storage.tsdb.path="+filepath.Join(c.dir, "prometheus"), "--web.listen-address="+PrometheusAddress)
	c.Wait("Prometheus", time.Minute, func() error { return answers("http://" + PrometheusAddress + "/-/ready") })
}

// token of a service account.
func (c *Cluster) token(namespace, account string) string {
	c.t.Helper()
	return strings.TrimSpace(c.MustKubectl("-n", namespace, "create", "token", account, "--duration=2h"))
}

// Query asks Prometheus for what is now.
func (c *Cluster) Query(query string) ([]prometheus.Series, error) {
	return prometheus.Server(PrometheusAddress).Query(query, time.Time{})
}
