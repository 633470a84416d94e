//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
	"gpusignal/nvml/nvmltest"
)

// These tests need a library each, so the test binary starts itself again with the name of what to do and the library.
const (
	childEnv   = "GPUSIGNAL_NVML_CHILD"
	libraryEnv = "GPUSIGNAL_NVML_CHILD_LIBRARY"
	appearsEnv = "GPUSIGNAL_NVML_CHILD_FOLDER"
)

// TestChild is the child's side; in the parent it does nothing.
func TestChild(t *testing.T) {
	library := os.Getenv(libraryEnv)
	switch os.Getenv(childEnv) {
	case "":
		t.Skip("runs as a child of the other tests")
	case "read":
		childReads(library)
	case "ages":
		childAges(library)
	case "appears":
		childAppears(library)
	case "ungated":
		lib := gonvml.New(gonvml.WithLibraryPath(library))
		lib.Init()
		device, _ := lib.DeviceGetHandleByIndex(0)
		device.GetTotalEnergyConsumption()
		fmt.Println("child: alive")
	}
}

// childReads prints what a reading knows, and goes through the rest of a driver's life.
func childReads(library string) {
	d := New(Config{Library: library, Logger: slog.New(slog.DiscardHandler)})
	devices, err := d.Devices()
	if err != nil {
		_, _ = d.Devices()
		left := d.file != nil && d.has("nvmlShutdown") && d.lib.Shutdown() == gonvml.SUCCESS
		fmt.Printf("child: no driver %t, mismatch %t, left open %t: %v\n", errors.Is(err, node.ErrNoDriver),
			errors.Is(err, node.ErrDriverMismatch), left, err)
		return
	}
	r, err := d.Read(devices[0].ID, everything|node.WantStatus)
	if err != nil {
		fmt.Println("child: read:", err)
		return
	}
	known := ""
	for _, part := range []struct {
		name  string
		known bool
	}{
		{"memory", r.Memory.Known},
		{"reserved", r.Memory.Value.Reserved.Known},
		{"utilization", r.Utilization.Known},
		{"power", r.Power.Known},
		{"limit", r.PowerLimit.Known},
		{"energy", r.Energy.Known},
		{"temperature", r.Temperature.Known},
		{"memtemp", r.MemoryTemperature.Known},
		{"processes", r.Processes.Known},
		{"throttled", r.Counters.Throttled[node.ThrottlePower].Known},
		{"pcie", r.Counters.PCIeTx.Known},
		{"nvlink", r.Counters.NVLinkTx.Known},
		{"slowdown", r.Counters.Throttled[node.ThrottlePowerBrake].Known},
		{"ecc", r.Status.ECCCorrected.Known && r.Status.ECCUncorrected.Known},
		{"rows", r.Status.RemapFailed.Known},
		{"clocks", r.Status.SMClock.Known},
		{"state", r.Status.PerformanceState.Known},
		{"encoder", r.Status.Encoder.Known},
		{"jpeg", r.Status.JPEG.Known},
		{"link", r.Status.PCIeWidth.Known},
		{"fan", r.Status.Fan.Known},
		{"model", devices[0].Model != ""},
		{"pci", devices[0].PCIAddress != ""},
		{"driver", devices[0].Driver != ""},
	} {
		if part.known {
			known += " " + part.name
		}
	}
	events, err := d.Events(0)
	fmt.Printf("child: %d devices, events %v %v, close %v, known%s\n", len(devices), events, err, d.Close(), known)
}

// childAppears asks for devices before there is a library, and after it is there.
func childAppears(library string) {
	path := filepath.Join(os.Getenv(appearsEnv), filepath.Base(library))
	d := New(Config{Library: path, Logger: slog.New(slog.DiscardHandler)})
	var before []bool
	for range 3 {
		_, err := d.Devices()
		before = append(before, errors.Is(err, node.ErrNoDriver))
	}
	if err := os.Symlink(library, path); err != nil {
		fmt.Println("child:", err)
		return
	}
	devices, err := d.Devices()
	fmt.Printf("child: no driver %v, then %d devices, %v; close %v\n", before, len(devices), err, d.Close())
}

// child runs a scenario in a process of its own and returns what it printed, and its exit code.
func child(t *testing.T, scenario, library string, script ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), childEnv+"="+scenario, libraryEnv+"="+library,
		nvmltest.ScriptEnv+"="+nvmltest.Script(t, script...), "GORACE=atexit_sleep_ms=0")
	text, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "child: "); found {
			return strings.TrimSpace(rest), cmd.ProcessState.ExitCode()
		}
	}
	return strings.TrimSpace(string(text)), cmd.ProcessState.ExitCode()
}

