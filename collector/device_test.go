package collector

import (
	"strings"
	"testing"
	"time"

	"gpusignal/node"
)

// What each of eight different GPUs says, and what it does not: no zero stands for what is not known.
func TestVarietyValues(t *testing.T) {
	got := seriesOf(t, collectorWith(variety(), Config{Detail: true}))
	expect(t, got, map[string]string{
		`gpusignal_device_activity_ratio{gpu="0",gpu_uuid="GPU-0",unit="tensor"}`:                 "0.3",
		`gpusignal_device_active_seconds_total{gpu="0",gpu_uuid="GPU-0",unit="dram"}`:             "400",
		`gpusignal_device_activity_ratio{gpu="1:1",gpu_uuid="MIG-a",unit="tensor"}`:               "", // an A100 has none
		`gpusignal_device_capability{feature="activity",gpu="1:1",gpu_uuid="MIG-a"}`:              "0",
		`gpusignal_device_capability{feature="power",gpu="1:1",gpu_uuid="MIG-a"}`:                 "", // the board's
		`gpusignal_device_capability{feature="activity",gpu="0",gpu_uuid="GPU-0"}`:                "", // it tells
		`gpusignal_device_power_watts{gpu="1:1",gpu_uuid="MIG-a"}`:                                "",
		`gpusignal_device_power_watts{gpu="1",gpu_uuid="GPU-1"}`:                                  "60.5",
		`gpusignal_device_utilization_ratio{gpu="1",gpu_uuid="GPU-1"}`:                            "",
		`gpusignal_device_memory_used_bytes{gpu="1:7",gpu_uuid="MIG-b"}`:                          "1.34217728e+09",
		`gpusignal_device_throttled_seconds_total{gpu="2",gpu_uuid="GPU-2",reason="thermal"}`:     "1.5",
		`gpusignal_device_throttled_seconds_total{gpu="2",gpu_uuid="GPU-2",reason="power_brake"}`: "",
		`gpusignal_device_memory_temperature_celsius{gpu="2",gpu_uuid="GPU-2"}`:                   "",
		`gpusignal_device_retired_pages{cause="double_bit",gpu="2",gpu_uuid="GPU-2"}`:             "1",
		`gpusignal_device_retired_pages_pending{gpu="2",gpu_uuid="GPU-2"}`:                        "1",
		`gpusignal_device_encoder_utilization_ratio{gpu="2",gpu_uuid="GPU-2"}`:                    "0.4",
		`gpusignal_device_pcie_link_width{gpu="2",gpu_uuid="GPU-2"}`:                              "8",
		`gpusignal_device_clock_hertz{clock="video",gpu="2",gpu_uuid="GPU-2"}`:                    "",
		`gpusignal_device_up{gpu="3",gpu_uuid="GPU-3"}`:                                           "0",
		`gpusignal_device_down{gpu="3",gpu_uuid="GPU-3",reason="lost"}`:                           "1",
		`gpusignal_device_xid_age_seconds{gpu="3",gpu_uuid="GPU-3",xid="79"}`:                     "60",
		`gpusignal_device_xid_errors_total{gpu="0",gpu_uuid="GPU-0",xid="31"}`:                    "2",
		`gpusignal_device_pcie_transmit_bytes_total{gpu="3",gpu_uuid="GPU-3"}`:                    "9e+09", // what it counted stays
		`gpusignal_device_temperature_celsius{gpu="3",gpu_uuid="GPU-3"}`:                          "",
		`gpusignal_device_read_slowdown_ratio{gpu="4",gpu_uuid="GPU-4"}`:                          "4",
		`gpusignal_device_driver_time_ratio{gpu="4",gpu_uuid="GPU-4"}`:                            "0.0048",
		`gpusignal_exporter_driver_call_max_seconds{call="memory"}`:                               "0.24",
		`gpusignal_exporter_driver_call_seconds_sum{call="memory"}`:                               "9",
		`gpusignal_exporter_driver_call_seconds_count{call="memory"}`:                             "600",
		`gpusignal_device_memory_total_bytes{gpu="5",gpu_uuid="GPU-5"}`:                           "",
		`gpusignal_device_capability{feature="memory",gpu="5",gpu_uuid="GPU-5"}`:                  "0",
		`gpusignal_device_events_total{gpu="5",gpu_uuid="GPU-5",kind="ecc_double_bit"}`:           "0", // with detail, from the start
		`gpusignal_device_events_total{gpu="6",gpu_uuid="GPU-6",kind="ecc_double_bit"}`:           "",  // it does not tell of events
		`gpusignal_device_power_watts{gpu="6",gpu_uuid="GPU-6"}`:                                  "",
		`gpusignal_device_memory_reserved_bytes{gpu="6",gpu_uuid="GPU-6"}`:                        "", // an old driver
		`gpusignal_device_memory_used_bytes{gpu="6",gpu_uuid="GPU-6"}`:                            "2.68435456e+09",
		`gpusignal_device_utilization_ratio{gpu="7",gpu_uuid="GPU-7"}`:                            "",
		`gpusignal_device_power_watts{gpu="7",gpu_uuid="GPU-7"}`:                                  "60.5",
		`gpusignal_device_utilization_refresh_seconds{gpu="0",gpu_uuid="GPU-0"}`:                  "0.1",
	})
	for name := range got {
		if strings.HasPrefix(name, "gpusignal_device_down") && !strings.Contains(name, `gpu="3"`) {
			t.Errorf("%s of a device that can be read", name)
		}
	}
}

