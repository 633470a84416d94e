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
	down     desc
	xids     []numbered
	families []family[deviceRow]
	labelled []labelled[deviceRow]

	labels *labelNames
	rows   []deviceRow
	seen   map[node.DeviceID]int
	codes  []int
}

// numbered is a family with a series for each XID error that a device has seen.
type numbered struct {
	desc  desc
	value func(row *deviceRow, xid node.XID) (float64, bool)
}

// newDevicePart returns the families of devices: those that an alert or a decision is made on, and with detail also those
// that one looks at when something is wrong.
func newDevicePart(nodeName string, detail bool) *devicePart {
	labels := newLabelNames("gpu_uuid", "gpu")
	d := &devicePart{
		node: nodeName, labels: labels, seen: make(map[node.DeviceID]int),
		info: gaugeDesc(labels.with("index", "model", "driver", "pci_address", "mig_profile", "parent", "node"), "device_info",
			"What a GPU or MIG instance is called; always 1. The index is NVML's and shifts when a board is lost; parent is the physical GPU of a MIG instance."),
		down: gaugeDesc(labels.with("reason"), "device_down",
			"Why the device cannot be read; 1 while it cannot, else absent: lost, reset_required, hung, no_driver, stale, error."),
		xids: xidFamilies(labels.with("xid")),
		families: slices.Concat(readingFamilies(labels), totalFamilies(labels), byteFamilies(labels), healthFamilies(labels),
			activityTime(labels), readFamilies(labels)),
		labelled: slices.Concat(activityFamilies(labels, detail), throttleFamilies(labels, detail), clockFamilies(labels, detail),
			errorFamilies(labels), partFamilies(labels, detail), capabilityFamilies(labels), eventFamilies(labels, detail)),
	}
	if detail {
		d.families = slices.Concat(d.families, stateFamilies(labels), readDetailFamilies(labels))
	}
	return d
}

// xidFamilies are the XID errors of a device: docs/xid.md says what they mean.
func xidFamilies(l *labelNames) []numbered {
	return []numbered{
		{
			counterDesc(l, "device_xid_errors_total",
				"XID errors that the driver reported since the exporter started, by number; a number appears with its first error. docs/xid.md says what they mean."),
			func(_ *deviceRow, xid node.XID) (float64, bool) { return float64(xid.Count), true },
		},
		{
			gaugeDesc(l, "device_xid_age_seconds",
				"Time since an XID error was last reported, by number: alert on this being small, it also shows the first one."),
			func(r *deviceRow, xid node.XID) (float64, bool) { return age(r.at, xid.Last) },
		},
	}
}

func (d *devicePart) describe() []*desc {
	all := []*desc{&d.info, &d.down}
	for i := range d.xids {
		all = append(all, &d.xids[i].desc)
	}
	return describeEach(describeAll(all, d.families), d.labelled)
}

func (d *devicePart) write(p *page, s *node.Snapshot, _ []scaling.Pod) {
	d.collect(p, s)
	labels := func(r *deviceRow) *labelSet { return r.labels }
	writeAll(p, d.families, d.rows, labels)
	writeEach(p, d.labelled, d.rows, labels)
	d.writeInfo(p)
	d.writeDown(p)
	d.writeXIDs(p)
	clear(d.rows)
}

func (d *devicePart) writeInfo(p *page) {
	p.begin(&d.info)
	for i := range d.rows {
		device := d.rows[i].state.Device
		p.put(p.labels.of(d.info.labels, values{
			string(device.ID), d.rows[i].gpu, strconv.Itoa(device.Index), device.Model, device.Driver, device.PCIAddress,
			device.Profile, string(device.Parent), d.node,
		}), 1)
	}
	p.end()
}

func (d *devicePart) writeDown(p *page) {
	p.begin(&d.down)
	for i := range d.rows {
		if row := &d.rows[i]; row.state.Down != "" {
			p.put(p.labels.child(d.down.labels, row.labels, row.state.Down), 1)
		}
	}
	p.end()
}

func (d *devicePart) writeXIDs(p *page) {
	for f := range d.xids {
		p.begin(&d.xids[f].desc)
		for i := range d.rows {
			row := &d.rows[i]
			d.codes = slices.AppendSeq(d.codes[:0], maps.Keys(row.state.XIDs))
			slices.Sort(d.codes)
			for _, code := range d.codes {
				if v, ok := d.xids[f].value(row, row.state.XIDs[code]); ok {
					p.put(p.labels.child(d.xids[f].desc.labels, row.labels, strconv.Itoa(code)), v)
				}
			}
		}
		p.end()
	}
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

// number is an optional whole number as families want it.
func number[T int | uint64](v node.Opt[T]) (float64, bool) { return float64(v.Value), v.Known }

// seconds is an optional time as families want it.
func seconds(v node.Opt[time.Duration]) (float64, bool) { return v.Value.Seconds(), v.Known }

// condition is an optional condition as families want it.
func condition(v node.Opt[bool]) (float64, bool) { return truth(v.Value), v.Known }

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
