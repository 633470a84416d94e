package collector

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"gpusignal/node"
	"gpusignal/scaling"
)

// series returns the samples of a page, by name and labels.
func series(t *testing.T, s *node.Snapshot) map[string]string {
	t.Helper()
	return seriesOf(t, collectorOf(s))
}

func seriesOf(t *testing.T, c *Collector) map[string]string {
	t.Helper()
	families, err := c.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for line := range strings.Lines(encode(t, families)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		space := strings.LastIndexByte(line, ' ')
		if _, again := out[line[:space]]; again {
			t.Errorf("twice: %s", line[:space])
		}
		out[line[:space]] = strings.TrimSpace(line[space:])
	}
	return out
}

func expect(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
}

// replay is a collector for a registry, made of families.
type replay []*dto.MetricFamily

func (replay) Describe(chan<- *prometheus.Desc) {}

func (r replay) Collect(out chan<- prometheus.Metric) {
	for _, family := range r {
		for _, m := range family.Metric {
			var names, values []string
			for _, pair := range m.Label {
				names, values = append(names, pair.GetName()), append(values, pair.GetValue())
			}
			d := prometheus.NewDesc(family.GetName(), family.GetHelp(), names, nil)
			switch family.GetType() {
			case dto.MetricType_GAUGE:
				out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, m.GetGauge().GetValue(), values...)
			case dto.MetricType_COUNTER:
				out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, m.GetCounter().GetValue(), values...)
			case dto.MetricType_HISTOGRAM:
				of, buckets := m.GetHistogram(), map[float64]uint64{}
				for _, b := range of.Bucket {
					buckets[b.GetUpperBound()] = b.GetCumulativeCount()
				}
				out <- prometheus.MustNewConstHistogram(d, of.GetSampleCount(), of.GetSampleSum(), buckets, values...)
			default:
				out <- prometheus.MustNewConstSummary(d, m.GetSummary().GetSampleCount(), m.GetSummary().GetSampleSum(), nil, values...)
			}
		}
	}
}

// A pedantic registry that is given the same series checks everything our gatherer does not, and must agree to the letter.
func TestAgreesWithAPedanticRegistry(t *testing.T) {
	for name, cfg := range map[string]Config{"everything": {Detail: true, DCGM: true}, "histograms": {Histogram: true}} {
		t.Run(name, func(t *testing.T) { agreesWithAPedanticRegistry(t, collectorWith(full(), cfg)) })
	}
}

func agreesWithAPedanticRegistry(t *testing.T, c *Collector) {
	families, err := c.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(replay(families))
	checked, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	lines := func(text string) []string {
		l := strings.Split(text, "\n")
		slices.Sort(l)
		return l
	}
	if diff := cmp.Diff(lines(encode(t, checked)), lines(encode(t, families))); diff != "" {
		t.Errorf("registry and gatherer differ (-registry +ours):\n%s", diff)
	}
	if !slices.IsSortedFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) }) {
		t.Error("families are not sorted")
	}
}

func TestUseAddsUp(t *testing.T) {
	got := series(t, full())
	sum := func(prefix, device string) float64 {
		var total float64
		for name, value := range got {
			if strings.HasPrefix(name, prefix) && strings.Contains(name, device) {
				var v float64
				if _, err := fmt.Sscan(value, &v); err != nil {
					t.Fatal(err)
				}
				total += v
			}
		}
		return total
	}
	// GPU-0 also has an account of an earlier pod, 5 s busy, that the fixture's total leaves out.
	for device, extra := range map[string]float64{`gpu_uuid="GPU-0"`: 5, `gpu_uuid="GPU-1"`: 0, `gpu_uuid="MIG-1"`: 0} {
		whole := sum("gpusignal_device_busy_seconds_total", device)
		parts := sum("gpusignal_container_gpu_busy_seconds_total", device) + sum("gpusignal_device_unowned_busy_seconds_total", device)
		if whole+extra != parts {
			t.Errorf("%s: device %v, parts %v", device, whole, parts)
		}
	}
	expect(t, got, map[string]string{
		`gpusignal_container_gpu_busy_seconds_total{attribution="exclusive",container="server",gpu="0",gpu_uuid="GPU-0",namespace="chat",pod="llm-0"}`:   "80",
		`gpusignal_container_gpu_energy_joules_total{attribution="exclusive",container="server",gpu="0",gpu_uuid="GPU-0",namespace="chat",pod="llm-0"}`:  "32",
		`gpusignal_container_gpu_busy_seconds_total{attribution="process",container="server",gpu="1",gpu_uuid="GPU-1",namespace="vision",pod="batch-x"}`: "30",
		`gpusignal_container_gpu_claims{container="server",gpu="1",gpu_uuid="GPU-1",namespace="vision",pod="batch-x"}`:                                   "3",
		`gpusignal_container_gpu_memory_used_bytes{container="server",gpu="3:1",gpu_uuid="MIG-1",namespace="chat",pod="llm-1"}`:                          "9.663676416e+10",
		`gpusignal_device_up{gpu="2",gpu_uuid="GPU-2"}`:                 "0",
		`gpusignal_device_power_watts{gpu="2",gpu_uuid="GPU-2"}`:        "",
		`gpusignal_device_busy_seconds_total{gpu="2",gpu_uuid="GPU-2"}`: "100",
	})
}

