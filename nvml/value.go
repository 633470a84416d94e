//go:build cgo && linux

package nvml

import (
	"encoding/binary"
	"math"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// value is what a field holds: the same as a number and, without its fraction, as a whole one. Bits is the width of the
// driver's type, 16, 32 or 64.
type value struct {
	number float64
	whole  uint64
	bits   uint8
}

// valueOf a field, by the type that the driver states. It is not ok when it is not finite, below zero, or "not available": all
// ones in an unsigned type.
func valueOf(f *gonvml.FieldValue) (v value, ok bool) {
	raw, low := binary.NativeEndian.Uint64(f.Value[:]), binary.NativeEndian.Uint32(f.Value[:4])
	switch gonvml.ValueType(f.ValueType) {
	case gonvml.VALUE_TYPE_DOUBLE:
		number := math.Float64frombits(raw)
		ok = number >= 0 && number < 1<<63
		if ok {
			v = value{number: number, whole: uint64(number), bits: 64}
		}
		return v, ok
	case gonvml.VALUE_TYPE_UNSIGNED_INT:
		return wholeValue(uint64(low), 32), low != math.MaxUint32
	case gonvml.VALUE_TYPE_UNSIGNED_LONG, gonvml.VALUE_TYPE_UNSIGNED_LONG_LONG:
		return wholeValue(raw, 64), raw != math.MaxUint64
	case gonvml.VALUE_TYPE_SIGNED_LONG_LONG:
		return wholeValue(raw, 64), raw <= math.MaxInt64
	case gonvml.VALUE_TYPE_SIGNED_INT:
		return wholeValue(uint64(low), 32), low <= math.MaxInt32
	case gonvml.VALUE_TYPE_UNSIGNED_SHORT:
		short := binary.NativeEndian.Uint16(f.Value[:2])
		return wholeValue(uint64(short), 16), short != math.MaxUint16
	default:
		return value{}, false
	}
}

func wholeValue(whole uint64, bits uint8) value {
	return value{number: float64(whole), whole: whole, bits: bits}
}

func (v value) scaled(by float64) node.Opt[float64] { return node.Some(v.number * by) }

func (v value) counted() node.Opt[uint64] { return node.Some(v.whole) }

func (v value) condition() node.Opt[bool] { return node.Some(v.whole != 0) }

// duration of a number of nanoseconds, where it is one.
func (v value) duration() (d node.Opt[time.Duration]) {
	if v.whole <= math.MaxInt64 {
		d = node.Some(time.Duration(v.whole))
	}
	return d
}

// microjoules of a number of millijoules, where they are a number.
func (v value) microjoules() (uj node.Opt[int64]) {
	if v.whole <= math.MaxInt64/1000 {
		uj = node.Some(int64(v.whole) * 1000)
	}
	return uj
}

// counter as wide as its type.
func (v value) counter() node.Opt[node.Count] {
	return node.Some(node.Count{Value: v.whole, Bits: v.bits})
}

// narrow is a counter that wraps at 2^32, whatever type it is handed over in, unless it shows that it does not. The kernel module
// keeps the bytes over PCIe in 32 bits (NV2080_CTRL_BUS_GET_PEX_UTIL_COUNTERS_PARAMS).
func (v value) narrow() node.Opt[node.Count] {
	if v.whole <= math.MaxUint32 {
		v.bits = 32
	}
	return v.counter()
}

// kibibytes is a counter of KiB in bytes: it wraps 1024 times as far off.
func (v value) kibibytes() (c node.Opt[node.Count]) {
	if v.whole <= math.MaxUint64>>10 {
		c = node.Some(node.Count{Value: v.whole << 10, Bits: min(v.bits+10, 64)})
	}
	return c
}
