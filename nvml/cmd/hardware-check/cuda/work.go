//go:build cgo && linux

package cuda

// #include "driver.h"
import "C"

import (
	"fmt"
	"time"
)

// Sizes of the loads. A step of matrices is four products of two matrices of 2048 by 2048 floats, 69 GFLOP in kernels of
// milliseconds; a step of decoding is 128 kernels of microseconds that read 8.65 MB each, 1.1 GB of weights in all.
const (
	matrixSize, matrixTimes                 = 2048, 4
	decodeBlocks, decodeRows, decodeKernels = 132, 64, 128
)

// Work makes steps of a load: "matrix", or "decode" as of a model that makes one token at a time. A step waits for its end and
// returns how long it took by the GPU's events. What it takes of memory stays taken until the device is closed.
func (d *Device) Work(kind string) (step func() (time.Duration, error), err error) {
	start, err := d.work(kind)
	if err != nil {
		return nil, err
	}
	return func() (took time.Duration, err error) {
		from, err := d.Mark(Stream{})
		if err != nil {
			return 0, err
		}
		defer d.FreeEvent(from)
		if err := start(); err != nil {
			return 0, err
		}
		to, err := d.Mark(Stream{})
		if err != nil {
			return 0, err
		}
		defer d.FreeEvent(to)
		if err := d.Synchronize(); err != nil {
			return 0, err
		}
		return d.Between(from, to)
	}, nil
}

// work prepares a load and returns what starts a step.
func (d *Device) work(kind string) (start func() error, err error) {
	kernel, err := d.kernel(kind)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "matrix":
		var at [3]C.uint64_t
		for i := range at {
			if at[i], err = d.ones(4 * matrixSize * matrixSize); err != nil {
				return nil, err
			}
		}
		return func() error {
			return result("multiply", C.cuda_matrix(&d.c, kernel, at[0], at[1], at[2], matrixSize, matrixTimes))
		}, nil
	case "decode":
		weights, err := d.ones(4 * decodeBlocks * 256 * decodeRows * decodeKernels)
		if err != nil {
			return nil, err
		}
		out, err := d.ones(4 * decodeBlocks * 256)
		if err != nil {
			return nil, err
		}
		return func() error {
			return result("decode", C.cuda_decode(&d.c, kernel, weights, out, decodeBlocks, decodeRows, decodeKernels))
		}, nil
	}
	return nil, fmt.Errorf("there is no load %q", kind)
}

// ones takes device memory and fills it with floats of 1.
func (d *Device) ones(bytes uint64) (C.uint64_t, error) {
	pointer, err := d.Alloc(bytes)
	if err != nil {
		return 0, err
	}
	return C.uint64_t(pointer), result("fill memory", C.cuda_ones(&d.c, C.uint64_t(pointer), C.size_t(bytes)))
}
