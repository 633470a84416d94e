package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"gpusignal/nvml/nvmltest"
)

// TestOnTheStubLibrary runs the whole daemon through go-nvml on a scripted library: what the script says has to be on the
// page.
func TestOnTheStubLibrary(t *testing.T) {
	lines := []string{"devices 8"}
	for i := range 8 {
		lines = append(lines,
			fmt.Sprintf("gpu.%d.utilization %d", i, 10*i),
			fmt.Sprintf("gpu.%d.memory.used %d", i, (i+1)<<30),
			fmt.Sprintf("gpu.%d.power %d", i, 100000+1000*i),
			fmt.Sprintf("gpu.%d.temperature %d", i, 40+i))
	}
	d := startDaemon(t, nvmltest.Build(t), nvmltest.Script(t, lines...), "--signal.window=2s", "--engine.interval=1s")
	page := d.pageWhen(t, func(p families) bool {
		return len(p["gpusignal_device_utilization_ratio"].GetMetric()) == 8
	})
	for i := range 8 {
		gpu := fmt.Sprint(i)
		for name, want := range map[string]float64{
			"gpusignal_device_utilization_ratio":   float64(i) / 10,
			"gpusignal_device_memory_used_bytes":   float64((i + 1) << 30),
			"gpusignal_device_power_watts":         100 + float64(i),
			"gpusignal_device_temperature_celsius": 40 + float64(i),
			"gpusignal_device_up":                  1,
		} {
			got, ok := page.value(name, "gpu", gpu)
			if diff := got - want; !ok || diff > 1e-9 || diff < -1e-9 {
				t.Errorf("%s{gpu=%q} = %v (there: %v), want %v", name, gpu, got, ok, want)
			}
		}
		busy, _ := page.value("gpusignal_device_busy_seconds_total", "gpu", gpu)
		observed, _ := page.value("gpusignal_device_observed_seconds_total", "gpu", gpu)
		unowned, _ := page.value("gpusignal_device_unowned_busy_seconds_total", "gpu", gpu)
		if want := observed * float64(i) / 10; observed <= 0 || busy < want-1e-6 || busy > want+1e-6 || unowned != busy {
			t.Errorf("gpu %d: busy %v of %v observed, unowned %v; want %v, all unowned", i, busy, observed, unowned, want)
		}
	}
	if up, _ := page.value("gpusignal_exporter_source_up", "source", "kubelet"); up != 0 {
		t.Errorf("the kubelet's socket is missing and its source is up")
	}
	if code := d.stop(t); code != exitOK {
		t.Errorf("after SIGTERM: exit code %d", code)
	}
}

func TestWithoutADriver(t *testing.T) {
	tests := []struct {
		name, library, script string
		want                  string
	}{
		{"no library", "/nonexistent/libnvidia-ml.so.1", "", "--nvml.library"},
		{"no driver", nvmltest.Build(t), nvmltest.Script(t, "init 9"), "driver"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := startDaemon(t, tt.library, tt.script)
			page := d.pageWhen(t, func(p families) bool {
				n, _ := p.value("gpusignal_exporter_source_failures_total", "source", "nvml")
				return n > 0
			})
			if up, ok := page.value("gpusignal_exporter_source_up", "source", "nvml"); !ok || up != 0 {
				t.Errorf("source_up of nvml is %v (there: %v), want 0", up, ok)
			}
			if code := d.stop(t); code != exitOK {
				t.Errorf("exit code %d", code)
			}
			if !strings.Contains(d.said.String(), tt.want) {
				t.Errorf("it said nothing of %q:\n%s", tt.want, d.said.String())
			}
		})
	}
}

func TestAMismatchEndsTheProcess(t *testing.T) {
	d := startDaemon(t, nvmltest.Build(t), nvmltest.Script(t, "init 18"))
	if code := d.wait(t); code != exitMismatch {
		t.Errorf("exit code %d, want %d", code, exitMismatch)
	}
	if said := d.said.String(); !strings.Contains(said, "do not match") {
		t.Errorf("it did not say why:\n%s", said)
	}
}

// child is a daemon in a process of its own.
type child struct {
	cmd     *exec.Cmd
	address string
	said    *lockedBuffer
}

// startDaemon starts the test binary as the daemon, on a library and its script, with no kubelet.
func startDaemon(t *testing.T, library, script string, args ...string) *child {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	args = append([]string{
		"--web.listen-address=" + address, "--nvml.library=" + library,
		"--kubelet.pod-resources-socket=" + filepath.Join(dir, "no.sock"), "--kubelet.pods-socket=" + filepath.Join(dir, "no-pods.sock"),
	}, args...)
	d := &child{cmd: exec.Command(os.Args[0], args...), address: address, said: &lockedBuffer{}}
	d.cmd.Env = append(os.Environ(), asMain+"=1", "GPUSIGNAL_STUB_SCRIPT="+script)
	d.cmd.Stdout, d.cmd.Stderr = d.said, d.said
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.cmd.Process.Kill() })
	return d
}

// pageWhen reads the daemon's page until it satisfies done.
func (d *child) pageWhen(t *testing.T, done func(families) bool) families {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		resp, err := client.Get("http://" + d.address + "/metrics")
		if err != nil {
			continue
		}
		page := parsePage(t, resp.Body)
		resp.Body.Close()
		if done(page) {
			return page
		}
	}
	t.Fatalf("the page never came to be as expected; the daemon said:\n%s", d.said.String())
	return nil
}

// stop asks the daemon to end and returns its exit code.
func (d *child) stop(t *testing.T) int {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return d.wait(t)
}

// wait returns the daemon's exit code once it has ended.
func (d *child) wait(t *testing.T) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	defer context.AfterFunc(ctx, func() { d.cmd.Process.Kill() })()
	d.cmd.Wait()
	return d.cmd.ProcessState.ExitCode()
}

// families are a parsed page.
type families map[string]*dto.MetricFamily

func parsePage(t *testing.T, r io.Reader) families {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	page, err := parser.TextToMetricFamilies(r)
	if err != nil {
		t.Fatalf("the page does not parse: %v", err)
	}
	return page
}

// value is that of the first series of a family that has the given label pairs.
func (f families) value(name string, pairs ...string) (float64, bool) {
	for _, m := range f[name].GetMetric() {
		if hasLabels(m, pairs) {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue(), true
		}
	}
	return 0, false
}

// sum adds up all series of a family that have the given label pairs.
func (f families) sum(name string, pairs ...string) (total float64) {
	for _, m := range f[name].GetMetric() {
		if hasLabels(m, pairs) {
			total += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return total
}

// count is how many series of a family have the given label pairs.
func (f families) count(name string, pairs ...string) (n int) {
	for _, m := range f[name].GetMetric() {
		if hasLabels(m, pairs) {
			n++
		}
	}
	return n
}

// label is the value of one label.
func label(pairs []*dto.LabelPair, name string) string {
	for _, l := range pairs {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func hasLabels(m *dto.Metric, pairs []string) bool {
	found := 0
	for i := 0; i < len(pairs); i += 2 {
		if label(m.GetLabel(), pairs[i]) == pairs[i+1] {
			found++
		}
	}
	return 2*found == len(pairs)
}

// lockedBuffer is a buffer that a process writes while a test reads.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
