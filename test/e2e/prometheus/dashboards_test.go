package prometheus

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gpusignal/test/e2e/proof"
)

// TestDashboardsAnswer asks a real Prometheus, which reads a simulated node as examples/prometheus/prometheus.yml has it during a
// rollout, twice, each query of each dashboard and of each variable, and each query that an example gives KEDA.
func TestDashboardsAnswer(t *testing.T) {
	page := freeAddress(t)
	start(t, nil, daemon, "--simulate", "--web.listen-address="+page, "--signal.window=5s", "--log.level=error")
	waitFor(t, "the daemon to be ready", time.Minute, func() error { return answers("http://" + page + "/-/ready") })
	server := startPrometheus(t, exampleJobs(t, page))

	// A healthy node has no device that is down, and no XID error until the simulated one has its first.
	healthy := regexp.MustCompile(`gpusignal_device_(down|xid_age_seconds)\{`)
	queries := queriesOfDashboards(t)
	silent := 0
	// A cold start is over after a minute or so, so each query has to answer once, not all at once.
	silentYet := slices.Clone(queries)
	waitFor(t, "every query of the dashboards to answer", 4*time.Minute, func() error {
		var missing []error
		silentYet = slices.DeleteFunc(silentYet, func(q asked) bool {
			if slices.ContainsFunc(server.ask(t, q.query, time.Time{}), isNumber) {
				return true
			}
			if healthy.MatchString(q.query) {
				silent++
				return true
			}
			missing = append(missing, fmt.Errorf("%s: no number for %s", q.of, q.query))
			return false
		})
		return errors.Join(missing...)
	})
	for of, query := range queriesOfKEDA(t) {
		if rows := server.ask(t, query, time.Time{}); len(rows) != 1 || len(rows[0].Metric) != 0 {
			t.Errorf("%s: %s answers %v; KEDA takes one number", of, query, rows)
		}
	}
	countOnce(t, server, queries)
	proof.Shown(t, "%d of %d queries of the dashboards have an answer on a simulated node, the others have none while every device is well, and none counts two exporters twice; each of KEDA's examples has one number",
		len(queries)-silent, len(queries))
}

// countOnce holds that each query says of two exporters of a node what it says of one. Over the range of a dashboard they are added
// up, for there one follows the other, and variables are asked for their labels alone.
func countOnce(t *testing.T, server Server, queries []asked) {
	t.Helper()
	left := slices.DeleteFunc(slices.Clone(queries), func(q asked) bool {
		return strings.Contains(q.query, "["+dashboardRange) || strings.Contains(q.of, ", variable ")
	})
	if len(left) < len(queries)/2 {
		t.Fatalf("%d of %d queries are compared", len(left), len(queries))
	}
	// Both are scraped each second, and not at once: each query has to agree at some time, as one that doubles never does.
	waitFor(t, "every query to count two exporters once", 2*time.Minute, func() error {
		var doubled []error
		at := time.Now()
		left = slices.DeleteFunc(left, func(q asked) bool {
			of := func(exporter string) []Series {
				return server.ask(t, strings.ReplaceAll(q.query, `{job=~".+"`, `{exporter_pod="`+exporter+`",job=~".+"`), at)
			}
			one, two, both := of("one"), of("two"), server.ask(t, q.query, at)
			if between(one, two, both) {
				return true
			}
			doubled = append(doubled, fmt.Errorf("%s: of one exporter %v, of the other %v, of both %v", q.of, one, two, both))
			return false
		})
		return errors.Join(doubled...)
	})
}

// between says that three answers have the same rows, and that the third's values are between those of the others, or a twentieth
// beyond them: what was read of two exporters at two times is never quite the same.
func between(one, two, both []Series) bool {
	values := func(rows []Series) map[string]float64 {
		byLabels := make(map[string]float64)
		for _, row := range rows {
			byLabels[fmt.Sprint(row.Metric)] = row.Value.Value
		}
		return byLabels
	}
	first, second := values(one), values(two)
	for _, row := range both {
		a, known := first[fmt.Sprint(row.Metric)]
		b, too := second[fmt.Sprint(row.Metric)]
		beyond := max(math.Abs(a), math.Abs(b)) / 20
		if !known || !too || row.Value.Value < min(a, b)-beyond || row.Value.Value > max(a, b)+beyond {
			return false
		}
	}
	return len(one) == len(both) && len(two) == len(both)
}