// A device that no reading ever covered has no busy time, which is not 0, nor has whoever holds it; an idle one has 0.
func TestUseThatIsNotKnownIsAbsent(t *testing.T) {
	got := seriesOf(t, collectorWith(variety(), Config{}))
	expect(t, got, map[string]string{
		`gpusignal_device_busy_seconds_total{gpu="2",gpu_uuid="GPU-2"}`:          "0", // idle
		`gpusignal_device_observed_seconds_total{gpu="2",gpu_uuid="GPU-2"}`:      "599",
		`gpusignal_device_unowned_busy_seconds_total{gpu="2",gpu_uuid="GPU-2"}`:  "0",
		`gpusignal_device_energy_joules_total{gpu="1",gpu_uuid="GPU-1"}`:         "30",
		`gpusignal_device_energy_joules_total{gpu="3",gpu_uuid="GPU-3"}`:         "0", // read, and gone before it grew
		`gpusignal_device_busy_seconds_total{gpu="6",gpu_uuid="GPU-6"}`:          "30",
		`gpusignal_device_energy_joules_total{gpu="6",gpu_uuid="GPU-6"}`:         "", // a guest
		`gpusignal_device_unowned_energy_joules_total{gpu="6",gpu_uuid="GPU-6"}`: "",
		`gpusignal_device_booking_age_seconds{gpu="1:1",gpu_uuid="MIG-a"}`:       "1",
		`gpusignal_device_busy_seconds_total{gpu="1",gpu_uuid="GPU-1"}`:          "",
		`gpusignal_device_unowned_busy_seconds_total{gpu="1",gpu_uuid="GPU-1"}`:  "",
		`gpusignal_device_unowned_energy_joules_total{gpu="1",gpu_uuid="GPU-1"}`: "0",
	})
	for name := range got {
		for _, family := range []string{"busy_seconds_total", "observed_seconds_total", "energy_joules_total"} {
			if strings.Contains(name, family+"{") && strings.Contains(name, "MIG-") {
				t.Errorf("%s of an instance that tells of memory alone", name)
			}
		}
	}
}

// No errors and no events are 0 only of a device that was read and tells of them: of one that was never read nothing is known.
func TestErrorsOfUnreadDevicesAreAbsent(t *testing.T) {
	const errors, events = `DCGM_FI_DEV_XID_ERRORS`, `gpusignal_device_events_total`
	for _, test := range []struct {
		name   string
		change func(*node.DeviceState)
		want   bool
	}{
		{"read", func(*node.DeviceState) {}, true},
		{"down since", func(d *node.DeviceState) { d.Down = "lost" }, true},
		{"never read", func(d *node.DeviceState) { d.At = time.Time{} }, false},
		{"not listened to", func(d *node.DeviceState) { d.Lacks = lacking(node.FeatureEvents) }, false},
	} {
		d := freshH200()
		test.change(&d)
		there := make(map[string]bool)
		for name := range seriesOf(t, everythingOf(&node.Snapshot{At: at, Devices: []node.DeviceState{d}})) {
			there[name[:strings.IndexByte(name+"{", '{')]] = true
		}
		if there[errors] != test.want || there[events] != test.want {
			t.Errorf("%s: errors %v, events %v, want %v", test.name, there[errors], there[events], test.want)
		}
	}
}

// A booking that ended after the snapshot was asked for has age 0, not less.
func TestAgesAreNeverNegative(t *testing.T) {
	s := &node.Snapshot{At: at, Devices: []node.DeviceState{healthyH100()}, Totals: []node.Total{{Device: "GPU-0", Booked: at.Add(time.Millisecond)}}}
	s.Devices[0].At = at.Add(time.Millisecond)
	expect(t, seriesOf(t, collectorOf(s)), map[string]string{
		`gpusignal_device_booking_age_seconds{gpu="0",gpu_uuid="GPU-0"}`: "0",
		`gpusignal_device_reading_age_seconds{gpu="0",gpu_uuid="GPU-0"}`: "0",
	})
}

