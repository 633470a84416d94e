//go:build cgo && linux

package nvml

import (
	"slices"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

const (
	// gpmRefresh is how often the driver renews its hardware counters at most, by nvml.h.
	gpmRefresh = 100 * time.Millisecond
	// gpmReach is the longest time between two samples that are still compared: some of the counters behind them are narrow.
	gpmReach = 10 * time.Minute
)

// gpm is what is kept of the hardware counters of a unit: two samples, of which one is the earlier one of the next difference.
type gpm struct {
	samples []gonvml.GpmSample // none, or two
	kept    int                // the one that was read last
	at      time.Time          // when that was, zero while none is worth a comparison
	fits    bool               // the device has said that it has such counters
	changes uint64             // of the MIG geometry before that
}

// forget begins anew: counters may have been reset.
func (g *gpm) forget() { g.at = time.Time{} }

// free gives the samples of a unit back. The caller holds the board's turn.
func (d *Driver) free(u *unit) {
	for _, sample := range u.gpm.samples {
		_ = d.timed(u.board, node.FeatureActivity, sample.Free)
	}
	u.gpm = gpm{}
}

// activity reads a sample and tells what the counters did since the last one. A difference is exact, so that nothing is lost
// between two readings however far they are apart.
func (r *reader) activity() {
	g := &r.unit.gpm
	if r.end != nil || r.off(node.FeatureActivity) || !r.prepare(g) {
		return
	}
	if changes := r.unit.board.changes.Load(); changes != g.changes {
		g.changes = changes
		g.forget()
	}
	if !g.at.IsZero() && r.driver.now().Sub(g.at) < gpmRefresh {
		return
	}
	next := 1 - g.kept
	if !r.try(node.FeatureActivity, func() gonvml.Return { return r.sample(g.samples[next]) }) {
		if r.unit.parent != nil {
			g.forget() // The next one of that id may be another instance.
		}
		return
	}
	at := r.driver.now()
	if span := at.Sub(g.at); !g.at.IsZero() && span < gpmReach {
		r.compare(g.samples[g.kept], g.samples[next], span)
	}
	g.kept, g.at = next, at
}

// prepare asks once whether the device has such counters, and makes room for two samples of them.
func (r *reader) prepare(g *gpm) bool {
	if !g.fits {
		var support gonvml.GpmSupport
		ok := r.try(node.FeatureActivity, func() (ret gonvml.Return) { support, ret = r.unit.handle.GpmQueryDeviceSupport(); return ret })
		if ok && support.IsSupportedDevice == 0 {
			r.lack(node.FeatureActivity, "no hardware counters before Hopper")
		}
		g.fits = ok && support.IsSupportedDevice != 0
	}
	for g.fits && len(g.samples) < 2 {
		var sample gonvml.GpmSample
		ret := r.call(node.FeatureActivity, func() (ret gonvml.Return) { sample, ret = r.driver.lib.GpmSampleAlloc(); return ret })
		if ret != gonvml.SUCCESS {
			return r.heed(node.FeatureActivity, ret)
		}
		g.samples = append(g.samples, sample)
	}
	return g.fits
}

// sample reads the counters of a GPU, or of the GPU instance that a MIG instance is alone on.
func (r *reader) sample(to gonvml.GpmSample) gonvml.Return {
	if gpu := r.unit.parent; gpu != nil {
		return gpu.handle.GpmMigSampleGet(r.unit.device.GPUInstance, to)
	}
	return r.unit.handle.GpmSampleGet(to)
}

// metrics that are read, by their number in nvml.h: first those of the units, in percent, then traffic in MiB/s.
func metrics() [node.Units + 4]gonvml.GpmMetricId {
	return [...]gonvml.GpmMetricId{
		node.UnitGraphics:    gonvml.GPM_METRIC_GRAPHICS_UTIL,
		node.UnitSM:          gonvml.GPM_METRIC_SM_UTIL,
		node.UnitSMOccupancy: gonvml.GPM_METRIC_SM_OCCUPANCY,
		node.UnitTensor:      gonvml.GPM_METRIC_ANY_TENSOR_UTIL,
		node.UnitDRAM:        gonvml.GPM_METRIC_DRAM_BW_UTIL,
		node.UnitFP64:        gonvml.GPM_METRIC_FP64_UTIL,
		node.UnitFP32:        gonvml.GPM_METRIC_FP32_UTIL,
		node.UnitFP16:        gonvml.GPM_METRIC_FP16_UTIL,
		node.Units:           gonvml.GPM_METRIC_PCIE_TX_PER_SEC,
		node.Units + 1:       gonvml.GPM_METRIC_PCIE_RX_PER_SEC,
		node.Units + 2:       gonvml.GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC,
		node.Units + 3:       gonvml.GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC,
	}
}

// compare tells the difference of two samples.
func (r *reader) compare(from, to gonvml.GpmSample, span time.Duration) {
	b := r.unit.board
	if b.compared == nil {
		b.compared = &gonvml.GpmMetricsGetType{}
	}
	get, wanted := b.compared, metrics()
	get.Sample1, get.Sample2, get.NumMetrics = from, to, uint32(len(wanted))
	for i, id := range wanted {
		get.Metrics[i] = gonvml.GpmMetric{MetricId: uint32(id), NvmlReturn: uint32(gonvml.ERROR_UNKNOWN)}
	}
	if !r.try(node.FeatureActivity, func() gonvml.Return { return r.driver.lib.GpmMetricsGet(get) }) {
		return
	}
	told := get.Metrics[:len(wanted)]
	if activity, known := activityOf(told, span); known {
		r.reading.Activity = node.Some(activity)
	} else if !slices.ContainsFunc(told, func(m gonvml.GpmMetric) bool { return !never(gonvml.Return(m.NvmlReturn)) }) {
		r.lack(node.FeatureActivity, "none of the metrics")
	}
}

// activityOf metrics, in the order of metrics. Each has a return code of its own.
func activityOf(metrics []gonvml.GpmMetric, span time.Duration) (told node.Activity, known bool) {
	told.Span = span
	traffic := [...]*node.Opt[float64]{&told.PCIeTx, &told.PCIeRx, &told.NVLinkTx, &told.NVLinkRx}
	for i, m := range metrics {
		switch {
		case gonvml.Return(m.NvmlReturn) != gonvml.SUCCESS || !(m.Value >= 0):
		case i >= node.Units && m.Value < mostTraffic:
			*traffic[i-node.Units] = node.Some(m.Value * (1 << 20) * span.Seconds())
			known = true
		case i < node.Units && m.Value <= mostPercent:
			told.Units[i] = node.Some(min(m.Value/100, 1))
			known = true
		}
	}
	return told, known
}

const (
	// mostPercent is above 100 because the quotient of two counters that are not read at the same instant may be. A counter
	// that was reset or has wrapped is off by far more.
	mostPercent = 110
	// mostTraffic in MiB/s is beyond any link of today.
	mostTraffic = 1 << 24
)
