//go:build cgo && linux

package nvml

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
	"gpusignal/nvml/nvmltest"
)

// childAges prints what a GPU lacks after it has been asked for everything twice, what the library tells of it all the same, and
// goes through the rest of a driver's life.
func childAges(library string) {
	const all = everything | node.WantStatus | node.WantRing | node.WantActivity
	d := New(Config{Library: library, Logger: slog.New(slog.DiscardHandler)})
	devices, err := d.Devices()
	if err != nil {
		fmt.Println("child:", err)
		return
	}
	out := devices[0].Driver
	for _, device := range []node.Device{devices[0], devices[2]} {
		var r node.Reading
		for range 2 {
			if r, err = d.Read(device.ID, all); err != nil {
				fmt.Println("child: read:", err)
				return
			}
		}
		out += fmt.Sprintf("; %s memory %t reserved %t processes %d lacks", device.Label(), r.Memory.Known, r.Memory.Value.Reserved.Known,
			len(r.Processes.Value))
		for f := range node.Feature(node.FeatureCount) {
			if r.Lacks.Has(f) {
				out += " " + f.Label()
			}
		}
	}
	events, err := d.Events(0)
	fmt.Printf("child: %s; events %d %v; close %v\n", out, len(events), err, d.Close())
}

// TestAges: with the library of each driver in use everything starts, and what it lacks is told as lacking, and no more.
func TestAges(t *testing.T) {
	const (
		instance = " power power_limit energy temperature memory_temperature throttling pcie nvlink clocks fan performance_state" +
			" encoder decoder jpeg ofa ecc remapped_rows retired_pages pcie_link events"
		end = "; events 0 <nil>; close <nil>"
	)
	for _, tc := range []struct{ define, version, reserved, lacks, ofInstance string }{
		{"DRIVER_470", "470.256.02", "false", " activity jpeg ofa", " activity"},
		{"DRIVER_535", "535.230.02", "true", "", ""},
		{"DRIVER_550", "550.163.01", "true", "", ""},
		{"DRIVER_580", "580.95.05", "true", "", ""},
	} {
		t.Run(tc.define, func(t *testing.T) {
			want := fmt.Sprintf("%s; 0 memory true reserved %s processes 1 lacks%s retired_pages; 1:1 memory true reserved %s processes 0 lacks utilization ring%s%s%s",
				tc.version, tc.reserved, tc.lacks, tc.reserved, tc.ofInstance, instance, end)
			got, code := child(t, "ages", nvmltest.Build(t, tc.define), "devices 2", "gpu.0.process 5 6", "gpu.0.fan 30",
				"gpu.1.mig 0 1 0 1g.18gb 19 4")
			if diff := cmp.Diff(strings.Split(want, "; "), strings.Split(got, "; ")); diff != "" || code != 0 {
				t.Errorf("exit code %d\n%s", code, diff)
			}
		})
	}
}