func TestServersOfOneLabelSetAreSummed(t *testing.T) {
	s := full()
	second := tokenServer(podID("chat", "llm-0"))
	second.URL, second.At, second.Took = "http://10.0.0.7:8001/metrics", ago(9*time.Second), time.Millisecond
	second.Models[0].KVCache = gaugeAt(0.9)
	second.Models[0].Requests = map[string]node.Counter{"success": counterAt(100), "cancelled": counterAt(7)}
	s.Servers = append(s.Servers, second)
	const labels = `engine="vllm",model="meta-llama/Llama-4",namespace="chat",pod="llm-0"`
	expect(t, series(t, s), map[string]string{
		`gpusignal_engine_requests_running{` + labels + `}`:                                                                          "24",
		`gpusignal_engine_kv_cache_usage_ratio{` + labels + `}`:                                                                      "0.9",
		`gpusignal_engine_tokens_total{engine="vllm",kind="prompt",` + labels[len(`engine="vllm",`):] + `}`:                          "100000",
		`gpusignal_engine_queue_time_seconds_sum{` + labels + `}`:                                                                    "180",
		`gpusignal_engine_queue_time_seconds_count{` + labels + `}`:                                                                  "1800",
		`gpusignal_exporter_endpoint_age_seconds{engine="vllm",namespace="chat",pod="llm-0"}`:                                        "9",
		`gpusignal_exporter_endpoint_duration_seconds{engine="vllm",namespace="chat",pod="llm-0"}`:                                   "0.004",
		`gpusignal_exporter_endpoints{reason="ok"}`:                                                                                  "3",
		`gpusignal_exporter_endpoints{reason="refused"}`:                                                                             "1",
		`gpusignal_engine_requests_total{engine="vllm",model="meta-llama/Llama-4",namespace="chat",outcome="success",pod="llm-0"}`:   "1000",
		`gpusignal_engine_requests_total{engine="vllm",model="meta-llama/Llama-4",namespace="chat",outcome="cancelled",pod="llm-0"}`: "7",
	})
}

// Each endpoint says whether it is up; of several with one label set, the least counts.
func TestEndpoints(t *testing.T) {
	s := full()
	second := tokenServer(podID("chat", "llm-0"))
	second.URL, second.Fault, second.Pages, second.Failures = "http://10.0.0.7:8001/metrics", "timeout", 200, 30
	never := node.Server{Pod: podID("chat", "new"), Announced: "triton", Fault: "refused", Failures: 7}
	second.Slowed = 5
	asked := node.Server{Pod: podID("batch", "train-0"), Fault: "no_page", Quiet: true}
	s.Servers = append(s.Servers, second, never, asked)
	got := series(t, s)
	for name := range got {
		if strings.HasPrefix(name, "gpusignal_exporter_endpoint_") && strings.Contains(name, "train-0") {
			t.Errorf("%s of a pod that nothing calls a model server", name)
		}
	}
	expect(t, got, map[string]string{
		`gpusignal_exporter_endpoints{reason="no_page"}`:                                               "1",
		`gpusignal_exporter_endpoints_slowed`:                                                          "1",
		`gpusignal_exporter_endpoint_up{engine="triton",namespace="vision",pod="resnet-7d9"}`:          "1",
		`gpusignal_exporter_endpoint_up{engine="vllm",namespace="chat",pod="llm-0"}`:                   "0",
		`gpusignal_exporter_endpoint_pages_total{engine="vllm",namespace="chat",pod="llm-0"}`:          "2000",
		`gpusignal_exporter_endpoint_failures_total{engine="vllm",namespace="chat",pod="llm-0"}`:       "30",
		`gpusignal_exporter_endpoint_up{engine="triton",namespace="chat",pod="new"}`:                   "0",
		`gpusignal_exporter_endpoint_pages_total{engine="triton",namespace="chat",pod="new"}`:          "0",
		`gpusignal_exporter_endpoint_failures_total{engine="triton",namespace="chat",pod="new"}`:       "7",
		`gpusignal_pod_state{namespace="chat",pod="new",state="loading",workload="",workload_kind=""}`: "1",
	})
}

