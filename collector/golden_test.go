package collector

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"gpusignal/node"
	"gpusignal/scaling"
)

var update = flag.Bool("update", false, "write the golden files")

func encode(t testing.TB, families []*dto.MetricFamily) string {
	t.Helper()
	var out bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&out, family); err != nil {
			t.Fatalf("encode %q: %v", family.GetName(), err)
		}
	}
	return out.String()
}

// golden compares text with a file, or writes the file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with: go test ./collector -update", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant: go test ./collector -update\n%s", path, diff)
	}
}

// TestGoldens pins the form of every part of the page, with all there is switched on.
func TestGoldens(t *testing.T) {
	s := full()
	c := everythingOf(s)
	names := []string{"device", "container", "engine", "signal", "info", "self", "calls", "dcgm/full"}
	if len(names) != len(c.metrics.parts) {
		t.Fatalf("%d names for %d parts", len(names), len(c.metrics.parts))
	}
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			one := &gatherer{cfg: c.cfg, parts: c.metrics.parts[i : i+1]}
			families, err := one.Gather()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name+".metrics"), encode(t, families))
			checkNames(t, families)
			for _, d := range one.parts[0].describe() {
				checkDescribed(t, d, families)
			}
		})
	}
}

// TestHistograms pins the form of what --collector.histogram adds.
func TestHistograms(t *testing.T) {
	c := collectorWith(full(), Config{Histogram: true})
	families, err := c.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	families = slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return f.GetType() != dto.MetricType_HISTOGRAM })
	golden(t, filepath.Join("testdata", "histogram.metrics"), encode(t, families))
	checkNames(t, families)
	for _, d := range c.metrics.describe() {
		if d.kind == dto.MetricType_HISTOGRAM {
			checkDescribed(t, d, families)
		}
	}
}

// checkNames holds our own names to Prometheus' rules; those of DCGM are another's.
func checkNames(t *testing.T, families []*dto.MetricFamily) {
	t.Helper()
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !strings.HasPrefix(p.Metric, "DCGM_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// checkDescribed says that a family is in the full page, as it is described.
func checkDescribed(t *testing.T, d *desc, families []*dto.MetricFamily) {
	t.Helper()
	at := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == d.name })
	if at < 0 {
		t.Errorf("%s is described and not in the full snapshot", d.name)
		return
	}
	family := families[at]
	if family.GetHelp() != d.help || family.GetType() != d.kind {
		t.Errorf("%s is %v %q, described as %v %q", d.name, family.GetType(), family.GetHelp(), d.kind, d.help)
	}
	want := slices.Sorted(slices.Values(d.labels.names))
	for _, m := range family.Metric {
		var got []string
		for _, pair := range m.Label {
			got = append(got, pair.GetName())
		}
		// A series of DCGM has only the labels that apply to it: no instance, no owner, no label.
		ours := want
		if strings.HasPrefix(d.name, "DCGM_") {
			ours = slices.DeleteFunc(slices.Clone(want), func(name string) bool { return !slices.Contains(got, name) })
		}
		if !slices.Equal(got, ours) {
			t.Errorf("%s has labels %v, described with %v", d.name, got, want)
		}
	}
	if !strings.HasSuffix(d.help, ".") {
		t.Errorf("%s: help %q is no sentence", d.name, d.help)
	}
}

func TestEmptyNode(t *testing.T) {
	families, err := collectorOf(&node.Snapshot{At: at}).Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := "gpusignal_exporter_build_info{goversion=\"go1.26\",revision=\"abc123\",version=\"0.1.0\"} 1\n"
	if got := encode(t, families); len(families) != 1 || !strings.HasSuffix(got, want) {
		t.Errorf("an empty node says:\n%s", got)
	}
}

