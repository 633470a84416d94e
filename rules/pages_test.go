package rules_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the manifest of the Prometheus Operator anew")

const (
	manifest = "operator/prometheusrule.yaml"
	runbooks = "../docs/runbooks/"
	guide    = "../docs/rules.md"
)

// head of the manifest; the groups of every file follow.
const head = `# The rules of this folder for the Prometheus Operator. Written by: go test ./rules -update
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: gpusignal
  namespace: gpusignal
  # What ruleSelector of your Prometheus asks for; kube-prometheus-stack asks for the name of its Helm release.
  labels: {release: kube-prometheus-stack}
spec:
  groups:
`

func TestTheManifestIsTheRules(t *testing.T) {
	paths, err := filepath.Glob("*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d files of rules: %v", len(paths), err)
	}
	var want strings.Builder
	want.WriteString(head)
	for _, path := range paths {
		comment, groups, ok := strings.Cut(read(t, path), "groups:\n")
		if !ok {
			t.Fatalf("%s has no groups", path)
		}
		for line := range strings.Lines("\n" + comment) {
			want.WriteString(indented("    ", line))
		}
		for line := range strings.Lines(groups) {
			want.WriteString(indented("  ", line))
		}
	}
	if *update {
		if err := os.WriteFile(manifest, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := read(t, manifest)
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("%s is not the rules (go test ./rules -update writes it; -want +got):\n%s", manifest, diff)
	}
	var parsed struct {
		Spec struct {
			Groups []struct{ Rules []rule }
		}
	}
	if err := yaml.Unmarshal([]byte(got), &parsed); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range parsed.Spec.Groups {
		all = append(all, group.Rules...)
	}
	if diff := cmp.Diff(load(t), all, cmpopts.IgnoreFields(rule{}, "File")); diff != "" {
		t.Errorf("%s reads otherwise than the rules (-rules +manifest):\n%s", manifest, diff)
	}
}

func indented(by, line string) string {
	if strings.TrimSpace(line) == "" {
		return line
	}
	return by + line
}

// Every alert has its page and every page its alert, with the questions that are asked at night.
func TestRunbooks(t *testing.T) {
	var want []string
	index := read(t, runbooks+"README.md")
	for _, r := range load(t) {
		if r.Alert == "" {
			continue
		}
		want = append(want, r.Alert+".md")
		page := read(t, runbooks+r.Alert+".md")
		if !strings.HasPrefix(page, "# "+r.Alert+"\n") {
			t.Errorf("the runbook of %s has another title", r.Alert)
		}
		at := 0
		for _, heading := range []string{"What it means", "How to see it", "What to do", "What it is not"} {
			i := strings.Index(page, "\n## "+heading+"\n\n")
			if i < at {
				t.Errorf("the runbook of %s has no %q in its place", r.Alert, heading)
			}
			at = i
		}
		if row := fmt.Sprintf("| [%s](%[1]s.md) | %s |", r.Alert, r.Labels["severity"]); !strings.Contains(index, row) {
			t.Errorf("the list of runbooks lacks %s", row)
		}
	}
	paths, err := filepath.Glob(runbooks + "Gpusignal*.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, path := range paths {
		got = append(got, filepath.Base(path))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("runbooks (-alerts +pages):\n%s", diff)
	}
}

// The pages name no metric and no rule that is not there, link to nothing that is missing, and the guide leaves no rule out.
func TestPages(t *testing.T) {
	known := contract(t)
	for name := range foreign() {
		known[name] = true
	}
	text := read(t, guide)
	for _, r := range load(t) {
		known[r.name()] = true
		if !strings.Contains(text, "`"+r.name()+"`") && !strings.Contains(text, "["+r.name()+"]") {
			t.Errorf("%s does not explain %s", guide, r.name())
		}
	}
	paths, err := filepath.Glob(runbooks + "*.md")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d runbooks: %v", len(paths), err)
	}
	named := 0
	for _, path := range append(paths, guide) {
		content := read(t, path)
		for _, name := range regexp.MustCompile(`\b(?:[a-z_]+:)?(?:gpusignal|kube)_\w+(?::\w+)?|\bGpusignal[A-Z]\w+`).FindAllString(content, -1) {
			named++
			if !known[name] {
				t.Errorf("%s names %s, which is not there", path, name)
			}
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)[)#]`).FindAllStringSubmatch(content, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), link[1])); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	if named == 0 {
		t.Error("no page names a metric")
	}
}

// Every rule is tested by promtool: what is recorded is asked for, and an alert fires in one case at least and not in another.
func TestEveryRuleHasItsTests(t *testing.T) {
	type cases struct{ asked, fires, silent int }
	seen := make(map[string]*cases)
	of := func(name string) *cases {
		if seen[name] == nil {
			seen[name] = new(cases)
		}
		return seen[name]
	}
	paths, err := filepath.Glob("tests/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d files of tests: %v", len(paths), err)
	}
	for _, path := range paths {
		var file struct {
			Tests []struct {
				Alerts []struct {
					Name string `yaml:"alertname"`
					Want []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
				Queries []struct {
					Expr string `yaml:"expr"`
					Want []any  `yaml:"exp_samples"`
				} `yaml:"promql_expr_test"`
			}
		}
		if err := yaml.Unmarshal([]byte(read(t, path)), &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, test := range file.Tests {
			for _, a := range test.Alerts {
				if len(a.Want) > 0 {
					of(a.Name).fires++
				} else {
					of(a.Name).silent++
				}
			}
			for _, q := range test.Queries {
				for _, name := range metrics(q.Expr) {
					if len(q.Want) > 0 {
						of(name).asked++
					}
				}
			}
		}
	}
	for _, r := range load(t) {
		c := of(r.name())
		if r.Record != "" && c.asked == 0 {
			t.Errorf("no test expects a value of %s", r.Record)
		}
		if r.Alert != "" && (c.fires == 0 || c.silent == 0) {
			t.Errorf("%s fires in %d tests and is silent in %d, want both", r.Alert, c.fires, c.silent)
		}
	}
}
