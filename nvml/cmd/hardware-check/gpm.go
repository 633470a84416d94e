//go:build cgo && linux

package main

import (
	"errors"
	"math"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// A metric of GPM that gpusignal reads.
type metric struct {
	id   gonvml.GpmMetricId
	name string
}

func metrics() []metric {
	return []metric{
		{gonvml.GPM_METRIC_GRAPHICS_UTIL, "graphics"},
		{gonvml.GPM_METRIC_SM_UTIL, "sm"},
		{gonvml.GPM_METRIC_SM_OCCUPANCY, "sm_occupancy"},
		{gonvml.GPM_METRIC_ANY_TENSOR_UTIL, "tensor"},
		{gonvml.GPM_METRIC_DRAM_BW_UTIL, "dram"},
		{gonvml.GPM_METRIC_FP64_UTIL, "fp64"},
		{gonvml.GPM_METRIC_FP32_UTIL, "fp32"},
		{gonvml.GPM_METRIC_FP16_UTIL, "fp16"},
		{gonvml.GPM_METRIC_PCIE_TX_PER_SEC, "pcie_tx"},
		{gonvml.GPM_METRIC_PCIE_RX_PER_SEC, "pcie_rx"},
		{gonvml.GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC, "nvlink_tx"},
		{gonvml.GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC, "nvlink_rx"},
	}
}

// counters are two samples of a GPU's hardware counters.
type counters struct {
	board *board
	// old and fresh samples; step makes the one the other.
	old, fresh gonvml.GpmSample
	get        gonvml.GpmMetricsGetType
	// sampled and worked are how long the calls took, in microseconds.
	sampled, worked []float64
}

// errNoGPM says that the GPU, or the library, has no hardware counters.
var errNoGPM = errors.New("no GPM")

// openCounters takes two samples' room. Close gives it back.
func (b *board) openCounters() (*counters, gonvml.Return, error) {
	if !b.lib.hasAll("nvmlGpmQueryDeviceSupport", "nvmlGpmSampleAlloc", "nvmlGpmSampleFree", "nvmlGpmSampleGet", "nvmlGpmMetricsGet") {
		return nil, gonvml.ERROR_FUNCTION_NOT_FOUND, errNoGPM
	}
	t, err := b.number("nvmlGpmQueryDeviceSupport", func() (float64, gonvml.Return) {
		support, ret := b.handle.GpmQueryDeviceSupport()
		return float64(support.IsSupportedDevice), ret
	})
	if err != nil {
		return nil, gonvml.ERROR_TIMEOUT, err
	}
	if t.ret != gonvml.SUCCESS || t.value == 0 {
		return nil, t.ret, errNoGPM
	}
	c := &counters{board: b}
	for _, s := range []*gonvml.GpmSample{&c.old, &c.fresh} {
		type room struct {
			sample gonvml.GpmSample
			ret    gonvml.Return
		}
		r, _, ok := ask(b.guard, "nvmlGpmSampleAlloc", func() (r room) { r.sample, r.ret = b.lib.nvml.GpmSampleAlloc(); return r })
		if !ok {
			return nil, gonvml.ERROR_TIMEOUT, errHung
		}
		if r.ret != gonvml.SUCCESS {
			c.close()
			return nil, r.ret, errNoGPM
		}
		*s = r.sample
	}
	return c, gonvml.SUCCESS, nil
}

func (c *counters) close() {
	for _, s := range []gonvml.GpmSample{c.old, c.fresh} {
		if s != nil {
			_, _, _ = ask(c.board.guard, "nvmlGpmSampleFree", s.Free)
		}
	}
}

// take makes the fresh sample the old one and takes another.
func (c *counters) take() (gonvml.Return, error) {
	c.old, c.fresh = c.fresh, c.old
	ret, took, ok := ask(c.board.guard, "nvmlGpmSampleGet", func() gonvml.Return { return c.board.handle.GpmSampleGet(c.fresh) })
	if !ok {
		return gonvml.ERROR_TIMEOUT, errHung
	}
	c.sampled = append(c.sampled, micros(took))
	return ret, nil
}

// between works the metrics out for the time between the two samples. Each has a code of its own.
func (c *counters) between() ([]gonvml.GpmMetric, gonvml.Return, error) {
	wanted := metrics()
	c.get = gonvml.GpmMetricsGetType{NumMetrics: uint32(len(wanted)), Sample1: c.old, Sample2: c.fresh}
	for i, m := range wanted {
		c.get.Metrics[i].MetricId = uint32(m.id)
	}
	ret, took, ok := ask(c.board.guard, "nvmlGpmMetricsGet", func() gonvml.Return { return c.board.lib.nvml.GpmMetricsGet(&c.get) })
	if !ok {
		return nil, gonvml.ERROR_TIMEOUT, errHung
	}
	c.worked = append(c.worked, micros(took))
	return c.get.Metrics[:len(wanted)], ret, nil
}

// gpm looks how steady the metrics are over intervals of a tenth of a second and of a second.
func (b *board) gpm(limit time.Duration) error {
	c, ret, err := b.openCounters()
	if errors.Is(err, errHung) {
		return err
	}
	b.report.GPM = &GPM{Supported: err == nil, Code: int(ret)}
	if err != nil {
		b.lack("GPM", ret)
		return nil
	}
	defer c.close()
	defer func() { b.report.GPM.Sample, b.report.GPM.Metrics = spread(c.sampled), spread(c.worked) }()
	for _, interval := range []time.Duration{100 * time.Millisecond, time.Second} {
		if err := b.windows(c, interval, limit/2); err != nil {
			return err
		}
	}
	return nil
}

// windows of one length, one after the other, at least two.
func (b *board) windows(c *counters, interval, limit time.Duration) error {
	wanted := metrics()
	w := GPMWindow{Interval: millis(interval), Metrics: make([]GPMMetric, len(wanted))}
	values := make([][]float64, len(wanted))
	defer func() {
		for i, m := range wanted {
			w.Metrics[i].ID, w.Metrics[i].Name = int(m.id), m.name
			w.Metrics[i].Values, w.Metrics[i].Deviation = spread(values[i]), deviation(values[i])
		}
		b.report.GPM.Intervals = append(b.report.GPM.Intervals, w)
	}()
	if ret, err := c.take(); err != nil || ret != gonvml.SUCCESS {
		w.Failed, w.Code = 1, int(ret)
		return err
	}
	end := time.Now().Add(limit)
	for w.Windows+w.Failed < 2 || until(end) {
		time.Sleep(interval)
		ret, err := c.take()
		var told []gonvml.GpmMetric
		if err == nil && ret == gonvml.SUCCESS {
			told, ret, err = c.between()
		}
		if err != nil {
			return err
		}
		if ret != gonvml.SUCCESS {
			w.Failed++
			w.Code = int(ret)
			continue
		}
		w.Windows++
		for i, m := range told {
			if v, finite := w.Metrics[i].heed(m.Value, int(m.NvmlReturn)); finite {
				values[i] = append(values[i], v)
			}
		}
	}
	return nil
}

// heed counts one value of a metric, and says whether it is a number.
func (m *GPMMetric) heed(value float64, code int) (float64, bool) {
	switch {
	case code != int(gonvml.SUCCESS):
		m.Refused++
		m.Code = code
	case math.IsNaN(value) || math.IsInf(value, 0):
		m.NotFinite++
	default:
		if value == 0 {
			m.Zeros++
		}
		return value, true
	}
	return 0, false
}
