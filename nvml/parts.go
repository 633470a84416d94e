//go:build cgo && linux

package nvml

import (
	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// verdict is what the fields, or the calls, of one feature came to in one reading: they are logged as one.
type verdict struct {
	// told says that one worked, and left that one is worth another attempt.
	told, left bool
	// failed is the code of one that failed this time, refused of one that always will.
	failed, refused gonvml.Return
}

// conclude draws the consequence for the feature. The device lacks it when nothing of it is left.
func (r *reader) conclude(f node.Feature, v verdict) {
	r.got = r.got || v.told
	switch {
	case r.end != nil:
	case v.failed != gonvml.SUCCESS:
		r.heed(f, v.failed)
	case v.told:
		r.heed(f, gonvml.SUCCESS)
	case v.refused != gonvml.SUCCESS && !v.left:
		r.lack(f, text(v.refused))
	}
}

// part is one call of a feature that has several.
type part struct {
	function string // of the library
	call     func(gonvml.Device) (uint64, gonvml.Return)
	to       func(uint64)
}

// every makes all calls of a feature, save those that were refused before: their bits are set.
func (r *reader) every(f node.Feature, refused *uint32, parts ...part) {
	r.parts(f, refused, parts, false)
}

// first makes the first call of a feature that is not refused.
func (r *reader) first(f node.Feature, refused *uint32, parts ...part) {
	r.parts(f, refused, parts, true)
}

func (r *reader) parts(f node.Feature, refused *uint32, parts []part, one bool) {
	if r.off(f) {
		return
	}
	var v verdict
	for i, p := range parts {
		bit := uint32(1) << i
		if r.end != nil || ends(v.failed) || *refused&bit != 0 || one && v.left {
			continue
		}
		var n uint64
		ret := gonvml.ERROR_FUNCTION_NOT_FOUND
		if r.has(p.function) {
			ret = r.call(f, func() (ret gonvml.Return) { n, ret = p.call(r.unit.handle); return ret })
		}
		switch {
		case never(ret):
			*refused |= bit
			v.refused = ret
			continue
		case ret == gonvml.SUCCESS:
			v.told = true
			p.to(n)
		default:
			v.failed = ret
		}
		v.left = true
	}
	r.conclude(f, v)
}