// TestMissingFunctions: what an older library lacks is not known, the rest is, and the process lives.
func TestMissingFunctions(t *testing.T) {
	const prefix = "8 devices, events [] <nil>, close <nil>, known"
	all := []string{
		"memory", "reserved", "utilization", "power", "limit", "energy", "temperature", "memtemp", "processes",
		"throttled", "pcie", "nvlink", "slowdown", "ecc", "rows", "clocks", "state", "encoder", "jpeg", "link", "fan",
		"model", "pci", "driver",
	}
	for _, tc := range []struct {
		defines string
		unknown string
	}{
		{defines: ""},
		{defines: "NO_ENERGY"},
		{defines: "NO_ENERGY NO_FIELDS", unknown: "energy memtemp throttled pcie nvlink slowdown rows"},
		{defines: "NO_UTILIZATION", unknown: "utilization"},
		{defines: "NO_MEMORY_V2", unknown: "reserved"},
		{defines: "NO_MEMORY_V2 NO_MEMORY", unknown: "memory reserved"},
		{defines: "NO_FIELDS", unknown: "memtemp throttled pcie nvlink slowdown rows"},
		{defines: "NO_POWER"},
		{defines: "NO_FIELDS NO_POWER", unknown: "power memtemp throttled pcie nvlink slowdown rows"},
		{defines: "NO_FIELDS NO_STATUS", unknown: "ecc clocks state encoder jpeg link memtemp throttled pcie nvlink slowdown rows"},
		{defines: "NO_STATUS", unknown: "clocks state encoder jpeg link"},
		{defines: "NO_JPEG", unknown: "jpeg"},
		{defines: "NO_FAN", unknown: "fan"},
		{defines: "NO_FANS"},
		{defines: "NO_POWER_LIMIT", unknown: "limit"},
		{defines: "NO_TEMPERATURE"},
		{defines: "NO_TEMPERATURE NO_TEMPERATURE_V", unknown: "temperature"},
		{defines: "NO_PROCESSES", unknown: "processes"},
		{defines: "NO_EVENTS NO_MIG NO_SHUTDOWN NO_ERROR_STRING NO_MINOR"},
		{defines: "NO_NAME NO_PCI NO_DRIVER_VERSION", unknown: "model pci driver slowdown"},
	} {
		t.Run(tc.defines, func(t *testing.T) {
			want := prefix
			for _, part := range all {
				if !strings.Contains(" "+tc.unknown+" ", " "+part+" ") {
					want += " " + part
				}
			}
			got, code := child(t, "read", nvmltest.Build(t, strings.Fields(tc.defines)...), "gpu.0.fan 30")
			if diff := cmp.Diff(want, got); diff != "" || code != 0 {
				t.Errorf("exit code %d\n%s", code, diff)
			}
		})
	}
}

// TestUnusableLibrary: a library that cannot be used gives an error that names it and the way out.
func TestUnusableLibrary(t *testing.T) {
	text := filepath.Join(t.TempDir(), "libnvidia-ml.so.1")
	if err := os.WriteFile(text, []byte("no library\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, library, says string }{
		{"no such file", "/nonexistent/libnvidia-ml.so.1", "No such file"},
		{"no such name", "libgpusignal-nothing.so.1", "No such file"},
		{"not a library", text, "file too short"},
		{"another library", nvmltest.Build(t, "NO_INIT"), "nvmlInit_v2"},
		{"without devices", nvmltest.Build(t, "NO_COUNT"), "nvmlDeviceGetCount"},
		{"without handles", nvmltest.Build(t, "NO_HANDLE"), "nvmlDeviceGetHandleByIndex"},
		{"without ids", nvmltest.Build(t, "NO_UUID"), "nvmlDeviceGetUUID"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, code := child(t, "read", tc.library)
			for _, want := range []string{"no driver true, mismatch false, left open false", tc.library, tc.says, "--nvml.library"} {
				if !strings.Contains(got, want) {
					t.Errorf("%q does not say %q", got, want)
				}
			}
			if code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestUngatedCallEndsProcess shows why every function is looked up: without that the linker ends the process.
func TestUngatedCallEndsProcess(t *testing.T) {
	got, code := child(t, "ungated", nvmltest.Build(t, "NO_ENERGY"))
	if code != 127 || !strings.Contains(got, "undefined symbol: nvmlDeviceGetTotalEnergyConsumption") {
		t.Errorf("exit code %d: %s", code, got)
	}
	if got, code := child(t, "ungated", nvmltest.Build(t)); got != "alive" || code != 0 {
		t.Errorf("with the function: exit code %d: %s", code, got)
	}
}

// TestLibraryAppears: a driver that is installed later is used then.
func TestLibraryAppears(t *testing.T) {
	t.Setenv(appearsEnv, t.TempDir())
	got, code := child(t, "appears", nvmltest.Build(t))
	if want := "no driver [true true true], then 8 devices, <nil>; close <nil>"; got != want || code != 0 {
		t.Errorf("exit code %d: %q, want %q", code, got, want)
	}
}
