// Package examples_test holds the files of this folder, and the guide that shows them, to what the daemon publishes.
package examples_test

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const guide = "../docs/scaling.md"

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// files returns every YAML file of the folder.
func files(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); ext == ".yaml" || ext == ".yml" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d files: %v", len(paths), err)
	}
	return paths
}

// families returns every family of docs/metrics.md, and whether it is one of /signals.
func families(t *testing.T) map[string]bool {
	t.Helper()
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| \\w+ \\| (.*?) \\|").FindAllStringSubmatch(read(t, "../docs/metrics.md"), -1)
	signals := make(map[string]bool)
	for _, row := range rows {
		signals[row[1]] = strings.Contains(row[2], "`workload`") && !strings.Contains(row[2], "`node`")
	}
	if len(signals) == 0 {
		t.Fatal("docs/metrics.md names no family")
	}
	return signals
}

func TestEveryDocumentIsStrictYAML(t *testing.T) {
	for _, path := range files(t) {
		decoder := yaml.NewDecoder(strings.NewReader(read(t, path)))
		documents := 0
		for {
			var document map[string]any // a key given twice is an error
			err := decoder.Decode(&document)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || len(document) == 0 {
				t.Fatalf("%s: document %d has %d keys: %v", path, documents+1, len(document), err)
			}
			documents++
		}
		if documents == 0 {
			t.Errorf("%s is empty", path)
		}
	}
}

func TestTheGuideShowsTheFiles(t *testing.T) {
	text := read(t, guide)
	blocks := regexp.MustCompile("(?ms)^<!-- examples/(\\S+) -->\n```yaml\n(.*?)^```$").FindAllStringSubmatch(text, -1)
	if all := strings.Count(text, "```yaml"); len(blocks) != all || all == 0 {
		t.Errorf("%d of %d blocks of YAML say which file they are", len(blocks), all)
	}
	for _, block := range blocks {
		if diff := cmp.Diff(strings.Split(read(t, block[1]), "\n"), strings.Split(block[2], "\n")); diff != "" {
			t.Errorf("%s shows another %s (-file +guide):\n%s", guide, block[1], diff)
		}
	}
}

func TestNamesAreThoseOfTheContract(t *testing.T) {
	known, made := families(t), served(t)
	name := regexp.MustCompile(`\bgpusignal_\w*\w`)
	named := 0
	for _, path := range append(files(t), guide, "../docs/targets.md", "../docs/dashboards.md") {
		for _, n := range name.FindAllString(read(t, path), -1) {
			named++
			_, published := known[n]
			if _, ok := made[n]; !ok && !published {
				t.Errorf("%s names %s, which neither docs/metrics.md nor a rule of the adapter does", path, n)
			}
		}
	}
	if named == 0 {
		t.Error("no file names a family")
	}
}

// A scrape is how Prometheus reads a page of gpusignal.
type scrape struct {
	Job, Path, Interval, Timeout string
	HonorLabels                  bool
	Dropped                      []string // by their names, each a regular expression
}

// jobs returns the scrapes of prometheus.yml.
func jobs(t *testing.T) []scrape {
	t.Helper()
	var config struct {
		Jobs []struct {
			Name     string `yaml:"job_name"`
			Path     string `yaml:"metrics_path"`
			Interval string `yaml:"scrape_interval"`
			Timeout  string `yaml:"scrape_timeout"`
			Honor    bool   `yaml:"honor_labels"`
			Rules    []struct {
				Action string   `yaml:"action"`
				Source []string `yaml:"source_labels"`
				Regex  string   `yaml:"regex"`
			} `yaml:"metric_relabel_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "prometheus/prometheus.yml")), &config); err != nil {
		t.Fatal(err)
	}
	var scrapes []scrape
	for _, job := range config.Jobs {
		s := scrape{Job: job.Name, Path: job.Path, Interval: job.Interval, Timeout: job.Timeout, HonorLabels: job.Honor}
		for _, rule := range job.Rules {
			s.Dropped = append(s.Dropped, droppedName(t, rule.Action, rule.Source, rule.Regex))
		}
		scrapes = append(scrapes, s)
	}
	return scrapes
}

// endpoints returns the scrapes of podmonitor.yaml. Its job is the one that a relabeling sets.
func endpoints(t *testing.T) []scrape {
	t.Helper()
	type rule struct {
		Action      string   `yaml:"action"`
		Source      []string `yaml:"sourceLabels"`
		Regex       string   `yaml:"regex"`
		Target      string   `yaml:"targetLabel"`
		Replacement string   `yaml:"replacement"`
	}
	var monitor struct {
		Spec struct {
			Endpoints []struct {
				Path        string `yaml:"path"`
				Interval    string `yaml:"interval"`
				Timeout     string `yaml:"scrapeTimeout"`
				Honor       bool   `yaml:"honorLabels"`
				TargetRules []rule `yaml:"relabelings"`
				MetricRules []rule `yaml:"metricRelabelings"`
			} `yaml:"podMetricsEndpoints"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "prometheus/podmonitor.yaml")), &monitor); err != nil {
		t.Fatal(err)
	}
	var scrapes []scrape
	for _, endpoint := range monitor.Spec.Endpoints {
		s := scrape{Path: endpoint.Path, Interval: endpoint.Interval, Timeout: endpoint.Timeout, HonorLabels: endpoint.Honor}
		var removed []string
		for _, rule := range endpoint.TargetRules {
			if rule.Target == "job" {
				s.Job = rule.Replacement
			}
			if rule.Action == "labeldrop" {
				removed = strings.Split(rule.Regex, "|")
			}
		}
		for _, label := range []string{"namespace", "pod", "container"} {
			if !slices.Contains(removed, label) {
				t.Errorf("%s: the target keeps the operator's label %s, which our series have too", endpoint.Path, label)
			}
		}
		for _, rule := range endpoint.MetricRules {
			s.Dropped = append(s.Dropped, droppedName(t, rule.Action, rule.Source, rule.Regex))
		}
		scrapes = append(scrapes, s)
	}
	return scrapes
}

func droppedName(t *testing.T, action string, source []string, regex string) string {
	t.Helper()
	if action != "drop" || !slices.Equal(source, []string{"__name__"}) {
		t.Fatalf("this test does not know the rule %s of %q by %s", action, source, regex)
	}
	return regex
}

func TestThePodMonitorIsTheJobs(t *testing.T) {
	if diff := cmp.Diff(jobs(t), endpoints(t)); diff != "" {
		t.Errorf("prometheus.yml and podmonitor.yaml scrape differently (-jobs +endpoints):\n%s", diff)
	}
}

// Of /metrics Prometheus leaves out what it reads from /signals, and nothing else.
func TestPrometheusReadsEachFamilyOnce(t *testing.T) {
	known := families(t)
	got := make(map[string][]string)
	for _, s := range jobs(t) {
		for _, name := range slices.Sorted(maps.Keys(known)) {
			kept := s.Path == "/metrics" || known[name]
			for _, regex := range s.Dropped {
				kept = kept && !regexp.MustCompile("^(?s:"+regex+")$").MatchString(name)
			}
			if kept {
				got[name] = append(got[name], s.Path)
			}
		}
	}
	want := make(map[string][]string)
	for name, signal := range known {
		want[name] = []string{"/metrics"}
		if signal {
			want[name] = []string{"/signals"}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("which job keeps which family (-want +got):\n%s", diff)
	}
}
