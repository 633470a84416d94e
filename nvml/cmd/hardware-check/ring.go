//go:build cgo && linux

package main

import (
	"encoding/binary"
	"errors"
	"math"
	"syscall"
	"time"
	"unsafe"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// sampling is a kind of samples that the driver keeps.
type sampling struct {
	kind    gonvml.SamplingType
	name    string
	percent bool
}

func samplings() []sampling {
	return []sampling{
		{gonvml.GPU_UTILIZATION_SAMPLES, "utilization", true},
		{gonvml.MEMORY_UTILIZATION_SAMPLES, "memory utilization", true},
		{gonvml.TOTAL_POWER_SAMPLES, "power", false},
		{gonvml.PROCESSOR_CLK_SAMPLES, "SM clock", false},
		{gonvml.MEMORY_CLK_SAMPLES, "memory clock", false},
		{gonvml.ENC_UTILIZATION_SAMPLES, "encoder", true},
		{gonvml.DEC_UTILIZATION_SAMPLES, "decoder", true},
		{gonvml.MODULE_POWER_SAMPLES, "module power", false},
		{gonvml.JPG_UTILIZATION_SAMPLES, "jpeg", true},
		{gonvml.OFA_UTILIZATION_SAMPLES, "ofa", true},
	}
}

// errNoRing says that the library has no rings.
var errNoRing = errors.New("the library lacks nvmlDeviceGetSamples")

// samples of a kind after a stamp; 0 for all.
func (b *board) samples(kind gonvml.SamplingType, since uint64) ([]sample, gonvml.Return, error) {
	type got struct {
		samples []sample
		ret     gonvml.Return
	}
	g, _, ok := ask(b.guard, "nvmlDeviceGetSamples", func() (g got) {
		of, raw, ret := b.handle.GetSamples(kind, since)
		if ret != gonvml.SUCCESS {
			return got{ret: ret}
		}
		for _, s := range raw {
			g.samples = append(g.samples, sample{s.TimeStamp, number(of, s.SampleValue)})
		}
		return g
	})
	if !ok {
		return nil, gonvml.ERROR_TIMEOUT, errHung
	}
	return g.samples, g.ret, nil
}

// number is an nvmlValue_t; NaN for a type that is not known.
func number(of gonvml.ValueType, value [8]byte) float64 {
	raw, low := binary.NativeEndian.Uint64(value[:]), binary.NativeEndian.Uint32(value[:4])
	switch of {
	case gonvml.VALUE_TYPE_DOUBLE:
		return math.Float64frombits(raw)
	case gonvml.VALUE_TYPE_UNSIGNED_INT:
		return float64(low)
	case gonvml.VALUE_TYPE_UNSIGNED_LONG, gonvml.VALUE_TYPE_UNSIGNED_LONG_LONG:
		return float64(raw)
	case gonvml.VALUE_TYPE_SIGNED_LONG_LONG:
		return float64(int64(raw))
	case gonvml.VALUE_TYPE_SIGNED_INT:
		return float64(int32(low))
	default:
		return math.NaN()
	}
}

// ring reads every kind of samples whole, and then follows utilisation once a second, with the GPU as it is.
func (b *board) ring(limit time.Duration) error {
	if !b.lib.has("nvmlDeviceGetSamples") {
		return errNoRing
	}
	end := time.Now().Add(limit)
	ring := &Ring{}
	b.report.Ring = ring
	var cursor uint64
	for _, s := range samplings() {
		samples, ret, err := b.samples(s.kind, 0)
		if err != nil {
			return err
		}
		kind := ringKind(s.name, samples, s.percent)
		kind.Code = int(ret)
		ring.Kinds = append(ring.Kinds, kind)
		if s.kind == gonvml.GPU_UTILIZATION_SAMPLES && newest(samples) > 0 {
			cursor = newest(samples)
			ring.Ages = ages(cursor, clocks())
			ring.Clock = domain(ring.Ages)
		}
		if refused(ret) {
			b.lack("samples of "+s.name, ret)
		}
	}
	return b.follow(ring, cursor, end)
}

// follow reads what is new of utilisation once a second.
func (b *board) follow(ring *Ring, cursor uint64, end time.Time) error {
	f := &ring.Follow
	var fresh, age []float64
	defer func() { f.New, f.Newest = spread(fresh), spread(age) }()
	for f.Reads == 0 || until(end) {
		time.Sleep(time.Second)
		samples, ret, err := b.samples(gonvml.GPU_UTILIZATION_SAMPLES, cursor)
		if err != nil {
			return err
		}
		f.Reads++
		if ret != gonvml.SUCCESS && ret != gonvml.ERROR_NOT_FOUND {
			f.Failed++
			f.Code = int(ret)
			if refused(ret) {
				return nil
			}
			continue
		}
		count := 0
		for _, s := range samples {
			if s.stamp > cursor {
				count++
			} else {
				f.Old++
			}
		}
		last := newest(samples)
		if last > 0 && last < cursor {
			f.Back++
		}
		if count == 0 {
			f.NothingNew++
		} else {
			fresh, cursor = append(fresh, float64(count)), last
		}
		if clock, known := nearest(ring.Clock); known && cursor > 0 {
			age = append(age, 1e3*ages(cursor, clocks())[clock])
		}
	}
	return nil
}

// clocks of this machine, as times since their zero.
func clocks() map[string]time.Duration {
	return map[string]time.Duration{"realtime": clock(0), "monotonic": clock(1), "boottime": clock(7)}
}

// clock by its number in linux/time.h.
func clock(id uintptr) time.Duration {
	var t syscall.Timespec
	if _, _, err := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		return 0
	}
	return time.Duration(t.Nano())
}