func TestStates(t *testing.T) {
	got := series(t, full())
	const ready = `namespace="chat",pod="llm-0",state="%s",workload="llm",workload_kind="Deployment"}`
	want := make(map[string]string)
	for _, state := range scaling.States() {
		want["gpusignal_pod_state{"+fmt.Sprintf(ready, state)] = "0"
	}
	want["gpusignal_pod_state{"+fmt.Sprintf(ready, "ready")] = "1"
	want[`gpusignal_pod_state{namespace="chat",pod="llm-1",state="loading",workload="llm",workload_kind="Deployment"}`] = "1"
	want[`gpusignal_pod_state{namespace="vision",pod="leaving",state="draining",workload="",workload_kind=""}`] = "1"
	want[`gpusignal_pod_state{namespace="vision",pod="leaving",state="ready",workload="",workload_kind=""}`] = ""
	want[`gpusignal_pod_state{namespace="vision",pod="batch-x",state="ready",workload="",workload_kind=""}`] = ""
	expect(t, got, want)
}

func TestNoUIDLeaves(t *testing.T) {
	for name := range series(t, full()) {
		if strings.Contains(name, "uid-") {
			t.Errorf("a UID in %s", name)
		}
	}
}

func TestSignalsAreFewAndOnlySignals(t *testing.T) {
	s := full()
	families, err := collectorOf(s).Signals().Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := series(t, s)
	perPod := make(map[string]int)
	for _, family := range families {
		for _, m := range family.Metric {
			names := make(map[string]string)
			for _, pair := range m.Label {
				names[pair.GetName()] = pair.GetValue()
			}
			for _, name := range []string{"namespace", "pod", "workload_kind", "workload"} {
				if _, ok := names[name]; !ok {
					t.Errorf("%s has no label %s", family.GetName(), name)
				}
			}
			perPod[names["namespace"]+"/"+names["pod"]]++
		}
	}
	for line := range strings.Lines(encode(t, families)) {
		if name, _, _ := strings.Cut(line, "} "); !strings.HasPrefix(line, "#") && all[name+"}"] == "" {
			t.Errorf("not on the whole page: %s", line)
		}
	}
	if n := perPod["chat/llm-0"]; n < 20 || n > 34 {
		t.Errorf("%d series of a pod that tells nearly everything, want at most 34: %v", n, perPod)
	}
}

func TestAPageStaysAsItWas(t *testing.T) {
	s := full()
	c := New(Config{Snapshot: func() *node.Snapshot { return s }, Targets: func() scaling.Targets { return scaling.Targets{} }})
	first, _ := c.Metrics().Gather()
	before := encode(t, first)
	s = full()
	s.Devices, s.Accounts = s.Devices[1:], s.Accounts[:1]
	s.Devices[0].Utilization = node.Some(0.01)
	if _, err := c.Metrics().Gather(); err != nil {
		t.Fatal(err)
	}
	if after := encode(t, first); after != before {
		t.Errorf("a later scrape changed an earlier one:\n%s", cmp.Diff(before, after))
	}
	kept := len(c.metrics.labels.sets)
	for _, set := range c.metrics.labels.sets {
		kept += len(set.children)
	}
	if used := c.metrics.labels.used; used != kept || kept != c.metrics.labels.kept {
		t.Errorf("%d label sets kept, %d counted, %d in use", kept, c.metrics.labels.kept, used)
	}
}