// Each part has an age of its own, also when its numbers were dropped; one that never was told has none.
func TestPartsHaveAges(t *testing.T) {
	d := healthyH100()
	d.Told[node.PartCounters], d.Last.Power = ago(3*time.Minute), node.Opt[float64]{}
	s := &node.Snapshot{At: at, Devices: []node.DeviceState{d}}
	expect(t, seriesOf(t, collectorWith(s, Config{Detail: true})), map[string]string{
		`gpusignal_device_part_age_seconds{gpu="0",gpu_uuid="GPU-0",part="memory"}`:    "0.1",
		`gpusignal_device_part_age_seconds{gpu="0",gpu_uuid="GPU-0",part="counters"}`:  "180",
		`gpusignal_device_part_age_seconds{gpu="0",gpu_uuid="GPU-0",part="status"}`:    "7",
		`gpusignal_device_part_age_seconds{gpu="0",gpu_uuid="GPU-0",part="processes"}`: "",
		`gpusignal_device_power_watts{gpu="0",gpu_uuid="GPU-0"}`:                       "",
	})
}

// Without the flags their families are not there, and what is there of the others is less.
func TestFlagsAddFamilies(t *testing.T) {
	for _, test := range []struct {
		name   string
		cfg    Config
		series string
		want   bool
	}{
		{"by default", Config{}, `gpusignal_device_clock_hertz{clock="memory"`, false},
		{"by default", Config{}, `gpusignal_device_performance_state{`, false},
		{"by default", Config{}, `gpusignal_exporter_driver_call_`, false},
		{"by default", Config{}, `gpusignal_device_part_age_seconds{`, false},
		{"by default", Config{}, `DCGM_`, false},
		{"with detail", Config{Detail: true}, `gpusignal_device_clock_hertz{clock="memory"`, true},
		{"with detail", Config{Detail: true}, `DCGM_`, false},
		{"with detail", Config{Detail: true}, `gpusignal_engine_queue_time_seconds_bucket{`, false},
		{"by default", Config{}, `gpusignal_device_utilization_sample_ratio`, false},
		{"with histogram", Config{Histogram: true}, `gpusignal_device_utilization_sample_ratio_bucket{`, true},
		{"with histogram", Config{Histogram: true}, `gpusignal_engine_queue_time_seconds_bucket{`, true},
		{"with dcgm", Config{DCGM: true}, `DCGM_FI_DEV_GPU_UTIL{`, true},
		{"with dcgm", Config{DCGM: true}, `gpusignal_device_performance_state{`, false},
	} {
		there := false
		for name := range seriesOf(t, collectorWith(full(), test.cfg)) {
			there = there || strings.HasPrefix(name, test.series)
		}
		if there != test.want {
			t.Errorf("%s: %s is there: %v, want %v", test.name, test.series, there, test.want)
		}
	}
}

// A reading that fell silent takes its numbers along, and leaves what was counted and why the device is down.
func TestStaleDeviceKeepsItsCounters(t *testing.T) {
	old := healthyH100()
	old.At = ago(time.Minute)
	sources := node.Sources{DeviceGrace: 5 * time.Second, Devices: func(time.Time) []node.DeviceState { return []node.DeviceState{old} }}
	s := sources.Snapshot(at)
	got := seriesOf(t, collectorWith(s, Config{Detail: true, DCGM: true}))
	expect(t, got, map[string]string{
		`gpusignal_device_down{gpu="0",gpu_uuid="GPU-0",reason="stale"}`:                      "1",
		`gpusignal_device_activity_ratio{gpu="0",gpu_uuid="GPU-0",unit="sm"}`:                 "",
		`gpusignal_device_driver_time_ratio{gpu="0",gpu_uuid="GPU-0"}`:                        "",
		`gpusignal_device_utilization_refresh_seconds{gpu="0",gpu_uuid="GPU-0"}`:              "",
		`gpusignal_device_clock_hertz{clock="sm",gpu="0",gpu_uuid="GPU-0"}`:                   "",
		`gpusignal_device_active_seconds_total{gpu="0",gpu_uuid="GPU-0",unit="sm"}`:           "100",
		`gpusignal_device_throttled_seconds_total{gpu="0",gpu_uuid="GPU-0",reason="thermal"}`: "1",
		`gpusignal_device_nvlink_receive_bytes_total{gpu="0",gpu_uuid="GPU-0"}`:               "4e+12",
	})
	for name := range got {
		if strings.HasPrefix(name, "DCGM_") && !strings.HasPrefix(name, "DCGM_FI_DEV_XID_ERRORS") {
			t.Errorf("%s of a device that is stale", name)
		}
	}
}
