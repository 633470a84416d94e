package examples_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// rule of prometheus-adapter: the series it finds, and the metric it makes of each pod's.
type rule struct {
	Series    string `yaml:"seriesQuery"`
	Resources struct {
		Overrides map[string]struct {
			Resource string `yaml:"resource"`
		} `yaml:"overrides"`
	} `yaml:"resources"`
	Name struct {
		As string `yaml:"as"`
	} `yaml:"name"`
	Query string `yaml:"metricsQuery"`
}

// rules returns those of rules.yaml.
func rules(t *testing.T) []rule {
	t.Helper()
	return decoded(t, read(t, "prometheus-adapter/rules.yaml"))
}

// decoded returns the rules of a file's text. A field that is not above is an error.
func decoded(t *testing.T, text string) []rule {
	t.Helper()
	var file struct {
		Rules []rule `yaml:"rules"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil || len(file.Rules) == 0 {
		t.Fatalf("%d rules: %v", len(file.Rules), err)
	}
	return file.Rules
}

// exported is what docs/rules.md shows for a Prometheus that overrules our labels: rules of rules.yaml by the exported ones.
func exported(t *testing.T) []rule {
	t.Helper()
	snippets := regexp.MustCompile("(?s)```yaml\n(rules:\n.*?)```").FindAllStringSubmatch(read(t, "../docs/rules.md"), -1)
	if len(snippets) != 1 {
		t.Fatalf("docs/rules.md shows %d files of the adapter", len(snippets))
	}
	return decoded(t, snippets[0][1])
}

// finds says whether a rule finds the series of a family.
func (r rule) finds(t *testing.T, family string) bool {
	t.Helper()
	names := regexp.MustCompile(`^(?:(\w+)\{|\{__name__=~'([^']*)',)namespace!='',pod!=''\}$`).FindStringSubmatch(r.Series)
	if names == nil {
		t.Fatalf("this test does not know the series %s", r.Series)
	}
	return family == names[1] || names[2] != "" && regexp.MustCompile("^(?s:"+names[2]+")$").MatchString(family)
}

// served returns the metrics that the adapter serves by our rules, and the family that each is made of.
func served(t *testing.T) map[string]string {
	t.Helper()
	metrics := make(map[string]string)
	for _, r := range rules(t) {
		for family := range families(t) {
			if !r.finds(t, family) {
				continue
			}
			name := family
			if r.Name.As != "" {
				name = r.Name.As
			}
			if had, ok := metrics[name]; ok {
				t.Errorf("%s is made of %s and of %s", name, had, family)
			}
			metrics[name] = family
		}
	}
	return metrics
}

// Each signal under its own name, and nothing that has more than one series for a pod by its own labels.
func TestTheAdapterServesEverySignal(t *testing.T) {
	want := map[string]string{
		"triton_queue_compute_input_duration_us": "gpusignal_queue_compute_input_time_mean_seconds",
		"avg_time_queue_us":                      "gpusignal_queue_time_mean_seconds",
		"vllm_num_requests_waiting":              "gpusignal_requests_waiting",
		"gpusignal_saturation_percent":           "gpusignal_saturation_ratio",
	}
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| gauge \\| `namespace`, `pod`, `workload_kind`, `workload` \\|")
	for _, row := range rows.FindAllStringSubmatch(read(t, "../docs/metrics.md"), -1) {
		want[row[1]] = row[1]
	}
	if diff := cmp.Diff(want, served(t)); diff != "" {
		t.Errorf("metrics of the adapter and what they are made of (-want +got):\n%s", diff)
	}
}

// The adapter serves NaN as 0, and of two series of a pod it takes any.
func TestTheAdapterPassesNoNaN(t *testing.T) {
	query := regexp.MustCompile(`^(?:(1e6|100) \* )?max by \(<<\.GroupBy>>\) \(<<\.Series>>\{<<\.LabelMatchers>>\} < Inf\)$`)
	for _, r := range append(rules(t), exported(t)...) {
		found := query.FindStringSubmatch(r.Query)
		if found == nil {
			t.Errorf("%s: %s is not the greatest number of a pod", r.Series, r.Query)
			continue
		}
		unit := map[string]string{"1e6": "_us", "100": "_percent"}[found[1]]
		if !strings.HasSuffix(r.Name.As, unit) {
			t.Errorf("%s is %s times its series", r.Name.As, found[1])
		}
	}
	for _, r := range rules(t) {
		labels := slices.Sorted(maps.Keys(r.Resources.Overrides))
		if diff := cmp.Diff([]string{"namespace", "pod"}, labels); diff != "" {
			t.Errorf("%s: labels that name an object (-want +got):\n%s", r.Series, diff)
		}
	}
}

// The rule that docs/rules.md shows for overruled labels is the first of rules.yaml, by those labels.
func TestTheAdaptersRulesOfExportedLabels(t *testing.T) {
	want := rules(t)[:1]
	want[0].Series = strings.Replace(want[0].Series, "namespace!='',pod!=''", "exported_namespace!='',exported_pod!=''", 1)
	overrides := maps.Clone(want[0].Resources.Overrides)
	clear(want[0].Resources.Overrides)
	for label, resource := range overrides {
		want[0].Resources.Overrides["exported_"+label] = resource
	}
	if diff := cmp.Diff(want, exported(t)); diff != "" {
		t.Errorf("rules of exported labels (-rules.yaml +docs/rules.md):\n%s", diff)
	}
}

func TestTheChartHasTheRules(t *testing.T) {
	var values struct {
		Relist string   `yaml:"metricsRelistInterval"`
		Args   []string `yaml:"extraArguments"`
		Rules  struct {
			Default *bool  `yaml:"default"`
			Custom  []rule `yaml:"custom"`
		} `yaml:"rules"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "prometheus-adapter/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rules(t), values.Rules.Custom); diff != "" {
		t.Errorf("rules.yaml and values.yaml have different rules (-rules +values):\n%s", diff)
	}
	if values.Rules.Default == nil || *values.Rules.Default {
		t.Error("the chart's default rules would serve our series as well")
	}
	deployment := read(t, "prometheus-adapter/deployment.yaml")
	for _, arg := range append(values.Args, "--metrics-relist-interval="+values.Relist) {
		if !strings.Contains(deployment, "- "+arg+"\n") {
			t.Errorf("deployment.yaml does not say %s, as values.yaml does", arg)
		}
	}
}
