package proof

import (
	"strings"
	"testing"
	"time"

	"gpusignal/nvml/cmd/hardware-check/load"
)

// sound is a run beside a server in which all is as it should be: ten seconds, a kernel of 400 ms in each, a ring of 100 ms.
func sound(t *testing.T) beside {
	t.Helper()
	b := beside{uuid: uuid, said: []string{"time=… level=info msg=listening"}}
	for i := range 11 {
		at := 50*second + time.Duration(i)*second
		b.pages = append(b.pages, on(t, at, map[string]float64{
			`gpusignal_device_booking_age_seconds{gpu_uuid="GPU-1"}`:                                     0,
			`gpusignal_device_observed_seconds_total{gpu_uuid="GPU-1"}`:                                  float64(i),
			`gpusignal_device_ring_samples_total{gpu_uuid="GPU-1"}`:                                      float64(10 * i),
			`gpusignal_device_up{gpu_uuid="GPU-1"}`:                                                      1,
			`gpusignal_device_driver_time_ratio{gpu_uuid="GPU-1"}`:                                       0.001,
			`gpusignal_exporter_source_failures_total{source="nvml"}`:                                    2,
			`gpusignal_container_gpu_busy_seconds_total{gpu_uuid="GPU-1",pod="server-0"}`:                0.4 * float64(i),
			`gpusignal_engine_requests_total{namespace="hardware-check",pod="server-0"}`:                 3,
			`gpusignal_engine_tokens_total{namespace="hardware-check",pod="server-0",kind="generation"}`: 30,
			`gpusignal_pod_state{namespace="hardware-check",pod="server-0",state="ready"}`:               1,
			`gpusignal_saturation_ratio{namespace="hardware-check",pod="server-0"}`:                      0.5,
			`process_resident_memory_bytes`:                                                              40 << 20,
			`process_cpu_seconds_total`:                                                                  1 + 0.005*float64(i),
		}))
		s := Sight{At: at}
		for k := range 10 {
			s.Samples = append(s.Samples, Sample{uint64(at/time.Microsecond) + uint64(k)*100_000, 40})
		}
		b.sights = append(b.sights, s)
		b.log = append(b.log, load.Line{What: load.Burst, From: at + second/2, To: at + second/2 + 400*msec})
	}
	for range 3 {
		b.log = append(b.log, load.Line{What: load.Request, To: 55 * second, Tokens: 10})
	}
	return b
}

// set changes a series on the pages from one on.
func (b beside) set(from int, name string, value func(before float64) float64) beside {
	for _, p := range b.pages[from:] {
		for i := range p.Series {
			if p.Series[i].Name == name {
				p.Series[i].Value = value(p.Series[i].Value)
			}
		}
	}
	return b
}

func TestBesideAServer(t *testing.T) {
	const (
		gaps    = "no gap in observed time"
		samples = "every sample of the driver's ring was counted"
		faults  = "no fault"
		server  = "the server's requests and tokens, by pod"
		use     = "the server's use of the GPU, by container"
		memory  = "its own memory"
		calls   = "the driver's calls take at most 0.5 % of wall time"
	)
	less := func(by float64) func(float64) float64 { return func(v float64) float64 { return v - by } }
	for _, tc := range []struct {
		name   string
		change func(beside) beside
		failed []string // names of checks
		reason string   // of the first of them
	}{
		{"sound", func(b beside) beside { return b }, nil, ""},
		{"a second is not observed", func(b beside) beside { return b.set(5, "gpusignal_device_observed_seconds_total", less(1)) }, []string{gaps}, "behind"},
		{"ten samples are lost", func(b beside) beside { return b.set(5, "gpusignal_device_ring_samples_total", less(10)) }, []string{samples}, "number of samples"},
		{"samples are counted twice", func(b beside) beside { return b.set(5, "gpusignal_device_ring_samples_total", less(-10)) }, []string{samples}, ""},
		{"the driver fails", func(b beside) beside { return b.set(4, "gpusignal_exporter_source_failures_total", less(-1)) }, []string{faults}, "source nvml failed 1 times"},
		{"the device is down on a page", func(b beside) beside { return b.set(10, "gpusignal_device_up", less(1)) }, []string{faults}, "down on 1 pages"},
		{"it ends by itself", func(b beside) beside { b.ended, b.code = true, 3; return b }, []string{faults}, "exit code is 3"},
		{"it tells of an error", func(b beside) beside { b.said = append(b.said, "level=error msg=boom"); return b }, []string{faults}, "boom"},
		{"a page cannot be read", func(b beside) beside { b.lost = 1; return b }, []string{faults}, "1 readings of the page"},
		{"a request is not counted", func(b beside) beside { return b.set(0, "gpusignal_engine_requests_total", less(1)) }, []string{server}, ""},
		{"tokens are not counted", func(b beside) beside { return b.set(0, "gpusignal_engine_tokens_total", less(1)) }, []string{server}, ""},
		{"the server is not ready", func(b beside) beside { return b.set(0, "gpusignal_pod_state", less(1)) }, []string{server}, ""},
		{"a tenth of the use is missing", func(b beside) beside {
			return b.set(0, "gpusignal_container_gpu_busy_seconds_total", func(v float64) float64 { return 0.9 * v })
		}, []string{use}, "points off"},
		{"too much memory", func(b beside) beside { return b.set(7, "process_resident_memory_bytes", less(-10<<20)) }, []string{memory}, "45 MiB"},
		{"calls take too long", func(b beside) beside { return b.set(7, "gpusignal_device_driver_time_ratio", less(-0.1)) }, []string{calls}, ""},
		{"one page only", func(b beside) beside { b.pages = b.pages[:1]; return b }, []string{"its page is read"}, "1 pages"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &run{report: &Report{}}
			r.judgeDaemon(tc.change(sound(t)))
			var failed []string
			for _, c := range r.report.Checks {
				if c.Status == Failed {
					failed = append(failed, c.Name)
					if len(failed) == 1 && !strings.Contains(c.Reason, tc.reason) {
						t.Errorf("reason %q, want %q", c.Reason, tc.reason)
					}
				}
			}
			if strings.Join(failed, "; ") != strings.Join(tc.failed, "; ") {
				t.Errorf("failed %q, want %q: %+v", failed, tc.failed, r.report.Checks)
			}
		})
	}
}

// TestHolesOfTheDriver: where the driver itself has no samples, the daemon cannot count any.
func TestHolesOfTheDriver(t *testing.T) {
	b := sound(t).set(5, "gpusignal_device_ring_samples_total", func(v float64) float64 { return v - 10 })
	b.sights[5].Samples = nil
	if c := b.samples(); c.Status != Passed || c.value("holes_of_the_driver") != 1 {
		t.Errorf("%+v", c)
	}
	b.sights = nil
	if c := b.samples(); c.Status != NotRun {
		t.Errorf("a driver without a ring: %+v", c)
	}
}
