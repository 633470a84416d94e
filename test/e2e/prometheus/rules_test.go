package prometheus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gpusignal/test/e2e/proof"
)

// rulesOf the repository, by a pattern of file names in rules/.
func rulesOf(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(root + "/rules/" + pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s in rules/: %v", pattern, err)
	}
	return paths
}

// TestRulesPassPromtool has Prometheus' own checker read the rules, and run what their tests say of them.
func TestRulesPassPromtool(t *testing.T) {
	promtool := theirs(t, "promtool")
	for _, args := range [][]string{
		append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, rulesOf(t, "*.yaml")...),
		append([]string{"test", "rules"}, rulesOf(t, "tests/*.yaml")...),
	} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args[:2], " "), err, out)
		}
	}
	proof.Shown(t, "promtool passes the rules and their %d files of tests", len(rulesOf(t, "tests/*.yaml")))
}

// TestRulesOnANode has a real Prometheus evaluate the rules on what the daemon tells of a simulated node, scraped by the two jobs of
// examples/prometheus: every rule can be evaluated, and what is recorded has the labels of its level.
func TestRulesOnANode(t *testing.T) {
	page := freeAddress(t)
	start(t, nil, daemon, "--simulate", "--web.listen-address="+page, "--signal.window=5s", "--log.level=error")
	waitFor(t, "the daemon to be ready", time.Minute, func() error { return answers("http://" + page + "/-/ready") })
	var files []string
	for _, path := range rulesOf(t, "*.yaml") {
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, absolute)
	}
	list, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	server := startPrometheus(t, fmt.Sprintf(`global: {scrape_interval: 1s}
rule_files: %s
scrape_configs:
  - job_name: gpusignal-signals
    metrics_path: /signals
    honor_labels: true
    static_configs: &targets [{targets: [%q], labels: {instance: node-a, exporter_pod: gpusignal-a}}]
  - job_name: gpusignal
    honor_labels: true
    static_configs: *targets
`, list, page))

	levels := map[string][]string{
		"instance": {"instance"}, "instance_pod": {"instance", "namespace", "pod", "workload", "workload_kind"},
		"workload": {"namespace", "workload", "workload_kind"}, "namespace": {"namespace"},
	}
	for _, name := range []string{
		"instance_pod:gpusignal_saturation_ratio:max", "workload:gpusignal_saturation_ratio:sum", "workload:gpusignal_saturation_ratio:avg",
		"workload:gpusignal_requests_waiting:sum", "workload:gpusignal_requests_running:sum", "workload:gpusignal_idle_seconds:min",
		"workload:gpusignal_gpu_utilization_ratio:avg", "workload:gpusignal_pod_loading:sum", "workload:gpusignal_replicas_wanted:ceil",
		"instance:gpusignal_exporter_settled:min1m", "namespace:gpusignal_container_gpu_busy_seconds:rate5m",
	} {
		var rows []Series
		waitFor(t, name, 3*time.Minute, func() error {
			if rows = server.ask(t, name, time.Time{}); len(rows) == 0 {
				return fmt.Errorf("nothing was recorded")
			}
			return nil
		})
		level, _, _ := strings.Cut(name, ":")
		for _, row := range rows {
			for label := range row.Metric {
				if label != "__name__" && !slices.Contains(levels[level], label) {
					t.Errorf("%s has the label %s: %v", name, label, row.Metric)
				}
			}
		}
		t.Logf("%s: %d series, the first %v is %.3f", name, len(rows), rows[0].Metric, rows[0].Value.Value)
	}
	var all []evaluated
	waitFor(t, "every rule to be evaluated", 3*time.Minute, func() error {
		all = server.rules(t)
		if i := slices.IndexFunc(all, func(r evaluated) bool { return r.Health == "unknown" }); i >= 0 {
			return fmt.Errorf("%s has not been", all[i].Name)
		}
		return nil
	})
	for _, r := range all {
		if r.Health != "ok" || r.LastError != "" {
			t.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
		}
	}
	proof.Shown(t, "Prometheus evaluates each of %d rules on a simulated node, and what they record has the labels of its level", len(all))
}

// evaluated is a rule as a running Prometheus tells of it.
type evaluated struct{ Name, Health, LastError string }

// rules that the server evaluates.
func (s Server) rules(t *testing.T) (all []evaluated) {
	t.Helper()
	resp, err := http.Get("http://" + string(s) + "/api/v1/rules")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Groups []struct{ Rules []evaluated }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	for _, group := range answer.Data.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("Prometheus evaluates no rule")
	}
	return all
}
