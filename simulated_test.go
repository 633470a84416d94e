package main

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOnTheSimulatedNode runs the whole daemon on a simulated node and holds what its counters rose by between two pages
// against the simulation's own log of what happened.
func TestOnTheSimulatedNode(t *testing.T) {
	truthFile := filepath.Join(t.TempDir(), "truth.log")
	address, stop := startSimulated(t, "--simulate.log="+truthFile, "--signal.window=4s", "--engine.interval=500ms")
	first := pageAt(t, address, "gpusignal_requests_per_second")
	time.Sleep(8 * time.Second) // the counters rise
	second := pageAt(t, address, "gpusignal_requests_per_second")
	stop()
	truth := readTruth(t, truthFile)

	var rose, happened float64
	for _, m := range second.families["gpusignal_device_busy_seconds_total"].GetMetric() {
		gpu := label(m.GetLabel(), "gpu_uuid")
		from, to := first.cut("gpusignal_device_booking_age_seconds", "gpu_uuid", gpu), second.cut("gpusignal_device_booking_age_seconds", "gpu_uuid", gpu)
		before, _ := first.families.value("gpusignal_device_busy_seconds_total", "gpu_uuid", gpu)
		rise, busy := m.GetCounter().GetValue()-before, truth.busy(gpu, from.Add(-ringAge), to.Add(-ringAge))
		seen := second.families.sum("gpusignal_device_observed_seconds_total", "gpu_uuid", gpu) -
			first.families.sum("gpusignal_device_observed_seconds_total", "gpu_uuid", gpu)
		t.Logf("gpu %s: counter +%.3f s, log %.3f s; observed %.3f s of %.3f s", gpu, rise, busy, seen, to.Sub(from).Seconds())
		rose, happened = rose+rise, happened+busy
	}
	if happened == 0 || math.Abs(rose-happened) > 0.02*happened {
		t.Errorf("busy seconds rose by %.3f, the log says %.3f", rose, happened)
	}

	compared := 0
	for _, m := range second.families["gpusignal_exporter_endpoint_age_seconds"].GetMetric() {
		pod, engine := label(m.GetLabel(), "pod"), label(m.GetLabel(), "engine")
		if _, there := first.families.value("gpusignal_exporter_endpoint_age_seconds", "pod", pod); !there {
			continue
		}
		from, to := first.cut("gpusignal_exporter_endpoint_age_seconds", "pod", pod), second.cut("gpusignal_exporter_endpoint_age_seconds", "pod", pod)
		requests := second.families.sum("gpusignal_engine_requests_total", "pod", pod, "outcome", "success") -
			first.families.sum("gpusignal_engine_requests_total", "pod", pod, "outcome", "success")
		wantRequests, wantTokens := truth.work(pod, from, to)
		if requests != wantRequests {
			t.Errorf("%s: requests rose by %v, the log says %v", pod, requests, wantRequests)
		}
		if engine == "vllm" {
			tokens := second.families.sum("gpusignal_engine_tokens_total", "pod", pod, "kind", "generation") -
				first.families.sum("gpusignal_engine_tokens_total", "pod", pod, "kind", "generation")
			if tokens != wantTokens {
				t.Errorf("%s: generation tokens rose by %v, the log says %v", pod, tokens, wantTokens)
			}
		}
		t.Logf("%s (%s): %v requests, %v tokens", pod, engine, requests, wantTokens)
		compared++
	}
	if compared < 4 {
		t.Errorf("only %d servers were compared", compared)
	}
}

// TestCollectors holds that the flags add what they say: families of detail, and those of dcgm-exporter.
func TestCollectors(t *testing.T) {
	address, stop := startSimulated(t, "--signal.window=2s", "--engine.interval=500ms", "--collector.detail", "--collector.dcgm", "--collector.histogram")
	defer stop()
	page := pageWithin(t, time.Minute, address, "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gpusignal_requests_per_second").families
	for name, want := range map[string]int{
		"DCGM_FI_DEV_GPU_UTIL": 8, "DCGM_FI_DEV_XID_ERRORS": 8, "gpusignal_device_performance_state": 8,
		"gpusignal_device_active_seconds_total": 64, "gpusignal_device_clock_hertz": 32,
	} {
		if n := page.count(name); n != want {
			t.Errorf("%d series of %s, want %d", n, name, want)
		}
	}
	for name, buckets := range map[string]int{"gpusignal_device_utilization_sample_ratio": 12, "gpusignal_engine_time_to_first_token_seconds": 10} {
		if series := page[name].GetMetric(); len(series) == 0 || len(series[0].GetHistogram().GetBucket()) < buckets {
			t.Errorf("%s has too few buckets: %v", name, series)
		}
	}
	if n := page.count("DCGM_FI_DEV_GPU_UTIL", "namespace", "chat", "container", "vllm"); n != 3 {
		t.Errorf("%d GPUs of the namespace chat, want 3", n)
	}
	if page.count("gpusignal_exporter_driver_call_seconds", "call", "ring") != 1 {
		t.Error("nothing is told of the calls that read the ring")
	}
}

// ringAge is how old the newest sample of the driver's ring is, in the mean: half of a sample period and of a renewal.
const ringAge = (time.Second/6 + 100*time.Millisecond) / 2

