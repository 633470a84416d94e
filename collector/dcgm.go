package collector

import (
	"math"

	dto "github.com/prometheus/client_model/go"

	"gpusignal/node"
	"gpusignal/scaling"
)

// mebi is the unit of dcgm-exporter's memory, and mega of its clocks.
const (
	mebi = 1 << 20
	mega = 1e6
)

// dcgmRow is a device as one of its owners sees it; a device without an owner has one row, with several owners one for each.
type dcgmRow struct {
	state  *node.DeviceState
	labels *labelSet
	// xid is the error reported last, 0 for none; xidLabels has its code and its text.
	xid       node.Opt[int]
	xidLabels *labelSet
	// own is the owner's part of a shared device, nil where the row tells of the device.
	own *node.Account
}

// dcgmPart is the default set of dcgm-exporter as far as NVML gives it, under its names, units and labels, so that
// dashboards and autoscalers that were written for it go on. What NVML does not tell of a device is absent.
type dcgmPart struct {
	families []family[dcgmRow]
	xid      desc
	rows     dcgmRows
}

func newDCGMPart(hostname string) *dcgmPart {
	d := &dcgmPart{rows: newDCGMRows(hostname)}
	names := d.rows.all
	d.xid = desc{
		"DCGM_FI_DEV_XID_ERRORS", "Number of the XID error that was reported last, 0 for none since the exporter started.",
		dto.MetricType_GAUGE, names.with("err_code", "err_msg"),
	}
	gauge := func(name, help string, value func(*dcgmRow) (float64, bool)) {
		d.families = append(d.families, family[dcgmRow]{desc{name, help, dto.MetricType_GAUGE, names}, value})
	}
	counter := func(name, help string, value func(*dcgmRow) (float64, bool)) {
		d.families = append(d.families, family[dcgmRow]{desc{name, help, dto.MetricType_COUNTER, names}, value})
	}
	dcgmReadings(gauge, counter)
	dcgmErrors(gauge, counter)
	dcgmProfiling(gauge)
	return d
}

type addDCGM = func(name, help string, value func(*dcgmRow) (float64, bool))

// dcgmReadings are the families of clocks, temperatures, power, utilisation and memory.
func dcgmReadings(gauge, counter addDCGM) {
	gauge("DCGM_FI_DEV_SM_CLOCK", "Clock of the streaming multiprocessors, in MHz.",
		func(r *dcgmRow) (float64, bool) { return scaled(r.state.Last.Status.SMClock, 1/mega) })
	gauge("DCGM_FI_DEV_MEM_CLOCK", "Clock of the memory, in MHz.",
		func(r *dcgmRow) (float64, bool) { return scaled(r.state.Last.Status.MemoryClock, 1/mega) })
	gauge("DCGM_FI_DEV_MEMORY_TEMP", "Temperature of the memory, in degrees Celsius.",
		func(r *dcgmRow) (float64, bool) { return known(r.state.Last.MemoryTemperature) })
	gauge("DCGM_FI_DEV_GPU_TEMP", "Temperature of the die, in degrees Celsius.",
		func(r *dcgmRow) (float64, bool) { return known(r.state.Last.Temperature) })
	gauge("DCGM_FI_DEV_POWER_USAGE", "Power that the board draws, in watts.",
		func(r *dcgmRow) (float64, bool) { return known(r.state.Last.Power) })
	counter("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "Energy that the board used since its driver was loaded, in millijoules.",
		func(r *dcgmRow) (float64, bool) {
			return float64(r.state.Last.Energy.Value) / 1000, r.state.Last.Energy.Known
		})
	gauge("DCGM_FI_DEV_GPU_UTIL", "Share of the driver's last sample period in which a kernel ran, in percent; on a shared device the owner's part where it is known.",
		dcgmUtilization)
	gauge("DCGM_FI_DEV_MEM_COPY_UTIL", "Share of the driver's last sample period in which device memory was read or written, in percent.",
		func(r *dcgmRow) (float64, bool) { return percent(r.state.Last.MemoryUtilization) })
	gauge("DCGM_FI_DEV_ENC_UTIL", "Utilisation of the video encoders, in percent.",
		func(r *dcgmRow) (float64, bool) { return percent(r.state.Last.Status.Encoder) })
	gauge("DCGM_FI_DEV_DEC_UTIL", "Utilisation of the video decoders, in percent.",
		func(r *dcgmRow) (float64, bool) { return percent(r.state.Last.Status.Decoder) })
	gauge("DCGM_FI_DEV_FB_FREE", "Device memory that is free, in MiB.",
		func(r *dcgmRow) (float64, bool) {
			m := r.state.Last.Memory
			return mebibytes(m.Value.Total - min(m.Value.Total, m.Value.Used+m.Value.Reserved.Value)), m.Known
		})
	gauge("DCGM_FI_DEV_FB_USED", "Device memory in use without what the driver reserves, in MiB; on a shared device the owner's part where it is known.",
		dcgmMemory)
	gauge("DCGM_FI_DEV_FB_RESERVED", "Device memory that the driver keeps for itself, in MiB.",
		func(r *dcgmRow) (float64, bool) {
			m := r.state.Last.Memory
			return mebibytes(m.Value.Reserved.Value), m.Known && m.Value.Reserved.Known
		})
}

