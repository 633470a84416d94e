package collector

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"gpusignal/node"
	"gpusignal/scaling"
)

// deviceRow is one device.
type deviceRow struct {
	at     time.Time
	state  *node.DeviceState
	total  *node.Total // nil before the first booking
	gpu    string
	labels *labelSet
}

// devicePart is the families of devices.
type devicePart struct {
	node     string
	info     desc
	xids     desc
	families []family[deviceRow]

	labels *labelNames
	rows   []deviceRow
	seen   map[node.DeviceID]int
	codes  []int
}

func newDevicePart(nodeName string) *devicePart {
	labels := newLabelNames("gpu_uuid", "gpu")
	return &devicePart{
		node: nodeName, labels: labels, seen: make(map[node.DeviceID]int),
		info: gaugeDesc(labels.with("index", "model", "driver", "pci_address", "mig_profile", "parent", "node"), "device_info",
			"What a GPU or MIG instance is called; always 1. The index is NVML's and shifts when a board is lost; parent is the physical GPU of a MIG instance."),
		xids: counterDesc(labels.with("xid"), "device_xid_errors_total",
			"XID errors that the driver reported since the exporter started, by number."),
		families: slices.Concat(readingFamilies(labels), totalFamilies(labels), readFamilies(labels)),
	}
}

