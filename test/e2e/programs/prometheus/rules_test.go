// Package prometheus measures what the rules of rules/ cost a real Prometheus, by its own engine.
package prometheus

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

// root of the repository.
const root = "../../../.."

// BenchmarkRules evaluates each rule of rules/ at 10,000 GPUs as Prometheus does, its results stored: CPU time, the garbage collector's
// share of it too.
func BenchmarkRules(b *testing.B) { evaluate(b, false) }

// BenchmarkRulesOverruled is the same where Prometheus overrules our labels.
func BenchmarkRulesOverruled(b *testing.B) { evaluate(b, true) }

func evaluate(b *testing.B, overruled bool) {
	files, err := filepath.Glob(root + "/rules/*.yaml")
	if err != nil || len(files) == 0 {
		b.Fatalf("no rules: %v", err)
	}
	var text strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		text.Write(content)
	}
	db, err := tsdb.Open(b.TempDir(), slog.New(slog.DiscardHandler), nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	end := time.Now().Truncate(time.Minute)
	b.Logf("%d series", fill(b, db, contract(b, root), func(name string) bool { return strings.Contains(text.String(), name) }, overruled, end))

	p := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 50_000_000, Timeout: 2 * time.Minute, LookbackDelta: 5 * time.Minute, Parser: p})
	stored := 0
	options := &rules.ManagerOptions{
		Context: context.Background(), AppendableV2: db, Queryable: db, Logger: slog.New(slog.DiscardHandler), Parser: p,
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		QueryFunc: func(ctx context.Context, query string, at time.Time) (promql.Vector, error) {
			vector, err := rules.EngineQueryFunc(engine, db)(ctx, query, at)
			stored = len(vector)
			return vector, err
		},
	}
	groups, errs := rules.NewManager(options).LoadGroups(15*time.Second, labels.EmptyLabels(), "", nil, false, files...)
	if errs != nil {
		b.Fatal(errs)
	}
	// What rules read of rules reaches as far back as any range of theirs.
	for at := end.Add(-4 * time.Minute); !at.After(end); at = at.Add(15 * time.Second) {
		for _, group := range groups {
			if !strings.HasSuffix(group.File(), "alerts.yaml") {
				group.Eval(b.Context(), at)
			}
		}
	}
	// In the order of their files and groups, as a map is not.
	at := end
	measure := func(prefix string, files ...string) {
		for _, key := range slices.Sorted(maps.Keys(groups)) {
			group := groups[key]
			file := filepath.Base(group.File())
			if !slices.Contains(files, file) {
				continue
			}
			for _, rule := range group.Rules() {
				one := rules.NewGroup(rules.GroupOptions{Name: rule.Name(), Interval: 15 * time.Second, Rules: []rules.Rule{rule}, Opts: options})
				b.Run(prefix+file+"/"+rule.Name(), func(b *testing.B) {
					least, sum := math.Inf(1), 0.0
					for b.Loop() {
						at = at.Add(time.Millisecond)
						began := cpu(b)
						one.Eval(b.Context(), at)
						took := cpu(b) - began
						least, sum = min(least, took), sum+took
					}
					if err := rule.LastError(); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(sum/float64(b.N), "cpu-ms/op")
					b.ReportMetric(least, "least-cpu-ms")
					b.ReportMetric(float64(stored), "series")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
	measure("", "recording.yaml", "shadow.yaml", "exported.yaml", "alerts.yaml")
	if overruled {
		return
	}
	// The worst case, as after a start of Prometheus itself: every exporter is new, and every pod is bridged.
	at = at.Add(time.Second)
	exportersDown(b, db, at)
	for _, group := range groups {
		if filepath.Base(group.File()) == "recording.yaml" {
			group.Eval(b.Context(), at)
		}
	}
	measure("all-bridged/", "recording.yaml")
}

// cpu is the time in milliseconds that this process has computed.
func cpu(b *testing.B) float64 {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return 1e3 * (time.Duration(use.Utime.Nano()) + time.Duration(use.Stime.Nano())).Seconds()
}