// dcgmErrors are the families of links and of errors.
func dcgmErrors(gauge, counter addDCGM) {
	counter("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "Packets that were sent over PCIe again since the driver was loaded.",
		func(r *dcgmRow) (float64, bool) {
			return float64(r.state.Last.Counters.PCIeReplays.Value.Value), r.state.Last.Counters.PCIeReplays.Known
		})
	counter("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", "Data sent and received over all NVLinks, in KiB.",
		func(r *dcgmRow) (float64, bool) {
			tx, rx := r.state.Last.Counters.NVLinkTx, r.state.Last.Counters.NVLinkRx
			return (float64(tx.Value.Value) + float64(rx.Value.Value)) / 1024, tx.Known && rx.Known
		})
	counter("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "Rows of memory that were remapped for uncorrectable errors.",
		func(r *dcgmRow) (float64, bool) { return number(r.state.Last.Status.RemappedUncorrectable) })
	counter("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "Rows of memory that were remapped for correctable errors.",
		func(r *dcgmRow) (float64, bool) { return number(r.state.Last.Status.RemappedCorrectable) })
	gauge("DCGM_FI_DEV_ROW_REMAP_FAILURE", "Whether remapping a row of memory has failed.",
		func(r *dcgmRow) (float64, bool) { return condition(r.state.Last.Status.RemapFailed) })
}

// dcgmProfiling are the families that DCGM makes by profiling, here by the hardware counters of Hopper and later.
func dcgmProfiling(gauge addDCGM) {
	for _, unit := range []struct {
		name, help string
		unit       node.Unit
	}{
		{"DCGM_FI_PROF_GR_ENGINE_ACTIVE", "Share of time in which the graphics or compute engine was active, 0-1.", node.UnitGraphics},
		{"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "Share of cycles in which the tensor pipes were active, 0-1.", node.UnitTensor},
		{"DCGM_FI_PROF_DRAM_ACTIVE", "Share of cycles in which device memory was read or written, 0-1.", node.UnitDRAM},
	} {
		gauge(unit.name, unit.help, func(r *dcgmRow) (float64, bool) { return known(r.state.Activity[unit.unit]) })
	}
	rate := func(of func(*node.Activity) node.Opt[float64]) func(*dcgmRow) (float64, bool) {
		return func(r *dcgmRow) (float64, bool) {
			a := &r.state.Last.Activity
			bytes := of(&a.Value)
			return bytes.Value / a.Value.Span.Seconds(), a.Known && bytes.Known && a.Value.Span > 0
		}
	}
	gauge("DCGM_FI_PROF_PCIE_TX_BYTES", "Bytes sent over PCIe per second, headers included.",
		rate(func(a *node.Activity) node.Opt[float64] { return a.PCIeTx }))
	gauge("DCGM_FI_PROF_PCIE_RX_BYTES", "Bytes received over PCIe per second, headers included.",
		rate(func(a *node.Activity) node.Opt[float64] { return a.PCIeRx }))
}

func dcgmUtilization(r *dcgmRow) (float64, bool) {
	if r.own != nil && r.own.Utilization.Known && r.state.Last.Utilization.Known {
		return percent(r.own.Utilization)
	}
	return percent(r.state.Last.Utilization)
}

func dcgmMemory(r *dcgmRow) (float64, bool) {
	if r.own != nil && r.own.Memory.Known && r.state.Last.Memory.Known {
		return mebibytes(r.own.Memory.Value), true
	}
	return mebibytes(r.state.Last.Memory.Value.Used), r.state.Last.Memory.Known
}

func (d *dcgmPart) describe() []*desc { return describeAll([]*desc{&d.xid}, d.families) }

func (d *dcgmPart) write(p *page, s *node.Snapshot, _ []scaling.Pod) {
	rows := d.rows.collect(p, s)
	writeAll(p, d.families, rows, func(r *dcgmRow) *labelSet { return r.labels })
	p.begin(&d.xid)
	for i := range rows {
		if rows[i].xid.Known {
			p.put(rows[i].xidLabels, float64(rows[i].xid.Value))
		}
	}
	p.end()
	clear(rows)
}

// percent is a share in whole percent, as NVML has it.
func percent(v node.Opt[float64]) (float64, bool) { return math.Round(100 * v.Value), v.Known }

// scaled is a value in another unit.
func scaled(v node.Opt[float64], by float64) (float64, bool) { return v.Value * by, v.Known }

// mebibytes are whole ones, as DCGM has them.
func mebibytes(bytes uint64) float64 { return float64(bytes / mebi) }
