//go:build cgo && linux

package main

import (
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// latency makes every call in turn, again and again, until each was made often enough or the time is over. A call that the GPU
// refuses for good is not made again.
func (b *board) latency(limit time.Duration) error {
	calls := b.calls()
	took := make([][]float64, len(calls))
	over := make([]bool, len(calls))
	b.report.Calls = make([]Call, len(calls))
	for i, c := range calls {
		over[i] = !b.lib.hasAny(c.needs...)
		b.report.Calls[i] = Call{Name: c.name, Feature: c.feature, Missing: over[i]}
	}
	defer func() {
		for i := range calls {
			b.report.Calls[i].Took = spread(took[i])
		}
	}()
	end := time.Now().Add(limit)
	for pass := 0; pass < b.lib.opts.calls && (pass == 0 || until(end)); pass++ {
		for i, c := range calls {
			if over[i] {
				continue
			}
			ret, spent, ok := ask(b.guard, c.name, c.do)
			if !ok {
				return errHung
			}
			over[i] = b.report.Calls[i].heed(ret)
			if over[i] {
				b.lack(c.name, ret)
			} else if ret == gonvml.SUCCESS || ret == gonvml.ERROR_NOT_FOUND {
				took[i] = append(took[i], micros(spent))
			}
		}
	}
	return b.fields()
}

// heed counts what a call answered, and says whether it is of no use to make it again.
func (c *Call) heed(ret gonvml.Return) bool {
	switch ret {
	case gonvml.SUCCESS:
	case gonvml.ERROR_NOT_FOUND:
		c.NothingNew++
	default:
		c.Failed++
		c.Code = int(ret)
		return refused(ret)
	}
	return false
}

// fields takes note of the fields that the GPU does not tell: each has a code of its own within the batch.
func (b *board) fields() error {
	if !b.lib.has("nvmlDeviceGetFieldValues") {
		return nil
	}
	for _, f := range append(counterFields(), statusFields()...) {
		values := []gonvml.FieldValue{f.ask()}
		ret, _, ok := ask(b.guard, f.name, func() gonvml.Return {
			if ret := b.handle.GetFieldValues(values); ret != gonvml.SUCCESS {
				return ret
			}
			return gonvml.Return(values[0].NvmlReturn)
		})
		if !ok {
			return errHung
		}
		if ret != gonvml.SUCCESS {
			b.lack("field "+f.name, ret)
		}
	}
	return nil
}
