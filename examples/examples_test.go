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
	known := families(t)
	name := regexp.MustCompile(`\bgpusignal_\w*\w`)
	named := 0
	for _, path := range append(files(t), guide) {
		for _, n := range name.FindAllString(read(t, path), -1) {
			named++
			if _, ok := known[n]; !ok {
				t.Errorf("%s names %s, which docs/metrics.md does not", path, n)
			}
		}
	}
	if named == 0 {
		t.Error("no file names a family")
	}
}

// Of /metrics Prometheus leaves out what it reads from /signals, and nothing else.
func TestPrometheusReadsEachFamilyOnce(t *testing.T) {
	var config struct {
		Jobs []struct {
			Path  string `yaml:"metrics_path"`
			Rules []struct {
				Action string   `yaml:"action"`
				Source []string `yaml:"source_labels"`
				Regex  string   `yaml:"regex"`
			} `yaml:"metric_relabel_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "prometheus/prometheus.yml")), &config); err != nil {
		t.Fatal(err)
	}
	known := families(t)
	got := make(map[string][]string)
	for _, job := range config.Jobs {
		for _, name := range slices.Sorted(maps.Keys(known)) {
			kept := job.Path == "/metrics" || known[name]
			for _, rule := range job.Rules {
				if rule.Action != "drop" || !slices.Equal(rule.Source, []string{"__name__"}) {
					t.Fatalf("this test does not know the rule %+v", rule)
				}
				kept = kept && !regexp.MustCompile("^(?s:"+rule.Regex+")$").MatchString(name)
			}
			if kept {
				got[name] = append(got[name], job.Path)
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
