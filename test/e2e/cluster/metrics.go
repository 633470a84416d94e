package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// PrometheusAddress is where Prometheus listens: pods reach it too.
const PrometheusAddress = nodeIP + ":9090"

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

// Series is a series and its points, as Prometheus answers a query for them.
type Series struct {
	Metric map[string]string `json:"metric"`
	Value  Point             `json:"value"`
	Values []Point           `json:"values"`
}

// Point is a sample.
type Point struct {
	At    time.Time
	Value float64
}

// UnmarshalJSON reads Prometheus' form: [seconds, "value"].
func (p *Point) UnmarshalJSON(content []byte) error {
	var seconds float64
	var value string
	if err := json.Unmarshal(content, &[]any{&seconds, &value}); err != nil {
		return fmt.Errorf("read a sample: %w", err)
	}
	p.At = time.UnixMilli(int64(seconds*1000 + 0.5))
	_, err := fmt.Sscan(value, &p.Value)
	return err
}

// Query asks Prometheus.
func (c *Cluster) Query(query string) ([]Series, error) {
	resp, err := http.Get("http://" + PrometheusAddress + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []Series }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the answer to %q: %w", query, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("query %q: %s", query, answer.Error)
	}
	return answer.Data.Result, nil
}
