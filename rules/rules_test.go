// Package rules_test holds the rules, their tests, their pages and their manifest to each other and to what the daemon publishes. What
// the rules say is tested by promtool, with tests/*.yaml (test/e2e/prometheus runs it).
package rules_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// rule of Prometheus: it records or it alerts.
type rule struct {
	File        string            `yaml:"-"`
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	KeepFiring  string            `yaml:"keep_firing_for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func (r rule) name() string { return r.Record + r.Alert }

// load the rules of every file, in their order.
func load(t *testing.T) (all []rule) {
	t.Helper()
	paths, err := filepath.Glob("*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d files of rules: %v", len(paths), err)
	}
	for _, path := range paths {
		var file struct {
			Groups []struct {
				Name     string `yaml:"name"`
				Interval string `yaml:"interval"`
				Rules    []rule `yaml:"rules"`
			} `yaml:"groups"`
		}
		decoder := yaml.NewDecoder(strings.NewReader(read(t, path)))
		decoder.KnownFields(true)
		if err := decoder.Decode(&file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, group := range file.Groups {
			if len(group.Rules) == 0 || group.Interval == "" {
				t.Errorf("%s: group %q has %d rules and the interval %q", path, group.Name, len(group.Rules), group.Interval)
			}
			for _, r := range group.Rules {
				r.File = path
				all = append(all, r)
			}
		}
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// contract returns every metric of docs/metrics.md.
func contract(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(read(t, "../docs/metrics.md"), -1) {
		names[row[1]] = true
		if row[2] == "summary" || row[2] == "histogram" {
			names[row[1]+"_sum"], names[row[1]+"_count"] = true, true
		}
	}
	if len(names) == 0 {
		t.Fatal("docs/metrics.md names no family")
	}
	return names
}

// foreign are the metrics of others that rules may name, and where they come from.
func foreign() map[string]string {
	return map[string]string{
		"up":                                               "Prometheus",
		"process_start_time_seconds":                       "client_golang",
		"kube_deployment_status_replicas":                  "kube-state-metrics",
		"kube_statefulset_status_replicas":                 "kube-state-metrics",
		"kube_node_status_allocatable":                     "kube-state-metrics",
		"gpusignal_exporter_config_last_reload_successful": "../serve.go",
		"gpusignal_exporter_config_last_reload_success_timestamp_seconds": "../serve.go",
	}
}

// metrics of an expression: the names that are neither functions, keywords nor labels.
func metrics(expr string) []string {
	for _, gone := range []string{
		`"[^"]*"`, `\{[^}]*\}`, `\[[^\]]*\]`, `(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`,
		`\boffset\s+\w+`, `\b[a-z_:][\w:]*\s*\(`, `\b(?:and|or|unless|bool)\b`, `\b\d[\w.]*`,
	} {
		expr = regexp.MustCompile(gone).ReplaceAllString(expr, " ")
	}
	return regexp.MustCompile(`[a-zA-Z_:][\w:]*`).FindAllString(expr, -1)
}

func TestMetricsOfAnExpression(t *testing.T) {
	const expr = `sum by (namespace, pod) (rate(a_total{x="b_total", y!~"c(d)"}[5m] offset 1m) >= bool 0.5)
unless on (pod) level:b_ratio:max5m or (count without (c) (topk(3, d)) + 1e6 * e:f:max or (g))`
	if got, want := metrics(expr), []string{"a_total", "level:b_ratio:max5m", "d", "e:f:max", "g"}; !slices.Equal(got, want) {
		t.Errorf("metrics are %q, want %q", got, want)
	}
}

func TestRulesNameWhatIsThere(t *testing.T) {
	known := contract(t)
	for name, source := range foreign() {
		if strings.HasSuffix(source, ".go") && !strings.Contains(read(t, source), `"`+name+`"`) {
			t.Errorf("%s does not publish %s", source, name)
		}
		known[name] = true
	}
	rules := load(t)
	for _, r := range rules {
		known[r.Record] = true
	}
	for _, r := range rules {
		named := metrics(r.Expr)
		if len(named) == 0 {
			t.Errorf("%s reads no metric", r.name())
		}
		for _, name := range named {
			if !known[name] {
				t.Errorf("%s reads %s, which nothing publishes", r.name(), name)
			}
		}
	}
}