func TestManyScrapers(t *testing.T) {
	c := collectorOf(full())
	want, _ := c.Metrics().Gather()
	text := encode(t, want)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				families, _ := c.Metrics().Gather()
				if got := encode(t, families); got != text {
					t.Error("pages differ")
				}
				if _, err := c.Signals().Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// Whatever the sources say, the page is one that a registry would let through.
func TestAnySnapshotGivesAConsistentPage(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	current := full()
	c := New(Config{Snapshot: func() *node.Snapshot { return current }, Targets: func() scaling.Targets { return scaling.Targets{} }, Detail: true, DCGM: true, Histogram: true})
	for range 300 {
		current = shaken(r)
		families, err := prometheus.Gatherers{c.Metrics()}.Gather()
		if err != nil {
			t.Fatalf("%v\n%+v", err, current)
		}
		for _, family := range families {
			for _, m := range family.Metric {
				v := m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetSummary().GetSampleSum() + m.GetHistogram().GetSampleSum()
				checkBuckets(t, family.GetName(), m.GetHistogram())
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%s is %v", family.GetName(), m)
				}
			}
		}
	}
}

// checkBuckets holds that bounds and counts ascend, and end at the count of all.
func checkBuckets(t *testing.T, name string, of *dto.Histogram) {
	t.Helper()
	last, bound := uint64(0), math.Inf(-1)
	for _, b := range of.GetBucket() {
		if b.GetCumulativeCount() < last || b.GetCumulativeCount() > of.GetSampleCount() || b.GetUpperBound() <= bound {
			t.Fatalf("%s: %v", name, of)
		}
		last, bound = b.GetCumulativeCount(), b.GetUpperBound()
	}
}

// The buckets of servers of one label set are added up where they have the same bounds; else the sum and the count alone are told.
func TestBucketsAreSummed(t *testing.T) {
	const name = `gpusignal_engine_queue_time_seconds_bucket{engine="vllm",model="meta-llama/Llama-4",namespace="chat",pod="llm-0",le="0.1"}`
	for what, test := range map[string]struct {
		second node.Opt[node.Latency]
		want   string
	}{
		"the same bounds": {latencyAt(90, 900), "900"},
		"other bounds":    {latencyAt(90, 300), ""},
		"no buckets":      {node.Some(node.Latency{Sum: counterAt(90), Count: counterAt(900)}), ""},
		"not told":        {node.Opt[node.Latency]{}, "450"},
	} {
		t.Run(what, func(t *testing.T) {
			for _, swap := range []bool{false, true} {
				s := full()
				first, second := s.Servers[0], tokenServer(podID("chat", "llm-0"))
				second.Models[0].Queue = test.second
				s.Servers = []node.Server{first, second}
				if swap {
					s.Servers = []node.Server{second, first}
				}
				expect(t, seriesOf(t, collectorWith(s, Config{Histogram: true})), map[string]string{name: test.want})
			}
		})
	}
}

// shaken is the full snapshot with parts repeated, left out and spoilt.
func shaken(r *rand.Rand) *node.Snapshot {
	s := full()
	odd := func() float64 {
		return []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, math.MaxFloat64}[r.IntN(6)]
	}
	s.Devices = some(r, s.Devices)
	s.Totals, s.Accounts, s.Claims, s.Unmapped = some(r, s.Totals), some(r, s.Accounts), some(r, s.Claims), some(r, s.Unmapped)
	s.Pods, s.Servers, s.Health = some(r, s.Pods), some(r, s.Servers), some(r, s.Health)
	for i := range s.Devices {
		if r.IntN(2) == 0 {
			s.Devices[i].Utilization, s.Devices[i].Last.Power = node.Some(odd()), node.Some(odd())
			s.Devices[i].Activity[node.UnitSM], s.Devices[i].Last.Status.SMClock, s.Devices[i].Slowed = node.Some(odd()), node.Some(odd()), odd()
			s.Devices[i].Last.Activity.Value.Span, s.Devices[i].Lacks = time.Duration(r.IntN(2)), node.Features(r.Uint64())
			s.Devices[i].Device.Model = "bad \xff\xfe name \"\n"
		}
	}
	for i := range s.Servers {
		server := &s.Servers[i]
		server.Models = some(r, server.Models)
		for j := range server.Models {
			m := &server.Models[j]
			m.Name += []string{"", "\xff", "\xfe"}[r.IntN(3)]
			m.Running, m.Queue = gaugeAt(odd()), latencyAt(odd(), odd())
			m.Requests = map[string]node.Counter{"success": {Total: odd(), Increase: odd()}, "\xff": {Total: 1}, "\xfe": {Total: 2}}
		}
	}
	return s
}

// some returns things of a list, each any number of times, in any order.
func some[T any](r *rand.Rand, from []T) []T {
	var out []T
	for range r.IntN(2*len(from) + 1) {
		if len(from) > 0 {
			out = append(out, from[r.IntN(len(from))])
		}
	}
	return out
}
