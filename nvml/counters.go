//go:build cgo && linux

package nvml

import (
	"encoding/binary"
	"math"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// counters are power, energy and temperatures.
func (r *reader) counters() {
	r.fields()
	if !r.reading.Power.Known {
		r.number(&r.reading.Power, probePower, 1e-3, gonvml.Device.GetPowerUsage)
	}
	r.number(&r.reading.PowerLimit, probePowerLimit, 1e-3, gonvml.Device.GetEnforcedPowerLimit)
	r.number(&r.reading.Temperature, probeTemperature, 1, func(h gonvml.Device) (uint32, gonvml.Return) {
		return h.GetTemperature(gonvml.TEMPERATURE_GPU)
	})
	var energy uint64 // mJ
	ok := r.try(probeEnergy, func() (ret gonvml.Return) { energy, ret = r.unit.handle.GetTotalEnergyConsumption(); return ret })
	if ok && energy <= math.MaxInt64/1000 {
		r.reading.Energy = node.Some(int64(energy) * 1000)
	}
}

// number reads a whole number and scales it.
func (r *reader) number(to *node.Opt[float64], p probe, scale float64, get func(gonvml.Device) (uint32, gonvml.Return)) {
	var v uint32
	if r.try(p, func() (ret gonvml.Return) { v, ret = get(r.unit.handle); return ret }) && v != math.MaxUint32 {
		*to = node.Some(float64(v) * scale)
	}
}

// fields reads instant power and memory temperature in one call. The call works when one of its fields does; each has a
// return code of its own.
func (r *reader) fields() {
	if r.off(probeInstantPower) && r.off(probeMemoryTemp) {
		return
	}
	values := r.unit.fields[:]
	values[0] = gonvml.FieldValue{FieldId: gonvml.FI_DEV_POWER_INSTANT}
	values[1] = gonvml.FieldValue{FieldId: gonvml.FI_DEV_MEMORY_TEMP}
	if !r.try(probeFields, func() gonvml.Return { return r.unit.handle.GetFieldValues(values) }) {
		return
	}
	r.field(&r.reading.Power, probeInstantPower, &values[0], 1e-3)
	r.field(&r.reading.MemoryTemperature, probeMemoryTemp, &values[1], 1)
}

func (r *reader) field(to *node.Opt[float64], p probe, value *gonvml.FieldValue, scale float64) {
	ret := gonvml.Return(value.NvmlReturn)
	if ret == gonvml.ERROR_INVALID_ARGUMENT {
		ret = gonvml.ERROR_NOT_SUPPORTED // The driver is older than the field.
	}
	if r.end != nil || r.off(p) || !r.heed(p, ret) {
		return
	}
	if v, ok := number(value); ok {
		*to = node.Some(v * scale)
	}
}

// number is the value of a field, whatever its type. It is not ok when it is not finite, below zero, or "not available".
func number(value *gonvml.FieldValue) (v float64, ok bool) {
	raw, low := binary.NativeEndian.Uint64(value.Value[:]), binary.NativeEndian.Uint32(value.Value[:4])
	switch gonvml.ValueType(value.ValueType) {
	case gonvml.VALUE_TYPE_DOUBLE:
		v = math.Float64frombits(raw)
	case gonvml.VALUE_TYPE_UNSIGNED_INT:
		if low == math.MaxUint32 {
			return 0, false
		}
		v = float64(low)
	case gonvml.VALUE_TYPE_UNSIGNED_LONG, gonvml.VALUE_TYPE_UNSIGNED_LONG_LONG:
		if raw == math.MaxUint64 {
			return 0, false
		}
		v = float64(raw)
	case gonvml.VALUE_TYPE_SIGNED_LONG_LONG:
		v = float64(int64(raw))
	case gonvml.VALUE_TYPE_SIGNED_INT:
		v = float64(int32(low))
	case gonvml.VALUE_TYPE_UNSIGNED_SHORT:
		v = float64(binary.NativeEndian.Uint16(value.Value[:2]))
	default:
		return 0, false
	}
	return v, v >= 0 && !math.IsInf(v, 0)
}
