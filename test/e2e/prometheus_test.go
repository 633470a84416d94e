package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPrometheusAnswersByPod starts the daemon on a simulated node and a real Prometheus that scrapes it, and asks for the
// signals by pod, as a dashboard would.
func TestPrometheusAnswersByPod(t *testing.T) {
	prometheus := built + "/prometheus"
	page := freeAddress(t)
	start(t, daemon, "--simulate", "--web.listen-address="+page, "--signal.window=5s", "--log.level=warn")
	waitFor(t, "the daemon to be ready", time.Minute, func() error { return answers("http://" + page + "/-/ready") })

	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	write(t, config, fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs:
  - job_name: gpusignal
    honor_labels: true
    static_configs: [{targets: [%q]}]
`, page))
	server := freeAddress(t)
	start(t, prometheus, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+server, "--log.level=warn")
	waitFor(t, "Prometheus to be ready", time.Minute, func() error { return answers("http://" + server + "/-/ready") })

	const query = `sum by (namespace, pod) (gpusignal_gpu_utilization_ratio)`
	var rows []row
	waitFor(t, query, time.Minute, func() error {
		rows = ask(t, server, query)
		if len(rows) < 5 {
			return fmt.Errorf("%d pods answered", len(rows))
		}
		return nil
	})
	t.Log(query)
	for _, r := range rows {
		t.Logf("  %-10s %-28s %s", r.Metric["namespace"], r.Metric["pod"], r.Value[1])
		if r.Metric["namespace"] == "" || r.Metric["pod"] == "" {
			t.Errorf("a row without a pod: %v", r.Metric)
		}
	}
	if up := ask(t, server, `min(gpusignal_exporter_source_up)`); len(up) != 1 || up[0].Value[1] != "1" {
		t.Errorf("min(gpusignal_exporter_source_up) = %v, want 1", up)
	}
}

// TestGoldensPassPromtool has Prometheus' own checker read the golden pages.
func TestGoldensPassPromtool(t *testing.T) {
	promtool := built + "/promtool"
	goldens, err := filepath.Glob("../../collector/testdata/*.metrics")
	if err != nil || len(goldens) == 0 {
		t.Fatalf("no golden pages in ../../collector/testdata: %v", err)
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

type row struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

// ask puts an instant query to Prometheus.
func ask(t *testing.T, server, query string) []row {
	t.Helper()
	resp, err := http.Get("http://" + server + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Result []row `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("read the answer to %q: %v", query, err)
	}
	return answer.Data.Result
}

// start runs a program until the test ends, and logs what it says.
func start(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			t.Log(filepath.Base(program) + ": " + lines.Text())
		}
	}()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stop %s: %v", program, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s ended with %v", program, err)
		}
		w.Close()
		<-logged
	})
}

func waitFor(t *testing.T, what string, limit time.Duration, done func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if err = done(); err == nil {
			return
		}
	}
	t.Fatalf("waited %v for %s: %v", limit, what, err)
}

func answers(address string) error {
	resp, err := http.Get(address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
