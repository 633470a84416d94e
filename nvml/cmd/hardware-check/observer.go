//go:build cgo && linux

package main

import (
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// An observer watches a load by every source of utilisation for the same time.
type observer struct {
	board    *board
	counters *counters // nil where there are none
	span     span
	// What the sources made of it, nil where they told nothing.
	liveRatio, ringRatio, gpmRatio *float64

	cursor        uint64
	busy, covered time.Duration
}

// observe for a time, at least a second.
func (o *observer) observe(limit time.Duration) error {
	if err := o.begin(); err != nil {
		return err
	}
	o.span.from = time.Now()
	end := o.span.from.Add(max(limit, time.Second))
	var sum float64
	reads := 0
	for ; until(end); reads++ {
		u, err := o.board.live()
		if err != nil {
			return err
		}
		sum += u
		if reads%10 == 9 {
			if err := o.ring(); err != nil {
				return err
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	o.span.to = time.Now()
	if reads > 0 {
		o.liveRatio = new(sum / float64(reads) / 100)
	}
	return o.finish()
}

// begin sets the ring's cursor and takes the first sample of the counters.
func (o *observer) begin() error {
	if o.board.lib.has("nvmlDeviceGetSamples") {
		samples, _, err := o.board.samples(gonvml.GPU_UTILIZATION_SAMPLES, 0)
		if err != nil {
			return err
		}
		o.cursor = newest(samples)
	}
	if o.counters == nil {
		return nil
	}
	ret, err := o.counters.take()
	if ret != gonvml.SUCCESS {
		o.counters = nil
	}
	return err
}

// ring adds what is new in the ring.
func (o *observer) ring() error {
	if o.cursor == 0 {
		return nil
	}
	samples, _, err := o.board.samples(gonvml.GPU_UTILIZATION_SAMPLES, o.cursor)
	if err != nil {
		return err
	}
	busy, covered := integral(samples, o.cursor)
	o.busy, o.covered, o.cursor = o.busy+busy, o.covered+covered, max(o.cursor, newest(samples))
	return nil
}

// finish reads the ring a last time, and the counters.
func (o *observer) finish() error {
	if err := o.ring(); err != nil {
		return err
	}
	if o.covered > 0 {
		o.ringRatio = new(float64(o.busy) / float64(o.covered))
	}
	if o.counters == nil {
		return nil
	}
	if ret, err := o.counters.take(); err != nil || ret != gonvml.SUCCESS {
		return err
	}
	told, ret, err := o.counters.between()
	if err != nil || ret != gonvml.SUCCESS {
		return err
	}
	var graphics GPMMetric
	if v, finite := graphics.heed(told[0].Value, int(told[0].NvmlReturn)); finite {
		o.gpmRatio = new(v / 100)
	}
	return nil
}