func TestDocumentation(t *testing.T) {
	var out strings.Builder
	out.WriteString(`# Metrics

Every family of ` + "`/metrics`" + `; names and labels are a contract. Written by ` + "`go test ./collector -update`" + `.

Base units throughout: seconds, bytes, joules, ratios of 0 to 1. What is not known has no series: absent is not zero, and
` + "`gpusignal_device_capability`" + ` says what a device can never tell. Families of signals (those with ` + "`workload`" + ` but no ` + "`node`" + `)
are also on ` + "`/signals`" + `. A summary here has no quantiles, only ` + "`_sum`" + ` and ` + "`_count`" + `.

Of the daemon itself the page also has ` + "`gpusignal_exporter_config_last_reload_successful`" + ` (gauge, whether the configuration file could
be used when it last changed), ` + "`gpusignal_exporter_config_last_reload_success_timestamp_seconds`" + ` (gauge, Unix time at which the
configuration in force was read, 0 without a file), and the ` + "`process_*` and `go_*`" + ` of Prometheus' client library.

[xid.md](xid.md) says what the XID errors mean and what to do. [parity.md](parity.md) compares these names with those of
dcgm-exporter and nvidia_gpu_exporter.

`)
	standard := collectorOf(full()).metrics.describe()
	writeDescribed(&out, standard)
	out.WriteString(`
## With ` + "`--collector.detail`" + `

For who looks into a fault: these families, and more values of ` + "`unit`, `reason` and `clock`" + ` in those above.

`)
	more := collectorWith(full(), Config{Detail: true}).metrics.describe()
	writeDescribed(&out, slices.DeleteFunc(more, func(d *desc) bool {
		return slices.ContainsFunc(standard, func(s *desc) bool { return s.name == d.name })
	}))
	out.WriteString(`
## With ` + "`--collector.histogram`" + `

How utilisation and latencies are spread: the samples of each device by tenths, and each latency of a model server by the buckets of
its own page. The latencies are the families of above, which have ` + "`_sum` and `_count`" + ` with this flag and without it. A server that
has no buckets of a latency, or whose parts have different ones, has the one of all requests alone.

`)
	histograms := collectorWith(full(), Config{Histogram: true}).metrics.describe()
	writeDescribed(&out, slices.DeleteFunc(histograms, func(d *desc) bool { return d.kind != dto.MetricType_HISTOGRAM }))
	out.WriteString(`
## With ` + "`--collector.dcgm`" + `

The default set of dcgm-exporter, under its names, units and labels, as far as NVML gives it: so that dashboards and
autoscalers that were written for it go on after a swap. There is exactly one series for each device and owner: a device that
nobody holds has one without ` + "`namespace`, `pod` and `container`" + `, one that several containers hold has one for each of them, and none
without. ` + "`GPU_I_PROFILE` and `GPU_I_ID`" + ` are there on MIG instances only, and ` + "`GPU_CI_ID`" + ` where a GPU instance has several
compute instances. A GPU before Hopper has no ` + "`DCGM_FI_PROF_*`" + `, and a GPU in
MIG mode no utilisation. Where Prometheus scrapes without ` + "`honor_labels`, `pod` and `namespace` become `exported_pod` and `exported_namespace`" + `,
as with dcgm-exporter. Dashboards of versions before May 2026 ask for ` + "`Hostname`" + `: add it by relabelling ` + "`hostname`" + `.

`)
	writeDescribed(&out, newDCGMPart("").describe())
	golden(t, filepath.Join("..", "docs", "metrics.md"), out.String())
}

// writeDescribed writes families as a table.
func writeDescribed(out *strings.Builder, families []*desc) {
	out.WriteString("| name | type | labels | what |\n|---|---|---|---|\n")
	slices.SortFunc(families, func(a, b *desc) int { return strings.Compare(a.name, b.name) })
	for _, d := range families {
		labels := "none"
		if len(d.labels.names) > 0 {
			labels = "`" + strings.Join(d.labels.names, "`, `") + "`"
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", d.name, strings.ToLower(d.kind.String()), labels, strings.ReplaceAll(d.help, "|", `\|`))
	}
}

func TestEverySignalHasItsFamily(t *testing.T) {
	described := collectorOf(full()).signals.describe()
	for _, info := range scaling.Names() {
		if !slices.ContainsFunc(described, func(d *desc) bool { return d.name == prefix+string(info.Name) && d.help == info.Help }) {
			t.Errorf("%s has no family", info.Name)
		}
	}
}

// What docs/metrics.md says of /signals, which a scrape configuration counts on.
func TestSignalsAreTheFamiliesOfAWorkload(t *testing.T) {
	c := collectorOf(full())
	var want, got []string
	for _, d := range c.metrics.describe() {
		if slices.Contains(d.labels.names, "workload") && !slices.Contains(d.labels.names, "node") {
			want = append(want, d.name)
		}
	}
	for _, d := range c.signals.describe() {
		got = append(got, d.name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("families of /signals (-want +got):\n%s", diff)
	}
}
