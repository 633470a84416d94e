package prometheus

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// The fleet: each node has eight GPUs, and eight pods that hold one each.
const (
	nodes      = 1250
	perNode    = 8
	namespaces = 40
	workloads  = 600
	// Samples go back as far as rules look, scraped at the intervals of examples/prometheus.
	signalsHistory, signalsInterval = 7 * time.Minute, 5 * time.Second
	pageHistory, pageInterval       = 12 * time.Minute, 30 * time.Second
	startHistory                    = time.Hour
)

// family is a row of docs/metrics.md.
type family struct {
	name, kind string
	labels     []string
}

// signal says that the family is one of /signals.
func (f family) signal() bool { return f.has("workload") && !f.has("node") }

func (f family) has(label string) bool { return slices.Contains(f.labels, label) }

// contract is every family that docs/metrics.md names.
func contract(b *testing.B, root string) []family {
	b.Helper()
	content, err := os.ReadFile(root + "/docs/metrics.md")
	if err != nil {
		b.Fatal(err)
	}
	var out []family
	for _, row := range regexp.MustCompile("(?m)^\\| `(gpusignal_\\w+)` \\| (\\w+) \\| (.*?) \\|").FindAllStringSubmatch(string(content), -1) {
		f := family{name: row[1], kind: row[2]}
		for _, label := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[3], -1) {
			f.labels = append(f.labels, label[1])
		}
		out = append(out, f)
	}
	if len(out) == 0 {
		b.Fatal("docs/metrics.md names no family")
	}
	return out
}

// kinds are the values of the label that multiplies a series of the family; a healthy fleet has no XID and no device that is down.
func (f family) kinds() []string {
	switch {
	case f.has("state"):
		return []string{"draining", "loading", "ready", "sleeping", "stuck"}
	case f.has("source"):
		return []string{"engine", "kubelet", "nvml", "pods"}
	case f.name == "gpusignal_device_throttled_seconds_total":
		return []string{"power", "thermal", "hw_thermal", "power_brake"}
	case f.name == "gpusignal_exporter_unmapped_devices":
		return []string{"source_down", "unclaimed", "unknown_id"}
	case f.has("xid"), f.name == "gpusignal_device_down":
		return nil
	}
	return []string{""}
}

// series of a family on the whole fleet.
func (f family) series() []labels.Labels {
	sets := 1
	if f.has("pod") || f.has("gpu_uuid") {
		sets = perNode
	}
	job := "gpusignal"
	if f.signal() {
		job = "gpusignal-signals"
	}
	var out []labels.Labels
	for n := range nodes {
		for i := range sets {
			for _, kind := range f.kinds() {
				pairs := []string{"__name__", f.name, "job", job, "instance", nodeName(n), "exporter_pod", fmt.Sprintf("gpusignal-%05x", n)}
				for _, l := range f.labels {
					pairs = append(pairs, l, value(l, n, i, kind))
				}
				out = append(out, labels.FromStrings(pairs...))
			}
		}
	}
	return out
}

func nodeName(n int) string { return fmt.Sprintf("node-%04d", n) }

// value of a label of the i-th pod or GPU of node n.
func value(label string, n, i int, kind string) string {
	id := n*perNode + i
	workload := id % workloads
	switch label {
	case "namespace":
		return fmt.Sprintf("team-%02d", workload%namespaces)
	case "workload":
		return fmt.Sprintf("model-%03d", workload)
	case "workload_kind":
		return "Deployment"
	case "pod":
		return fmt.Sprintf("model-%03d-6d4cf56db6-%05x", workload, id)
	case "container":
		return "server"
	case "gpu_uuid":
		return fmt.Sprintf("GPU-%08x-5d1c-4f7e-9a3b-%012x", id*2654435761%4294967296, id)
	case "gpu", "index":
		return fmt.Sprint(i)
	case "node":
		return nodeName(n)
	case "engine":
		return "vllm"
	case "evidence":
		return "page"
	case "attribution":
		return "exclusive"
	}
	return kind
}

