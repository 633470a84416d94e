package prometheus

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"gpusignal/test/e2e/programs"
)

// span is how long the load is measured; 0 measures nothing. The figures of docs/performance.md are of 20 minutes.
var span = flag.Duration("span", 0, "how long to measure")

// gpu is one GPU of the stub: its load, and over which time the driver averages utilisation.
type gpu struct {
	name   string
	window time.Duration
	load   *schedule
}

// TestTruth compares the utilisation of each minute, as Prometheus works it out, with the load's own: by the counter, and by a gauge
// of the newest reading, collected each 30 s and each second, as other exporters publish it.
func TestTruth(t *testing.T) {
	if *span == 0 {
		t.Skip("it takes minutes: go test ./prometheus -run TestTruth -span 20m")
	}
	begin := monotonic()
	gpus := load(begin, begin+span.Seconds()+300)
	page := startDaemon(t, gpus)
	server := startPrometheus(t, jobs(page))
	t.Logf("measuring for %v", *span)
	time.Sleep(*span)

	out := tabwriter.NewWriter(t.Output(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(out, "driver's window\tload\tcounter, rate(1m)\tspan of the scrapes\tbusy ÷ observed, span of the bookings\tgauge each 30 s\tgauge each 1 s\tminutes")
	for i, g := range gpus {
		uuid := fmt.Sprintf("GPU-00000000-0000-0000-0000-%012d", i)
		var rate, covered, booked, slow, fast rms
		for at := time.Now().Add(-*span + 90*time.Second); at.Before(time.Now().Add(-5 * time.Second)); at = at.Add(15 * time.Second) {
			truth := g.load.mean(sinceBoot(at)-60, sinceBoot(at))
			rate.add(value(t, server.ask(t, fmt.Sprintf(`rate(gpusignal_device_busy_seconds_total{gpu_uuid=%q}[1m])`, uuid), at)), truth)
			slow.add(value(t, server.ask(t, fmt.Sprintf(`avg_over_time(DCGM_FI_DEV_GPU_UTIL{UUID=%q,job="each-30s"}[1m]) / 100`, uuid), at)), truth)
			fast.add(value(t, server.ask(t, fmt.Sprintf(`avg_over_time(DCGM_FI_DEV_GPU_UTIL{UUID=%q,job="each-1s"}[1m]) / 100`, uuid), at)), truth)
			spanOf := func(name string) (first, last Point) {
				values := server.ask(t, fmt.Sprintf(`gpusignal_device_%s{gpu_uuid=%q}[1m]`, name, uuid), at)[0].Values
				return values[0], values[len(values)-1]
			}
			first, last := spanOf("busy_seconds_total")
			covered.add((last.Value-first.Value)/last.At.Sub(first.At).Seconds(), g.load.mean(sinceBoot(first.At), sinceBoot(last.At)))
			// What is in the counters ends where the last booking did.
			observedFirst, observedLast := spanOf("observed_seconds_total")
			ageFirst, ageLast := spanOf("booking_age_seconds")
			booked.add((last.Value-first.Value)/(observedLast.Value-observedFirst.Value),
				g.load.mean(sinceBoot(first.At)-ageFirst.Value, sinceBoot(last.At)-ageLast.Value))
		}
		fmt.Fprintf(out, "%v\t%s\t%.2f\t%.2f\t%.2f\t%.1f\t%.1f\t%d\n", g.window, g.name, rate.value(), covered.value(), booked.value(), slow.value(), fast.value(), rate.n)
	}
	_ = out.Flush()
}

// value of the one series of an answer.
func value(t *testing.T, answer []Series) float64 {
	t.Helper()
	if len(answer) != 1 {
		t.Fatalf("%d series answered, want one", len(answer))
	}
	return answer[0].Value.Value
}

// jobs scrape the counter as a user would, and a gauge of the newest reading as other exporters collect it.
func jobs(page string) string {
	job := func(name, interval, metric string) string {
		return fmt.Sprintf(`  - job_name: %s
    scrape_interval: %[2]s
    scrape_timeout: 1s
    static_configs: [{targets: [%[3]q]}]
    metric_relabel_configs: [{source_labels: [__name__], regex: %[4]s, action: keep}]
`, name, interval, page, metric)
	}
	return "scrape_configs:\n" + job("gpusignal", "15s", "gpusignal_device_(busy_seconds_total|observed_seconds_total|booking_age_seconds)") +
		job("each-30s", "30s", "DCGM_FI_DEV_GPU_UTIL") + job("each-1s", "1s", "DCGM_FI_DEV_GPU_UTIL")
}

// load of eight GPUs: four duties at each of two windows, from one time to another.
func load(from, to float64) []gpu {
	var gpus []gpu
	for _, window := range []time.Duration{167 * time.Millisecond, time.Second} {
		for i, duty := range []func(float64) float64{
			func(float64) float64 { return 0.3 }, func(float64) float64 { return 0.5 }, func(float64) float64 { return 0.7 },
			func(t float64) float64 { return 0.5 + 0.2*math.Sin(2*math.Pi*t/600) },
		} {
			r := rand.New(rand.NewPCG(uint64(window), uint64(i)))
			gpus = append(gpus, gpu{[]string{"duty 30", "duty 50", "duty 70", "30 to 70"}[i], window, newSchedule(r, from, to, duty)})
		}
	}
	return gpus
}

// rms is a root mean square error in percentage points.
type rms struct {
	sum float64
	n   int
}

func (r *rms) add(got, want float64) {
	r.sum += (got - want) * (got - want)
	r.n++
}

func (r *rms) value() float64 { return 100 * math.Sqrt(r.sum/float64(r.n)) }

// monotonic is the clock that the stub's schedule is by.
func monotonic() float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return float64(t.Sec) + float64(t.Nsec)/1e9
}

// sinceBoot is an instant by that clock.
func sinceBoot(at time.Time) float64 { return monotonic() - time.Since(at).Seconds() }

// startDaemon starts the daemon on the stub and returns the address of its page.
func startDaemon(t *testing.T, gpus []gpu) string {
	t.Helper()
	if _, err := os.Stat(daemon); err != nil {
		t.Fatalf("the daemon is not built: %v; run: make build", err)
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	library, err := programs.Stub(root, dir)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{fmt.Sprint("devices ", len(gpus))}
	for i, g := range gpus {
		path := filepath.Join(dir, fmt.Sprint("load-", i))
		write(t, path, g.load.String())
		lines = append(lines, fmt.Sprintf("gpu.%d.uuid GPU-00000000-0000-0000-0000-%012d", i, i),
			fmt.Sprintf("gpu.%d.bursts %s", i, path), fmt.Sprintf("gpu.%d.window_ms %v", i, g.window.Milliseconds()))
	}
	write(t, script, strings.Join(lines, "\n")+"\n")
	page := freeAddress(t)
	start(t, []string{"GPUSIGNAL_STUB_SCRIPT=" + script}, daemon, "--web.listen-address="+page, "--nvml.library="+library, "--collector.dcgm",
		"--kubelet.pod-resources-socket="+dir+"/none", "--kubernetes.pods=off", "--log.level=error")
	return page
}