// exampleJobs are the two jobs of the example, without waiting, with two targets that are one: two exporters of a node.
func exampleJobs(t *testing.T, page string) string {
	t.Helper()
	example, err := os.ReadFile(root + "/examples/prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	dropped := regexp.MustCompile(`(?m)^ +regex: (gpusignal_\(.*)$`).FindSubmatch(example)
	if dropped == nil {
		t.Fatal("the example drops nothing of /metrics")
	}
	return fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs:
  - job_name: gpusignal-signals
    metrics_path: /signals
    honor_labels: true
    static_configs: &exporters
      - {targets: [%[1]q], labels: {instance: gpu-0, exporter_pod: one}}
      - {targets: [%[1]q], labels: {instance: gpu-0, exporter_pod: two}}
  - job_name: gpusignal
    honor_labels: true
    static_configs: *exporters
    metric_relabel_configs:
      - {action: drop, source_labels: [__name__], regex: '%[2]s'}
`, page, dropped[1])
}

func isNumber(row Series) bool {
	return !math.IsNaN(row.Value.Value) && !math.IsInf(row.Value.Value, 0)
}

// asked is a query and where it is from.
type asked struct{ of, query string }

// queriesOfDashboards returns every one, with what Grafana puts in for variables.
func queriesOfDashboards(t *testing.T) []asked {
	t.Helper()
	paths, _ := filepath.Glob(root + "/dashboards/*.json")
	label := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	var queries []asked
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct {
			Templating struct {
				List []struct{ Name, Type, Definition string }
			}
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(content, &dashboard); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		name := filepath.Base(path)
		for _, v := range dashboard.Templating.List {
			if v.Type != "query" {
				continue
			}
			parts := label.FindStringSubmatch(v.Definition)
			if parts == nil {
				t.Fatalf("%s: variable %s is %s", name, v.Name, v.Definition)
			}
			queries = append(queries, asked{name + ", variable " + v.Name, substituted(t, "count by ("+parts[2]+") ("+parts[1]+")")})
		}
		for _, panel := range dashboard.Panels {
			for _, target := range panel.Targets {
				queries = append(queries, asked{name + ", " + panel.Title, substituted(t, target.Expr)})
			}
		}
	}
	if len(queries) == 0 {
		t.Fatal("no query")
	}
	return queries
}

// dashboardRange is that of the dashboards here.
const dashboardRange = "1m"

func substituted(t *testing.T, query string) string {
	t.Helper()
	query = strings.NewReplacer("$__rate_interval", "10s", "$__range", dashboardRange,
		"$job", ".+", "$instance", ".+", "$namespace", ".+", "$workload", ".*", "$pod", ".+").Replace(query)
	if strings.Contains(query, "$") {
		t.Fatalf("this test does not know a variable of %s", query)
	}
	return query
}

// queriesOfKEDA returns those of the examples that ask for series of ours, for the simulated node's workload chat.
func queriesOfKEDA(t *testing.T) map[string]string {
	t.Helper()
	paths, _ := filepath.Glob(root + "/examples/keda/*.yaml")
	queries := make(map[string]string)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`(?m)^ +query: (?:>-\n((?: {10}.*\n)+)|(.*)$)`).FindAllStringSubmatch(string(content), -1)
		for i, match := range found {
			if query := match[1] + match[2]; strings.Contains(query, "gpusignal_") {
				queries[fmt.Sprintf("%s, query %d", filepath.Base(path), i+1)] = strings.ReplaceAll(query, "llm-server", "chat")
			}
		}
	}
	if len(queries) < 3 {
		t.Fatalf("only %d queries", len(queries))
	}
	return queries
}
