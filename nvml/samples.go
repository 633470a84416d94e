//go:build cgo && linux

package nvml

import (
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// ring reads what is new in the driver's ring of utilisation samples. That there is none is no failure.
func (r *reader) ring() {
	var kind gonvml.ValueType
	var entries []gonvml.Sample
	kept := &r.unit.ring
	r.unit.ringBefore = mark{kept.cursor, r.unit.ringRead}
	ok := r.try(node.FeatureRing, func() (ret gonvml.Return) {
		kind, entries, ret = r.unit.handle.GetSamples(gonvml.GPU_UTILIZATION_SAMPLES, kept.since())
		if ret == gonvml.ERROR_NOT_FOUND {
			entries, ret = nil, gonvml.SUCCESS
		}
		return ret
	})
	if !ok {
		return
	}
	samples := make([]sample, 0, len(entries))
	for i := range entries {
		if v, ok := valueOf(&gonvml.FieldValue{ValueType: uint32(kind), Value: entries[i].SampleValue}); ok {
			samples = append(samples, sample{stamp: entries[i].TimeStamp, value: v.number})
		}
	}
	now, elapsed := r.driver.now(), time.Duration(0)
	if !r.unit.ringRead.IsZero() {
		elapsed = now.Sub(r.unit.ringRead)
	}
	r.unit.ringRead = now
	if told, known := kept.add(samples, elapsed); known {
		r.reading.Ring = node.Some(told)
	}
}