// What a recording rule costs at 10,000 GPUs is measured; what is known to cost twice, or to make numbers that are none, is refused here.
func TestRecordingRules(t *testing.T) {
	levels := map[string]string{
		"instance": "by (instance)", "pod": "by (namespace, pod", "workload": "by (namespace, workload_kind, workload)",
		"instance_pod": "by (instance, namespace, pod, workload_kind, workload)", "namespace": "by (namespace)",
		"container_gpu": "by (namespace, pod, container, gpu_uuid, attribution)",
	}
	seen := make(map[string]bool)
	for _, r := range load(t) {
		if r.Record == "" {
			continue
		}
		level, rest, _ := strings.Cut(r.Record, ":")
		metric, operation, ok := strings.Cut(rest, ":")
		if !ok || metric == "" || !regexp.MustCompile(`^[a-z]+\d*[a-z]*$`).MatchString(operation) || levels[level] == "" {
			t.Errorf("%s is not level:metric:operation", r.Record)
		}
		recorded := slices.ContainsFunc(metrics(r.Expr), func(name string) bool { return strings.HasPrefix(name, level+":") })
		if !strings.Contains(r.Expr, levels[level]) && !recorded {
			t.Errorf("%s aggregates by nothing of its level, %s", r.Record, levels[level])
		}
		if strings.Contains(r.Expr, "group_") {
			t.Errorf("%s joins", r.Record)
		}
		// 0 ÷ 0 is NaN; a count is never 0.
		if left, right, divides := strings.Cut(r.Expr, "/"); divides && !strings.HasSuffix(strings.TrimSpace(right), ":count") {
			t.Errorf("%s divides %s by what can be 0", r.Record, left)
		}
		if seen[r.File+r.Record] {
			t.Errorf("%s: %s is recorded twice", r.File, r.Record)
		}
		seen[r.File+r.Record] = true
	}
	if len(seen) == 0 {
		t.Error("nothing is recorded")
	}
}

// Where our labels are overruled, the same records are made of what has an exported label, and of nothing else.
func TestExportedLabels(t *testing.T) {
	const clean = `exported_namespace="", exported_pod=""}`
	ours, theirs := make(map[string]bool), make(map[string]bool)
	for _, r := range load(t) {
		selectors := regexp.MustCompile(`\bgpusignal_\w+(?:\{[^}]*\})?`).FindAllString(regexp.MustCompile(`\w+:\w+:\w+`).ReplaceAllString(r.Expr, ""), -1)
		switch r.File {
		case "exported.yaml":
			theirs[r.Record] = true
			if len(selectors) != 2 || !strings.HasSuffix(selectors[0], `exported_namespace!=""}`) || !strings.HasSuffix(selectors[1], `exported_namespace="", exported_pod!=""}`) {
				t.Errorf("%s reads %q, not what has either label", r.Record, selectors)
			}
		case "recording.yaml":
			for _, selector := range selectors {
				ours[r.Record] = true
				if !strings.HasSuffix(selector, clean) {
					t.Errorf("%s reads %s, which may be another pod's by its labels", r.Record, selector)
				}
			}
		}
	}
	if len(ours) == 0 || !maps.Equal(ours, theirs) {
		t.Errorf("recorded of our labels: %q; of exported ones: %q", slices.Sorted(maps.Keys(ours)), slices.Sorted(maps.Keys(theirs)))
	}
}

// What names a pod names it by its exported labels as well: by namespace and pod alone all pods of an exporter would be one there.
func TestAlertsOfPodsKnowExportedLabels(t *testing.T) {
	pods := 0
	for _, r := range load(t) {
		if r.Alert == "" {
			continue
		}
		for _, by := range regexp.MustCompile(`(?:by|on) \(namespace, pod[^)]*\)`).FindAllString(r.Expr, -1) {
			pods++
			if !strings.Contains(by, "(namespace, pod, exported_namespace, exported_pod") {
				t.Errorf("%s looks at pods %s", r.Alert, by)
			}
		}
		if text := r.Annotations["description"]; regexp.MustCompile(`\{\{ \$labels\.(?:namespace|pod) \}\}`).MatchString(text) {
			t.Errorf("%s may name the exporter: %s", r.Alert, text)
		}
	}
	if pods == 0 {
		t.Error("no alert looks at a pod")
	}
}

func TestAlerts(t *testing.T) {
	const runbooks = "https://github.com/gpusignal/gpusignal/blob/main/docs/runbooks/"
	alerts := 0
	for _, r := range load(t) {
		if r.Alert == "" {
			continue
		}
		alerts++
		if !regexp.MustCompile(`^Gpusignal([A-Z][A-Za-z]*)$`).MatchString(r.Alert) {
			t.Errorf("%s is not in CamelCase", r.Alert)
		}
		if severity := r.Labels["severity"]; severity != "critical" && severity != "warning" && severity != "info" {
			t.Errorf("%s has the severity %q", r.Alert, severity)
		}
		if got := slices.Sorted(maps.Keys(r.Annotations)); !slices.Equal(got, []string{"description", "runbook_url", "summary"}) {
			t.Errorf("%s has the annotations %q", r.Alert, got)
		}
		if url := r.Annotations["runbook_url"]; url != runbooks+r.Alert+".md" {
			t.Errorf("%s has its runbook at %s", r.Alert, url)
		}
		if strings.Contains(r.Annotations["summary"], "{{") {
			t.Errorf("%s: the summary is a template: alerts of one kind are not grouped by it", r.Alert)
		}
	}
	if alerts == 0 {
		t.Error("nothing alerts")
	}
}
