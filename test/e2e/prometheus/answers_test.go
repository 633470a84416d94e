package prometheus

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gpusignal/test/e2e/proof"
)

// TestPrometheusAnswersByPod starts the daemon on a simulated node and a real Prometheus that scrapes it, and asks for the
// signals by pod, as a dashboard would.
func TestPrometheusAnswersByPod(t *testing.T) {
	page := freeAddress(t)
	start(t, nil, daemon, "--simulate", "--web.listen-address="+page, "--signal.window=5s", "--log.level=error")
	waitFor(t, "the daemon to be ready", time.Minute, func() error { return answers("http://" + page + "/-/ready") })
	server := startPrometheus(t, fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs:
  - job_name: gpusignal
    honor_labels: true
    static_configs: [{targets: [%q]}]
`, page))

	const query = `sum by (namespace, pod) (gpusignal_gpu_utilization_ratio)`
	var rows []Series
	waitFor(t, query, time.Minute, func() error {
		rows = server.ask(t, query, time.Time{})
		if len(rows) < 5 {
			return fmt.Errorf("%d pods answered", len(rows))
		}
		return nil
	})
	t.Log(query)
	for _, r := range rows {
		t.Logf("  %-10s %-28s %.3f", r.Metric["namespace"], r.Metric["pod"], r.Value.Value)
		if r.Metric["namespace"] == "" || r.Metric["pod"] == "" {
			t.Errorf("a row without a pod: %v", r.Metric)
		}
	}
	if up := server.ask(t, `min(gpusignal_exporter_source_up)`, time.Time{}); len(up) != 1 || up[0].Value.Value != 1 {
		t.Errorf("min(gpusignal_exporter_source_up) = %v, want 1", up)
	}
	proof.Shown(t, "Prometheus answers by pod: utilisation of %d pods of a simulated node", len(rows))
}

// TestGoldensPassPromtool has Prometheus' own checker read the golden pages.
func TestGoldensPassPromtool(t *testing.T) {
	promtool := theirs(t, "promtool")
	goldens, err := filepath.Glob("../../../collector/testdata/*.metrics")
	if err != nil || len(goldens) == 0 {
		t.Fatalf("no golden pages in ../../../collector/testdata: %v", err)
	}
	for _, golden := range goldens {
		content, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		check := exec.Command(promtool, "check", "metrics")
		check.Stdin = bytes.NewReader(content)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", golden, err, out)
		}
	}
}
