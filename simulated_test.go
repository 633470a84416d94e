package main

import (
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOnTheSimulatedNode runs the whole daemon on a simulated node and holds what its counters rose by between two pages
// against the simulation's own log of what happened.
func TestOnTheSimulatedNode(t *testing.T) {
	truthFile := filepath.Join(t.TempDir(), "truth.log")
	d, _, stop := startSimulated(t, "--simulate.log="+truthFile, "--signal.window=4s", "--engine.interval=500ms")
	booked := func(page families) bool { // the processes of every shared GPU were read
		return page["gpusignal_requests_per_second"] != nil && page.count("gpusignal_device_booking_age_seconds") == 11
	}
	first := pageAt(t, d, booked)
	time.Sleep(12 * time.Second) // the counters rise
	second := pageAt(t, d, booked)
	stop()
	truth := readTruth(t, truthFile)

	compareDevices(t, first, second, truth)
	if n := compareContainers(t, first, second, truth, "exclusive"); n < 6 {
		t.Errorf("only %d containers with a device of their own were compared", n)
	}
	if n := compareContainers(t, first, second, truth, "process"); n != 5 {
		t.Errorf("%d containers on shared devices were compared, want 5", n)
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

// compareDevices holds what the devices were busy between two pages against the log.
func compareDevices(t *testing.T, first, second scrape, truth truthLog) {
	t.Helper()
	const name = "gpusignal_device_busy_seconds_total"
	var rose, happened float64
	for _, m := range second.families[name].GetMetric() {
		gpu := label(m.GetLabel(), "gpu_uuid")
		from, to := first.booked(gpu), second.booked(gpu)
		before, _ := first.families.value(name, "gpu_uuid", gpu)
		rise, busy := m.GetCounter().GetValue()-before, truth.busy(gpu, "", from, to)
		seen := second.families.sum("gpusignal_device_observed_seconds_total", "gpu_uuid", gpu) -
			first.families.sum("gpusignal_device_observed_seconds_total", "gpu_uuid", gpu)
		t.Logf("gpu %s: counter +%.3f s, log %.3f s; observed %.3f s of %.3f s", gpu, rise, busy, seen, to.Sub(from).Seconds())
		rose, happened = rose+rise, happened+busy
	}
	if happened == 0 || math.Abs(rose-happened) > 0.02*happened {
		t.Errorf("busy seconds rose by %.3f, the log says %.3f", rose, happened)
	}
}

// compareContainers holds what the containers whose use is attributed in one way caused against the log, and says how many.
func compareContainers(t *testing.T, first, second scrape, truth truthLog, attribution string) (compared int) {
	t.Helper()
	const name = "gpusignal_container_gpu_busy_seconds_total"
	for _, m := range second.families[name].GetMetric() {
		of := func(key string) string { return label(m.GetLabel(), key) }
		if of("attribution") != attribution {
			continue
		}
		gpu, pod, container := of("gpu_uuid"), of("pod"), of("container")
		before, _ := first.families.value(name, "gpu_uuid", gpu, "pod", pod, "container", container, "attribution", attribution)
		rise := m.GetCounter().GetValue() - before
		caused := truth.busy(gpu, of("namespace")+"/"+pod+"/"+container, first.booked(gpu), second.booked(gpu))
		t.Logf("%s/%s on gpu %s: counter +%.3f s, log %.3f s", pod, container, of("gpu"), rise, caused)
		// How old the newest sample of a ring is at a booking is known to a fifth of a second.
		if math.Abs(rise-caused) > 0.3+0.02*caused {
			t.Errorf("%s/%s: busy seconds by %s rose by %.3f, the log says %.3f", pod, container, attribution, rise, caused)
		}
		compared++
	}
	return compared
}

// TestCollectors holds that the flags add what they say: families of detail, and those of dcgm-exporter.
func TestCollectors(t *testing.T) {
	_, address, stop := startSimulated(t, "--simulate.node=plain", "--signal.window=2s", "--engine.interval=500ms", "--collector.detail", "--collector.dcgm", "--collector.histogram")
	defer stop()
	page := pageWith(t, address, "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gpusignal_requests_per_second")
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

// TestSharedPage holds what a person would look for on the page of a node whose GPUs are shared in every way.
func TestSharedPage(t *testing.T) {
	_, address, stop := startSimulated(t, "--signal.window=2s", "--engine.interval=500ms")
	defer stop()
	page := pageWith(t, address, "gpusignal_requests_per_second", "gpusignal_device_active_seconds_total")
	if loading, _ := page.value("gpusignal_pod_state", "workload", "summarize", "state", "loading"); loading != 1 {
		t.Error("summarize does not load its model")
	}
	deadline := time.Now().Add(time.Minute) // Windows get full, and processes of shared GPUs are read every five seconds.
	for _, want := range []struct {
		what  string
		n     int
		name  string
		pairs []string
	}{
		{"GPUs and MIG instances", 11, "gpusignal_device_up", nil},
		{"MIG instances", 1, "gpusignal_device_info", []string{"gpu", "2:2", "mig_profile", "3g.40gb"}},
		{"devices that kernels run on", 10, "gpusignal_device_busy_seconds_total", nil},
		{"utilisation of a divided board", 0, "gpusignal_device_utilization_ratio", []string{"gpu", "2"}},
		{"power of a divided board", 1, "gpusignal_device_power_watts", []string{"gpu", "2"}},
		{"boards with a power", 8, "gpusignal_device_power_watts", nil},
		{"activity of a MIG instance", 1, "gpusignal_device_active_seconds_total", []string{"gpu", "2:5", "unit", "sm"}},
		{"containers on a GPU that is sliced in time", 3, "gpusignal_container_gpu_busy_seconds_total", []string{"gpu", "1"}},
		{"containers of a pod that share a GPU", 2, "gpusignal_container_gpu_busy_seconds_total", []string{"gpu", "3", "namespace", "speech"}},
		{"containers on shared GPUs, by process", 5, "gpusignal_container_gpu_busy_seconds_total", []string{"attribution", "process"}},
		{"utilisation of the pod that holds a GPU twice", 1, "gpusignal_gpu_utilization_ratio", []string{"workload", "speech"}},
		{"utilisation of the pod that is idle on a shared GPU", 1, "gpusignal_gpu_utilization_ratio", []string{"workload", "notebook"}},
		{"a pod on a MIG instance", 1, "gpusignal_gpu_utilization_ratio", []string{"workload", "ocr"}},
		{"the pods of a group", 2, "gpusignal_gpu_utilization_ratio", []string{"workload_kind", "LeaderWorkerSet", "workload", "reason"}},
		{"the server of a group", 1, "gpusignal_requests_running", []string{"workload", "reason"}},
		{"the pod that trains", 1, "gpusignal_gpu_utilization_ratio", []string{"workload_kind", "Job"}},
		{"a server's state of a notebook", 0, "gpusignal_pod_state", []string{"workload", "notebook"}},
	} {
		for page.count(want.name, want.pairs...) != want.n && time.Now().Before(deadline) {
			time.Sleep(100 * time.Millisecond)
			page = pageWith(t, address)
		}
		if n := page.count(want.name, want.pairs...); n != want.n {
			t.Errorf("%s: %d series of %s %v, want %d", want.what, n, want.name, want.pairs, want.n)
		}
	}
	if n := page.sum("gpusignal_exporter_unmapped_devices", "reason", "unclaimed"); n != 2 {
		t.Errorf("%v devices without a pod, want 2", n)
	}
	if used := page.sum("gpusignal_gpu_utilization_ratio", "workload", "notebook"); used != 0 {
		t.Errorf("the idle notebook uses %v of its GPU", used)
	}
	if guests := page.sum("gpusignal_exporter_unclaimed_containers_total"); guests != 0 {
		t.Errorf("%v containers use a device without a claim", guests)
	}
	t.Logf("%d series", page.series())
}

// TestSimulatedPage holds what a person would look for on the page of a simulated node.
func TestSimulatedPage(t *testing.T) {
	_, address, stop := startSimulated(t, "--simulate.node=plain", "--signal.window=2s", "--engine.interval=500ms")
	defer stop()
	page := pageWith(t, address, "gpusignal_requests_per_second", "gpusignal_gpu_utilization_ratio", "gpusignal_saturation_ratio")
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
	for _, path := range []string{"/", "/-/healthy", "/api/v1/node"} {
		get(t, address, path)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		status, body := fetch(t, address, "/-/ready")
		if status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it was never ready: %s", body)
		}
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
	if total := page.series(); total > 850 {
		t.Errorf("%d series at defaults, want at most 850", total)
	} else {
		t.Logf("%d series", total)
	}
}
