package e2e

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"gpusignal/test/e2e/load"
	"gpusignal/test/e2e/proof"
)

// Besides examples/prometheus/prometheus.yml: the saturation of two workloads, seen less often and under names of its own.
const slowerJobs = `
  - job_name: every-15s
    metrics_path: /signals
    scrape_interval: 15s
    honor_labels: true
    kubernetes_sd_configs: *exporters
    relabel_configs: *target
    metric_relabel_configs:
      - {action: keep, source_labels: [__name__, namespace], regex: gpusignal_saturation_ratio;every-15s}
      - {target_label: __name__, replacement: saturation_every_15s}
  - job_name: every-30s
    metrics_path: /signals
    scrape_interval: 30s
    honor_labels: true
    kubernetes_sd_configs: *exporters
    relabel_configs: *target
    metric_relabel_configs:
      - {action: keep, source_labels: [__name__, namespace], regex: gpusignal_saturation_ratio;every-30s}
      - {target_label: __name__, replacement: saturation_every_30s}
`

// slowerRules follow those of examples/prometheus-adapter/rules.yaml.
const slowerRules = `
  - seriesQuery: "{__name__=~'saturation_every_(15|30)s',namespace!='',pod!=''}"
    resources: *bypod
    metricsQuery: max by (<<.GroupBy>>) (<<.Series>>{<<.LabelMatchers>>} < Inf)
`

// paces are three workloads with the same load, autoscaled by the same signal, which is read every 5, 15 and 30 s: the last one as
// the gauges of dcgm-exporter are at best, which tells values of up to 30 s before.
func paces() []*workload {
	var all []*workload
	for _, p := range []struct{ namespace, metric string }{
		{"every-5s", "gpusignal_saturation_ratio"}, {"every-15s", "saturation_every_15s"}, {"every-30s", "saturation_every_30s"},
	} {
		w := &workload{
			server: vllm(p.namespace, 1, "--max-num-seqs=8"), ask: load.Complete("chat", 32, 100), few: level{clients: 6, replicas: 1},
			example: "hpa/saturation.yaml", changes: []string{"minReplicas: 2", "minReplicas: 1"}, metric: p.metric, target: 1, demand: inHand,
		}
		if p.metric != "gpusignal_saturation_ratio" {
			w.changes = append(w.changes, "name: gpusignal_saturation_ratio", "name: "+p.metric)
		}
		all = append(all, w)
	}
	return all
}

// pace measures the time from a step of load to the new number of replicas.
func (f *fleet) pace(t *testing.T) {
	c := f.For(t)
	for _, w := range f.paces {
		f.ready(t, w)
	}
	for _, w := range f.paces {
		c.MustKubectl("-n", w.Namespace, "apply", "-f", f.autoscaler(t, w))
	}
	took := make(map[*workload][]time.Duration)
	begun, left := time.Now(), phases()
	for n := 1; len(left) > 0; n++ {
		for _, w := range f.paces {
			c.Wait("every replica to count", 3*time.Minute, func() error { return known(c, w, n) })
		}
		left = next(begun, left)
		for _, w := range f.paces {
			if have, err := replicas(c, w.Namespace, w.Deployment()); err != nil || have != n {
				t.Fatalf("%d replicas of %s before a step, %v; want %d", have, w.Namespace, err, n)
			}
		}
		f.step(t, n+1, took)
	}
	f.tell(t, took)
	for _, w := range f.paces {
		w.set(level{})
		c.MustKubectl("delete", "namespace", w.Namespace, "--wait=false")
	}
}

// phases of the steps of load, one step for each: they are spread over the longest period of all, and over each of the shorter ones.
// They come at 0, 13.3 and 21.7 s of 30, at 0, 13.3 and 6.7 s of 15, and at 0, 3.3 and 1.7 s of 5.
func phases() []time.Duration {
	return []time.Duration{0, 40 * time.Second / 3, 65 * time.Second / 3}
}

// next waits for the nearest of the phases that are left, of periods since a time, and returns the others.
func next(begun time.Time, left []time.Duration) []time.Duration {
	const longest = 30 * time.Second
	until := func(phase time.Duration) time.Duration {
		return (phase - time.Since(begun)%longest + longest) % longest
	}
	nearest := slices.MinFunc(left, func(a, b time.Duration) int { return cmp.Compare(until(a), until(b)) })
	time.Sleep(until(nearest))
	return slices.DeleteFunc(left, func(phase time.Duration) bool { return phase == nearest })
}

// step the load of all three to what so many replicas serve, and wait until each asks for them.
func (f *fleet) step(t *testing.T, want int, took map[*workload][]time.Duration) {
	t.Helper()
	c := f.For(t)
	stepped := time.Now()
	for _, w := range f.paces {
		w.set(level{clients: want * w.few.clients})
	}
	waiting := slices.Clone(f.paces)
	c.Wait(fmt.Sprintf("%d replicas of each", want), 3*time.Minute, func() error {
		var last error
		waiting = slices.DeleteFunc(waiting, func(w *workload) bool {
			if err := atLeast(c, w, want); err != nil {
				last = err
				return false
			}
			took[w] = append(took[w], time.Since(stepped))
			return true
		})
		return last
	})
}

// tell how long it took, and keep the longest of the example's own pace.
func (f *fleet) tell(t *testing.T, took map[*workload][]time.Duration) {
	t.Helper()
	mean := make(map[*workload]time.Duration)
	for _, w := range f.paces {
		for _, d := range took[w] {
			mean[w] += d / time.Duration(len(took[w]))
		}
		t.Logf("%s: %d steps of load, replicas after %v, mean %v", w.Namespace, len(took[w]), rounded(took[w]), mean[w].Round(100*time.Millisecond))
	}
	fast, slow, gauge := f.paces[0], f.paces[1], f.paces[2]
	for _, d := range took[fast] {
		f.reaction = max(f.reaction, d)
	}
	ratio := func(w *workload) float64 { return float64(mean[w]) / float64(mean[fast]) }
	proof.Shown(t, "from a step of load to more replicas %v in the mean and %v at most, scraped every 5 s; scraped every 15 s it takes %.2f times as long, as a gauge every 30 s %.2f times",
		mean[fast].Round(100*time.Millisecond), f.reaction.Round(100*time.Millisecond), ratio(slow), ratio(gauge))
}

func rounded(all []time.Duration) []time.Duration {
	var out []time.Duration
	for _, d := range all {
		out = append(out, d.Round(100*time.Millisecond))
	}
	return out
}