// fill a database with the history of the families that expressions name, of up and the processes' starts, and of
// kube-state-metrics; it returns how many series. Where labels are overruled, pods are the exporter's, and ours are exported ones.
func fill(b *testing.B, db *tsdb.DB, families []family, named func(string) bool, overruled bool, end time.Time) int {
	b.Helper()
	type batch struct {
		series       []labels.Labels
		every, since time.Duration
		rise         float64
	}
	page := func(series []labels.Labels) batch { return batch{series, pageInterval, pageHistory, 0} }
	// The longest history first: a database takes nothing that is an hour older than its newest.
	batches := []batch{{byJob("process_start_time_seconds", "gpusignal"), pageInterval, startHistory, 0}}
	for _, f := range families {
		if !named(f.name) {
			continue
		}
		next := page(f.series())
		if overruled && f.has("pod") {
			overrule(next.series)
		}
		if f.signal() {
			next.every, next.since = signalsInterval, signalsHistory
		}
		if f.kind == "counter" && !strings.Contains(f.name, "unowned") && !strings.Contains(f.name, "throttled") {
			next.rise = 0.6
		}
		batches = append(batches, next)
	}
	reload := family{name: "gpusignal_exporter_config_last_reload_successful"}
	var replicas []labels.Labels
	for w := range workloads {
		replicas = append(replicas, labels.FromStrings("__name__", "kube_deployment_status_replicas", "job", "kube-state-metrics",
			"namespace", value("namespace", 0, w, ""), "deployment", value("workload", 0, w, "")))
	}
	batches = append(batches, page(reload.series()), page(byJob("up", "gpusignal")), page(replicas), batch{byJob("up", "gpusignal-signals"), signalsInterval, signalsHistory, 0})

	total := 0
	for _, s := range batches {
		total += len(s.series)
		refs := make([]storage.SeriesRef, len(s.series))
		for at := end.Add(-s.since); !at.After(end); at = at.Add(s.every) {
			app := db.Appender(context.Background())
			for i, l := range s.series {
				v := sample(l, i)
				if s.rise > 0 {
					v = s.rise * at.Sub(end.Add(-s.since)).Seconds()
				}
				ref, err := app.Append(refs[i], l, at.UnixMilli(), v)
				if err != nil {
					b.Fatal(err)
				}
				refs[i] = ref
			}
			if err := app.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	}
	return total
}

// sample of a healthy fleet: every server is ready, and pages take a tenth of what is slow.
func sample(l labels.Labels, i int) float64 {
	switch name := l.Get("__name__"); {
	case l.Has("state"):
		if l.Get("state") == "ready" {
			return 1
		}
		return 0
	case strings.HasSuffix(name, "_unmapped_devices"), strings.HasSuffix(name, "_total"):
		return 0
	case strings.HasSuffix(name, "_slowdown_ratio"):
		return 1
	case strings.HasSuffix(name, "_ratio"):
		return float64(i%95) / 100
	case strings.HasSuffix(name, "_duration_seconds"):
		return 0.01
	}
	return 1
}

// overrule the labels of series as a Prometheus without honor_labels does.
func overrule(series []labels.Labels) {
	for i, l := range series {
		series[i] = labels.NewBuilder(l).Set("exported_namespace", l.Get("namespace")).Set("exported_pod", l.Get("pod")).
			Set("namespace", "gpusignal").Set("pod", l.Get("exporter_pod")).Labels()
	}
}

// byJob is a series of every exporter that has no label of ours, as a job scrapes it.
func byJob(name, job string) []labels.Labels {
	all := family{name: name}.series()
	for i := range all {
		all[i] = labels.NewBuilder(all[i]).Set("job", job).Labels()
	}
	return all
}

// exportersDown says that no exporter answered the scrape at an instant.
func exportersDown(b *testing.B, db *tsdb.DB, at time.Time) {
	b.Helper()
	app := db.Appender(b.Context())
	for _, l := range byJob("up", "gpusignal-signals") {
		if _, err := app.Append(0, l, at.UnixMilli(), 0); err != nil {
			b.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		b.Fatal(err)
	}
}
