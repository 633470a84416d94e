package rules_test

import (
	"regexp"
	"strings"
	"testing"
)

// The rules of one signal, by saturation's, whose cases in tests/ hold for every other: metric is the signal's, source what it reads.
const (
	now      = `max by (instance, namespace, pod, workload_kind, workload) (source{exported_namespace="", exported_pod=""})`
	moved    = `max by (instance, namespace, pod, workload_kind, workload) ( label_replace( label_replace( source{exported_namespace!=""} or source{exported_namespace="", exported_pod!=""}, "namespace", "$1", "exported_namespace", "(.+)" ), "pod", "$1", "exported_pod", "(.+)" ) )`
	bridged  = `max by (namespace, pod, workload_kind, workload) ( last_over_time(instance_pod:metric:max[3m]) unless on (instance) instance:gpusignal_exporter_settled:min1m ) unless on (namespace, pod) last_over_time(pod:gpusignal_draining:max30s[3m])`
	together = `max by (namespace, pod, workload_kind, workload) (instance_pod:metric:max) or on (namespace, pod) pod:metric:last3m`
)

// Every signal is recorded by the same chain of rules, so that what promtool shows of one is true of all.
func TestTheChainsAreOne(t *testing.T) {
	recorded := make(map[string]string)
	for _, r := range load(t) {
		if r.Record != "" {
			recorded[r.File+" "+r.Record] = strings.Join(strings.Fields(r.Expr), " ")
		}
	}
	signals, workloads := 0, 0
	for name := range recorded {
		metric, ok := strings.CutPrefix(name, "recording.yaml instance_pod:")
		if !ok {
			continue
		}
		signals++
		metric = strings.TrimSuffix(metric, ":max")
		chain := func(expr string) string {
			expr = strings.ReplaceAll(expr, "metric", metric)
			if state, ok := strings.CutPrefix(metric, "gpusignal_pod_"); ok {
				return strings.ReplaceAll(expr, "source{", `gpusignal_pod_state{state="`+state+`", `)
			}
			return strings.ReplaceAll(expr, "source{", metric+"{")
		}
		for name, want := range map[string]string{
			name: chain(now), "exported.yaml instance_pod:" + metric + ":max": chain(moved), "recording.yaml pod:" + metric + ":last3m": chain(bridged),
		} {
			if recorded[name] != want {
				t.Errorf("%s is\n%s\nand not, as of every other signal,\n%s", name, recorded[name], want)
			}
		}
		whole := regexp.MustCompile(`^(?:sum|count|avg|quantile) by \(namespace, workload_kind, workload\) \( (?:0, )?` + regexp.QuoteMeta(chain(together)) + ` \)(?: >= 0)?$`)
		for name, expr := range recorded {
			if !strings.HasPrefix(name, "recording.yaml workload:"+metric+":") || strings.HasSuffix(name, ":avg") && recorded["recording.yaml workload:"+metric+":sum"] != "" {
				continue
			}
			workloads++
			if !whole.MatchString(expr) {
				t.Errorf("%s is\n%s\nand not one number of\n%s", name, expr, chain(together))
			}
			// A count is of pods, whatever their numbers.
			if !strings.HasSuffix(expr, ">= 0") && !strings.HasSuffix(name, ":count") {
				t.Errorf("%s may be no number", name)
			}
		}
	}
	if signals == 0 || workloads <= signals {
		t.Errorf("%d signals of pods make %d of workloads", signals, workloads)
	}
}
