//go:build cgo && linux

package nvml

import (
	"encoding/binary"
	"math"
	"testing"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

func field(valueType uint32, raw uint64) *gonvml.FieldValue {
	f := &gonvml.FieldValue{ValueType: valueType}
	binary.NativeEndian.PutUint64(f.Value[:], raw)
	return f
}

func TestNumber(t *testing.T) {
	for _, tc := range []struct {
		name  string
		kind  uint32
		raw   uint64
		want  float64
		known bool
	}{
		{"double", 0, math.Float64bits(1.5), 1.5, true},
		{"double NaN", 0, math.Float64bits(math.NaN()), 0, false},
		{"double Inf", 0, math.Float64bits(math.Inf(1)), 0, false},
		{"uint32 beside garbage", 1, 0xdead_0000_0000_0007, 7, true},
		{"uint32 not available", 1, math.MaxUint32, 0, false},
		{"unsigned long", 2, 9, 9, true},
		{"uint64", 3, 1 << 40, 1 << 40, true},
		{"uint64 not available", 3, math.MaxUint64, 0, false},
		{"int64", 4, 12, 12, true},
		{"int64 below zero", 4, math.MaxUint64, 0, false},
		{"int32", 5, 40, 40, true},
		{"int32 below zero", 5, math.MaxUint32, 0, false},
		{"uint16 beside garbage", 6, 0xffff_0003, 3, true},
		{"unknown type", 7, 1, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, known := number(field(tc.kind, tc.raw))
			if known != tc.known || known && got != tc.want {
				t.Errorf("got %v %t, want %v %t", got, known, tc.want, tc.known)
			}
		})
	}
}

func FuzzNumber(f *testing.F) {
	f.Add(uint32(0), math.Float64bits(math.NaN()))
	f.Add(uint32(1), uint64(7))
	f.Fuzz(func(t *testing.T, kind uint32, raw uint64) {
		if v, ok := number(field(kind, raw)); ok && (math.IsNaN(v) || math.IsInf(v, 0) || v < 0) {
			t.Errorf("type %d, value %x: %v", kind, raw, v)
		}
	})
}
