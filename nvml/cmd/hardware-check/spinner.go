//go:build cgo && linux

package main

import (
	"errors"
	"math/rand/v2"
	"time"

	"gpusignal/nvml/cmd/hardware-check/cuda"
)

// A spinner puts load on a GPU by kernels of known length, on a thread of its own.
type spinner struct {
	guard guard
	cuda  *cuda.Device
}

// openCUDA opens the spinner of a board, once.
func (b *board) openCUDA() error {
	if b.spin != nil || b.noCUDA != nil {
		return b.noCUDA
	}
	switch {
	case b.lib.opts.cuda == "":
		b.noCUDA = errors.New("without CUDA")
	case b.mig:
		b.noCUDA = errors.New("MIG is on: a program on an instance is not a load of the GPU")
	case b.report.PCI == "":
		b.noCUDA = errors.New("the GPU's PCI address is not known")
	default:
		s := &spinner{guard: guard{patience: b.lib.opts.deadline}}
		err, _, ok := ask(&s.guard, "opening CUDA", func() (err error) { s.cuda, err = cuda.Open(b.lib.opts.cuda, b.report.PCI); return err })
		switch {
		case !ok:
			b.noCUDA = errors.New("CUDA does not open: a call has not come back")
		case err != nil:
			b.noCUDA = err
			s.guard.end()
		default:
			b.spin = s
		}
	}
	return b.noCUDA
}

func (s *spinner) close() {
	_, _, _ = ask(&s.guard, "closing CUDA", func() error { s.cuda.Close(); return nil })
	s.guard.end()
}

// errCUDAHung ends a part that needs a load.
var errCUDAHung = errors.New("a call of CUDA has not come back")

// run spins for a length and returns when the kernel ran, by this machine's clock.
func (s *spinner) run(length time.Duration) (span, error) {
	type ran struct {
		span span
		err  error
	}
	r, _, ok := ask(&s.guard, "running a kernel", func() (r ran) {
		r.span.from = time.Now()
		r.err = s.cuda.Spin(length)
		r.span.to = time.Now()
		return r
	})
	if !ok {
		return span{}, errCUDAHung
	}
	return r.span, r.err
}

// bursts runs kernels until it is stopped; stop waits for the last and returns when they ran. Meanwhile the spinner is taken.
func (s *spinner) bursts(next func() (on, off time.Duration)) (stop func() ([]span, error)) {
	halt, done := make(chan struct{}), make(chan struct{})
	var spans []span
	var err error
	go func() {
		defer close(done)
		for {
			on, off := next()
			var ran span
			if ran, err = s.run(on); err != nil {
				return
			}
			spans = append(spans, ran)
			select {
			case <-halt:
				return
			case <-time.After(off):
			}
		}
	}()
	return func() ([]span, error) {
		close(halt)
		<-done
		return spans, err
	}
}

// regular bursts.
func regular(on, off time.Duration) func() (time.Duration, time.Duration) {
	return func() (time.Duration, time.Duration) { return on, off }
}

// irregular bursts, so that no sample period sees the same load twice; the same in each run.
func irregular() func() (time.Duration, time.Duration) {
	random := rand.New(rand.NewPCG(1, 2))
	return func() (time.Duration, time.Duration) {
		length := func() time.Duration { return time.Duration(10+random.IntN(150)) * time.Millisecond }
		return length(), length()
	}
}
