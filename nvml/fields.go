//go:build cgo && linux

package nvml

import (
	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// field is one value that nvmlDeviceGetFieldValues tells: its id and scope by nvml.h, the feature that it is a part of, and where
// it goes.
type field struct {
	id, scope uint32
	feature   node.Feature
	to        func(*node.Reading, value)
	// twice says that a call of its own tells the same: the device does not lack the feature where the field is refused.
	twice bool
	// instead is asked for from then on where this one is refused.
	instead *field
}

// batch is the fields of one call. Its arrays are used again for each reading.
type batch struct {
	fields []field // what was not refused; nil before the first reading
	values []gonvml.FieldValue
}

// unanswered is a code that no driver gives: the field was left as it was.
const unanswered = ^uint32(0)

// ask reads a batch in one call. A field that is refused is not asked for again.
func (r *reader) ask(b *batch, table func(driver string) []field) {
	if b.fields == nil {
		b.fields = table(r.unit.device.Driver)
		b.values = make([]gonvml.FieldValue, len(b.fields))
	}
	if r.end != nil || len(b.fields) == 0 {
		return
	}
	values := b.values[:len(b.fields)]
	for i, f := range b.fields {
		// The whole of it is written anew: some drivers add to a value that they find.
		values[i] = gonvml.FieldValue{FieldId: f.id, ScopeId: f.scope, NvmlReturn: unanswered}
	}
	ret := gonvml.ERROR_FUNCTION_NOT_FOUND
	if !r.off(node.FeatureFields) {
		ret = r.call(node.FeatureFields, func() gonvml.Return { return r.unit.handle.GetFieldValues(values) })
	}
	switch {
	case ret == gonvml.SUCCESS:
		r.heed(node.FeatureFields, ret)
		r.take(b, values)
	case !ends(ret) && answered(values): // and each of them says why it cannot be told
		r.take(b, values)
	case ret != gonvml.ERROR_FUNCTION_NOT_FOUND && never(ret): // of these fields: of others it may tell
		r.forgo(b, ret)
	case !r.heed(node.FeatureFields, ret) && never(ret):
		r.forgo(b, ret)
	}
}

// answered says that a driver looked at the fields, though it could tell none of them.
func answered(values []gonvml.FieldValue) bool {
	for i := range values {
		if values[i].NvmlReturn != unanswered {
			return true
		}
	}
	return false
}

// take puts what was told into the reading and leaves what was refused out of the batch.
func (r *reader) take(b *batch, values []gonvml.FieldValue) {
	var verdicts [node.FeatureCount]verdict
	left := b.fields[:0]
	for i, f := range b.fields {
		v := &verdicts[f.feature]
		v.left = v.left || f.twice
		ret := gonvml.Return(values[i].NvmlReturn)
		switch {
		case ret == gonvml.SUCCESS:
			if value, ok := valueOf(&values[i]); ok {
				f.to(&r.reading, value)
			}
			v.told = true
		case never(ret) || ret == gonvml.ERROR_INVALID_ARGUMENT: // an older driver does not know the field
			v.refused = ret
			if f.instead == nil {
				continue
			}
			f = *f.instead
		case !ends(v.failed):
			v.failed = ret
		}
		v.left = true
		left = append(left, f)
	}
	b.fields = left
	for feature := range node.Feature(node.FeatureCount) {
		r.conclude(feature, verdicts[feature])
	}
}

// forgo gives a batch up.
func (r *reader) forgo(b *batch, ret gonvml.Return) {
	for _, f := range b.fields {
		if !f.twice {
			r.lack(f.feature, text(ret))
		}
	}
	b.fields = b.fields[:0]
}

// tells says that a field of the batch stands for a feature.
func (b *batch) tells(f node.Feature) bool {
	for i := range b.fields {
		if b.fields[i].feature == f {
			return true
		}
	}
	return false
}