// readingFamilies are the newest reading of a device, and its windows.
func readingFamilies(l *labelNames) []family[deviceRow] {
	return []family[deviceRow]{
		gaugeOf(l, "device_up", "Whether the device can be read.", func(r *deviceRow) (float64, bool) {
			return truth(r.state.Down == "" && !r.state.At.IsZero()), true
		}),
		gaugeOf(l, "device_utilization_ratio", "Share of time in which a kernel ran on the device, mean over the signal window, 0-1.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Utilization) }),
		gaugeOf(l, "device_utilization_peak_ratio", "Greatest single utilisation reading of the device within the signal window, 0-1.",
			func(r *deviceRow) (float64, bool) { return known(r.state.UtilizationPeak) }),
		gaugeOf(l, "device_memory_busy_ratio", "Share of the driver's last sample period in which device memory was read or written, 0-1.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.MemoryUtilization) }),
		gaugeOf(l, "device_memory_used_bytes", "Device memory in use, without what the driver reserves.",
			func(r *deviceRow) (float64, bool) {
				return float64(r.state.Last.Memory.Value.Used), r.state.Last.Memory.Known
			}),
		gaugeOf(l, "device_memory_used_peak_bytes", "Most device memory in use within the signal window.",
			func(r *deviceRow) (float64, bool) {
				return float64(r.state.MemoryPeak.Value), r.state.MemoryPeak.Known
			}),
		gaugeOf(l, "device_memory_reserved_bytes", "Device memory that the driver keeps for itself.",
			func(r *deviceRow) (float64, bool) {
				return float64(r.state.Last.Memory.Value.Reserved), r.state.Last.Memory.Known
			}),
		gaugeOf(l, "device_memory_total_bytes", "Device memory, all of it.",
			func(r *deviceRow) (float64, bool) {
				return float64(r.state.Last.Memory.Value.Total), r.state.Last.Memory.Known
			}),
		gaugeOf(l, "device_power_watts", "Power that the board draws.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.Power) }),
		gaugeOf(l, "device_power_limit_watts", "Power that the board may draw.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.PowerLimit) }),
		gaugeOf(l, "device_temperature_celsius", "Temperature of the die.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.Temperature) }),
		gaugeOf(l, "device_memory_temperature_celsius", "Temperature of the device memory.",
			func(r *deviceRow) (float64, bool) { return known(r.state.Last.MemoryTemperature) }),
		gaugeOf(l, "device_processes", "Processes on the device; read only where several containers share it.",
			func(r *deviceRow) (float64, bool) {
				return float64(len(r.state.Last.Processes.Value)), r.state.Last.Processes.Known
			}),
	}
}

// totalFamilies are the counters of use. The device's are at every instant the sum of its containers' and of what nobody
// owned.
func totalFamilies(l *labelNames) []family[deviceRow] {
	of := func(value func(*node.Total) float64) func(*deviceRow) (float64, bool) {
		return func(r *deviceRow) (float64, bool) {
			if r.total == nil {
				return 0, false
			}
			return value(r.total), true
		}
	}
	return []family[deviceRow]{
		counterOf(l, "device_busy_seconds_total", "Time in which a kernel ran on the device.",
			of(func(t *node.Total) float64 { return t.Busy.Seconds() })),
		counterOf(l, "device_observed_seconds_total", "Time of the device that readings cover; busy divided by it is utilisation.",
			of(func(t *node.Total) float64 { return t.Observed.Seconds() })),
		counterOf(l, "device_energy_joules_total", "Energy that the board used, by the driver's counter, since the exporter started.",
			of(func(t *node.Total) float64 { return joules(t.Energy) })),
		counterOf(l, "device_unowned_busy_seconds_total", "Part of the device's busy time that no container owned.",
			of(func(t *node.Total) float64 { return t.UnownedBusy.Seconds() })),
		counterOf(l, "device_unowned_observed_seconds_total", "Part of the device's observed time in which no container held it.",
			of(func(t *node.Total) float64 { return t.UnownedObserved.Seconds() })),
		counterOf(l, "device_unowned_energy_joules_total", "Part of the board's energy that no container owned.",
			of(func(t *node.Total) float64 { return joules(t.UnownedEnergy) })),
		gaugeOf(l, "device_booking_age_seconds", "Age of the counters of use: time since the end of the last interval in them.",
			func(r *deviceRow) (float64, bool) {
				if r.total == nil || r.total.Booked.IsZero() {
					return 0, false
				}
				return r.at.Sub(r.total.Booked).Seconds(), true
			}),
	}
}

// readFamilies are how reading the device goes.
func readFamilies(l *labelNames) []family[deviceRow] {
	return []family[deviceRow]{
		gaugeOf(l, "device_reading_age_seconds", "Time since the last good reading of the device.",
			func(r *deviceRow) (float64, bool) { return age(r.at, r.state.At) }),
		gaugeOf(l, "device_reading_duration_seconds", "How long the last reading of the device took.",
			func(r *deviceRow) (float64, bool) { return r.state.Took.Seconds(), r.state.Reads > 0 }),
		counterOf(l, "device_reads_total", "Readings of the device that were tried.",
			func(r *deviceRow) (float64, bool) { return float64(r.state.Reads), true }),
		counterOf(l, "device_read_failures_total", "Readings of the device that failed.",
			func(r *deviceRow) (float64, bool) { return float64(r.state.Failures), true }),
		counterOf(l, "device_missed_ticks_total", "Readings of the device that were due while an earlier one still ran.",
			func(r *deviceRow) (float64, bool) { return float64(r.state.Missed), true }),
	}
}

func (d *devicePart) describe() []*desc {
	return describeAll([]*desc{&d.info, &d.xids}, d.families)
}

func (d *devicePart) write(p *page, s *node.Snapshot, _ []scaling.Pod) {
	d.collect(p, s)
	writeAll(p, d.families, d.rows, func(r *deviceRow) *labelSet { return r.labels })
	p.begin(&d.info)
	for i := range d.rows {
		device := d.rows[i].state.Device
		p.put(p.labels.of(d.info.labels, values{
			string(device.ID), d.rows[i].gpu, strconv.Itoa(device.Index), device.Model, device.Driver, device.PCIAddress,
			device.Profile, string(device.Parent), d.node,
		}), 1)
	}
	p.end()
	d.writeXIDs(p)
	clear(d.rows)
}

func (d *devicePart) writeXIDs(p *page) {
	p.begin(&d.xids)
	for i := range d.rows {
		row := &d.rows[i]
		d.codes = slices.AppendSeq(d.codes[:0], maps.Keys(row.state.XIDs))
		slices.Sort(d.codes)
		for _, code := range d.codes {
			p.put(p.labels.child(d.xids.labels, row.labels, strconv.Itoa(code)), float64(row.state.XIDs[code]))
		}
	}
	p.end()
}

// collect makes a row for each device. Of two with one id the first counts.
func (d *devicePart) collect(p *page, s *node.Snapshot) {
	d.rows = d.rows[:0]
	clear(d.seen)
	for i := range s.Devices {
		state := &s.Devices[i]
		if _, again := d.seen[state.Device.ID]; again {
			continue
		}
		d.seen[state.Device.ID] = len(d.rows)
		gpu := state.Device.Label()
		d.rows = append(d.rows, deviceRow{
			at: s.At, state: state, gpu: gpu, labels: p.labels.of(d.labels, values{string(state.Device.ID), gpu}),
		})
	}
	for i := range s.Totals {
		if row, ok := d.seen[s.Totals[i].Device]; ok && d.rows[row].total == nil {
			d.rows[row].total = &s.Totals[i]
		}
	}
}

// known is an optional value as families want it.
func known(v node.Opt[float64]) (float64, bool) { return v.Value, v.Known }

// truth is 1 or 0.
func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// age is the time since an instant, in seconds; not known before it came. An instant that is yet to come has age 0.
func age(at, since time.Time) (float64, bool) {
	return max(0, at.Sub(since).Seconds()), !since.IsZero()
}

// joules of microjoules.
func joules(micro int64) float64 { return float64(micro) / 1e6 }
