package dashboards_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every series is selected by job and instance, and its name is one of docs/metrics.md.
func TestQueriesNameTheContract(t *testing.T) {
	metrics, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`gpusignal_\w+`)
	selected := regexp.MustCompile(`gpusignal_\w+\{job=~"\$job",instance=~"\$instance"[,}]`)
	dashboards, _ := read(t)
	for path, d := range dashboards {
		for _, v := range d.Templating.List {
			namesAreKnown(t, path, string(metrics), name.FindAllString(v.Definition, -1))
		}
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				names := name.FindAllString(target.Expr, -1)
				namesAreKnown(t, path, string(metrics), names)
				if len(names) == 0 || len(names) != len(selected.FindAllString(target.Expr, -1)) {
					t.Errorf("%s: %q selects %s without job or instance", path, p.Title, target.Expr)
				}
			}
		}
	}
}

func namesAreKnown(t *testing.T, path, metrics string, names []string) {
	t.Helper()
	for _, n := range names {
		if !strings.Contains(metrics, "| `"+n+"` |") {
			t.Errorf("%s names %s, which docs/metrics.md does not", path, n)
		}
	}
}

// A rollout runs two exporters on a node for a moment, each with every series of its devices. What adds up or counts takes one of them;
// over the range of a dashboard it adds them up, for there one follows the other.
func TestTwoExportersCountOnce(t *testing.T) {
	direct := regexp.MustCompile(`\b(?:sum|count|avg|quantile|topk)(?: by \([^)]*\))? ?\((?:[\d.]+, )?(?:1 - )?(?:(?:rate|increase)\()?gpusignal_\w+\{[^}]*\}(\[\$__range\])?`)
	for _, doubled := range []string{`sum by (a) (rate(gpusignal_x{}[$__rate_interval]))`, `count(gpusignal_x{})`, `sum(1 - gpusignal_x{})`, `topk(5, gpusignal_x{})`} {
		if !direct.MatchString(doubled) {
			t.Errorf("%s is not seen to count twice", doubled)
		}
	}
	dashboards, _ := read(t)
	for path, d := range dashboards {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				for _, match := range direct.FindAllStringSubmatch(target.Expr, -1) {
					if match[1] == "" {
						t.Errorf("%s: %q counts two exporters of a node twice: %s", path, p.Title, match[0])
					}
				}
			}
		}
	}
}

// Pods of one name in two namespaces are two.
func TestPodsAreToldApart(t *testing.T) {
	by := regexp.MustCompile(`by \(([^)]*)\)`)
	dashboards, _ := read(t)
	for path, d := range dashboards {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				for _, match := range by.FindAllStringSubmatch(target.Expr, -1) {
					if labels := strings.Split(match[1], ", "); slices.Contains(labels, "pod") && !slices.Contains(labels, "namespace") {
						t.Errorf("%s: %q merges pods of several namespaces: %s", path, p.Title, target.Expr)
					}
				}
			}
		}
	}
}

// Grafana knows the data source's scrape interval, 15 s by default, and not that of our counters.
func TestRatesSpanTheirScrapes(t *testing.T) {
	jobs, err := os.ReadFile("../examples/prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	scraped := regexp.MustCompile(`(?m)^  - job_name: gpusignal\n    metrics_path: /metrics\n    scrape_interval: (\w+)$`).FindSubmatch(jobs)
	if scraped == nil {
		t.Fatal("the job gpusignal has no scrape interval")
	}
	dashboards, _ := read(t)
	for path, d := range dashboards {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				want := ""
				if strings.Contains(target.Expr, "$__rate_interval") {
					want = string(scraped[1])
				}
				if target.Interval != want {
					t.Errorf("%s: %q has the least step %q, want %q", path, p.Title, target.Interval, want)
				}
			}
		}
	}
}
