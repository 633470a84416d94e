//go:build cgo && linux

package nvml

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

func fieldValue(valueType uint32, raw uint64) *gonvml.FieldValue {
	f := &gonvml.FieldValue{ValueType: valueType}
	binary.NativeEndian.PutUint64(f.Value[:], raw)
	return f
}

func TestValueOf(t *testing.T) {
	for _, tc := range []struct {
		name  string
		kind  uint32
		raw   uint64
		want  value
		known bool
	}{
		{"double", 0, math.Float64bits(1.5), value{1.5, 1, 64}, true},
		{"double NaN", 0, math.Float64bits(math.NaN()), value{}, false},
		{"double Inf", 0, math.Float64bits(math.Inf(1)), value{}, false},
		{"double below zero", 0, math.Float64bits(-1), value{}, false},
		{"double beyond a whole number", 0, math.Float64bits(1e300), value{}, false},
		{"uint32 beside garbage", 1, 0xdead_0000_0000_0007, value{7, 7, 32}, true},
		{"uint32 not available", 1, math.MaxUint32, value{}, false},
		{"unsigned long", 2, 9, value{9, 9, 64}, true},
		{"unsigned long not available", 2, math.MaxUint64, value{}, false},
		{"uint64", 3, 1<<60 + 1, value{1 << 60, 1<<60 + 1, 64}, true},
		{"uint64 not available", 3, math.MaxUint64, value{}, false},
		{"int64", 4, 12, value{12, 12, 64}, true},
		{"int64 below zero", 4, math.MaxUint64, value{}, false},
		{"int32 beside garbage", 5, 0xdead_0000_0000_0028, value{40, 40, 32}, true},
		{"int32 below zero", 5, math.MaxUint32, value{}, false},
		{"uint16 beside garbage", 6, 0xffff_0003, value{3, 3, 16}, true},
		{"uint16 not available", 6, 0xffff, value{}, false},
		{"unknown type", 7, 1, value{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, known := valueOf(fieldValue(tc.kind, tc.raw))
			if known != tc.known || known && got != tc.want {
				t.Errorf("got %+v %t, want %+v %t", got, known, tc.want, tc.known)
			}
		})
	}
}

func FuzzValueOf(f *testing.F) {
	f.Add(uint32(0), math.Float64bits(math.NaN()))
	f.Add(uint32(1), uint64(7))
	f.Fuzz(func(t *testing.T, kind uint32, raw uint64) {
		v, ok := valueOf(fieldValue(kind, raw))
		if ok && (math.IsNaN(v.number) || math.IsInf(v.number, 0) || v.number < 0 || math.Abs(v.number-float64(v.whole)) > 1) {
			t.Errorf("type %d, value %x: %+v", kind, raw, v)
		}
		if ok && v.bits < 64 && v.whole>>v.bits != 0 {
			t.Errorf("type %d, value %x: %+v does not fit its width", kind, raw, v)
		}
	})
}

func TestValueBounds(t *testing.T) {
	huge := value{number: math.MaxUint64, whole: math.MaxUint64 - 1, bits: 64}
	for name, known := range map[string]bool{
		"duration":    huge.duration().Known,
		"microjoules": huge.microjoules().Known,
		"kibibytes":   huge.kibibytes().Known,
	} {
		if known {
			t.Errorf("%s of %d is known", name, huge.whole)
		}
	}
	if got := (value{whole: 12, bits: 32}).duration(); got != node.Some(12*time.Nanosecond) {
		t.Errorf("12 ns are %v", got)
	}
}

// TestCounterWidths: where a counter wraps, by what the driver hands over.
func TestCounterWidths(t *testing.T) {
	for _, tc := range []struct {
		name string
		got  node.Opt[node.Count]
		want node.Count
	}{
		{"32 bits", value{whole: 5, bits: 32}.counter(), node.Count{Value: 5, Bits: 32}},
		{"64 bits", value{whole: 5, bits: 64}.counter(), node.Count{Value: 5, Bits: 64}},
		{"KiB in 64 bits", value{whole: 5, bits: 64}.kibibytes(), node.Count{Value: 5120, Bits: 64}},
		{"KiB in 32 bits", value{whole: 5, bits: 32}.kibibytes(), node.Count{Value: 5120, Bits: 42}},
		{"bytes over PCIe", value{whole: 5, bits: 32}.narrow(), node.Count{Value: 5, Bits: 32}},
		{"bytes over PCIe in a wide type", value{whole: 5, bits: 64}.narrow(), node.Count{Value: 5, Bits: 32}},
		{"bytes over PCIe that are wide", value{whole: 1 << 32, bits: 64}.narrow(), node.Count{Value: 1 << 32, Bits: 64}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.got != node.Some(tc.want) {
				t.Errorf("got %+v, want %+v", tc.got, tc.want)
			}
		})
	}
}