// TestSimulatedPage holds what a person would look for on the page of a simulated node.
func TestSimulatedPage(t *testing.T) {
	address, stop := startSimulated(t, "--signal.window=2s", "--engine.interval=500ms")
	defer stop()
	page := pageAt(t, address, "gpusignal_requests_per_second", "gpusignal_gpu_utilization_ratio", "gpusignal_saturation_ratio").families
	if n := len(page["gpusignal_device_up"].GetMetric()); n != 8 {
		t.Errorf("%d devices, want 8", n)
	}
	if n := page.sum("gpusignal_exporter_unmapped_devices", "reason", "unclaimed"); n != 1 {
		t.Errorf("%v devices without a pod, want 1", n)
	}
	if n := len(page["gpusignal_container_gpu_busy_seconds_total"].GetMetric()); n != 7 {
		t.Errorf("%d shares of a device, want 7", n)
	}
	if loading := page.sum("gpusignal_pod_state", "state", "loading"); loading != 1 {
		t.Errorf("%v pods are loading, want 1", loading)
	}
	for _, source := range []string{"nvml", "kubelet", "pods", "engine"} {
		if up, ok := page.value("gpusignal_exporter_source_up", "source", source); !ok || up != 1 {
			t.Errorf("source %s: up is %v (there: %v)", source, up, ok)
		}
	}
	for _, m := range page["gpusignal_saturation_ratio"].GetMetric() {
		if kind := label(m.GetLabel(), "workload_kind"); kind != "Deployment" {
			t.Errorf("a saturation of kind %q: %v", kind, m)
		}
	}
	for name, family := range page {
		for _, m := range family.GetMetric() {
			if v := m.GetGauge().GetValue() + m.GetCounter().GetValue(); strings.HasPrefix(name, "gpusignal_") && (math.IsNaN(v) || math.IsInf(v, 0)) {
				t.Errorf("%s is %v", name, v)
			}
		}
	}
	testCounters(t, page)
	signals := get(t, address, "/signals")
	if !strings.Contains(signals, "gpusignal_gpu_utilization_ratio") || strings.Contains(signals, "gpusignal_device_") {
		t.Error("/signals does not hold the signals alone")
	}
	for _, path := range []string{"/", "/-/healthy", "/-/ready", "/api/v1/node"} {
		get(t, address, path)
	}
}

// testCounters holds what the simulated H100s tell beside utilisation, and that the whole page keeps within its budget.
func testCounters(t *testing.T, page families) {
	t.Helper()
	for name, pairs := range map[string][]string{
		"gpusignal_device_active_seconds_total":            {"unit", "tensor"},
		"gpusignal_device_activity_observed_seconds_total": nil,
		"gpusignal_device_pcie_receive_bytes_total":        nil,
		"gpusignal_device_throttled_seconds_total":         {"reason", "power"},
		"gpusignal_device_clock_hertz":                     {"clock", "sm"},
		"gpusignal_device_ecc_errors_total":                {"severity", "uncorrected"},
		"gpusignal_device_capability":                      {"feature", "fan"},
		"gpusignal_device_read_slowdown_ratio":             nil,
	} {
		if n := page.count(name, pairs...); n != 8 {
			t.Errorf("%d series of %s %v, want 8", n, name, pairs)
		}
	}
	total := 0
	for _, family := range page {
		for _, m := range family.GetMetric() {
			total++
			if summary := m.GetSummary(); summary != nil {
				total += 1 + len(summary.GetQuantile())
			}
		}
	}
	t.Logf("%d series", total)
	if total > 850 {
		t.Errorf("%d series at defaults, want at most 850", total)
	}
}

// startSimulated runs a daemon on a simulated node until stop is called, which fails the test if it ended badly.
func startSimulated(t *testing.T, args ...string) (address string, stop func()) {
	t.Helper()
	var out, said lockedBuffer
	opts, _, err := parseFlags(append([]string{"--simulate"}, args...), &out, &said)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(opts, newLogger(&said, "info", "logfmt"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.serveOn(ctx, []net.Listener{l}) }()
	return l.Addr().String(), func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the daemon ended with %v; it said:\n%s", err, said.String())
		}
	}
}

// scrape is a page and when it was made.
type scrape struct {
	at       time.Time
	families families
}

// cut is the instant that an age on the page points at.
func (s scrape) cut(family string, pairs ...string) time.Time {
	age, _ := s.families.value(family, pairs...)
	return s.at.Add(-time.Duration(age * float64(time.Second)))
}

// sharp is how long a scrape may take whose instant is compared with the log.
const sharp = 50 * time.Millisecond

// pageAt reads /metrics once the named families are there, at an instant that is known well.
func pageAt(t *testing.T, address string, names ...string) scrape {
	t.Helper()
	return pageWithin(t, sharp, address, names...)
}

// pageWithin reads /metrics once the named families are there and the answer took no longer than given.
func pageWithin(t *testing.T, longest time.Duration, address string, names ...string) scrape {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		before := time.Now()
		body := get(t, address, "/metrics")
		took := time.Since(before)
		if took > longest {
			continue // made at an instant that is not known well enough
		}
		at := before.Add(took / 2)
		page := parsePage(t, strings.NewReader(body))
		if !slices.ContainsFunc(names, func(name string) bool { return page[name] == nil }) {
			return scrape{at, page}
		}
	}
	t.Fatalf("%v never came", names)
	return scrape{}
}

func get(t *testing.T, address, path string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v: %s", path, resp.Status, err, body)
	}
	return string(body)
}
