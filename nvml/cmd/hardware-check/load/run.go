//go:build cgo && linux

package load

import (
	"context"
	"fmt"
	"time"

	"gpusignal/nvml/cmd/hardware-check/cuda"
)

// Run goes through the steps, the plan beginning at an instant, and returns what was done. It belongs on the device's thread. A kernel
// that was started before ctx ended is waited for.
func Run(ctx context.Context, d *cuda.Device, begin time.Duration, steps []Step, seed uint64) (Log, error) {
	var out Log
	var streams []cuda.Stream
	for _, s := range steps {
		for len(streams) < max(1, s.Streams) {
			stream, err := d.Stream()
			if err != nil {
				return nil, err
			}
			streams = append(streams, stream)
		}
	}
	for i, s := range steps {
		from := begin + s.At
		until(from)
		if ctx.Err() != nil {
			break
		}
		done, err := run(ctx, d, streams, from, s.bursts(seed+uint64(i)))
		out = append(append(out, Line{What: Began, Name: s.Name, From: from, To: from + s.Length}), done...)
		if err != nil {
			return out, fmt.Errorf("run step %q: %w", s.Name, err)
		}
	}
	return out, nil
}

// started is a kernel with the events around it.
type started struct {
	from, to cuda.Event
	host     time.Duration
	stream   int
}

// run starts the kernels of a step when it is time for them, waits for all of them, and then asks the events when they ran.
func run(ctx context.Context, d *cuda.Device, streams []cuda.Stream, begin time.Duration, bursts []burst) (Log, error) {
	origin, at, err := anchor(d)
	if err != nil {
		return nil, err
	}
	defer d.FreeEvent(origin)
	var all []started
	for _, b := range bursts {
		until(begin + b.at - b.ahead)
		if ctx.Err() != nil {
			break
		}
		s := started{host: Now(), stream: b.stream}
		if s.from, err = d.Mark(streams[b.stream]); err != nil {
			return nil, err
		}
		if err := d.SpinOn(streams[b.stream], b.length); err != nil {
			return nil, err
		}
		if s.to, err = d.Mark(streams[b.stream]); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if err := d.Synchronize(); err != nil {
		return nil, err
	}
	var out Log
	for _, s := range all {
		from, err := d.Between(origin, s.from)
		if err != nil {
			return nil, err
		}
		to, err := d.Between(origin, s.to)
		if err != nil {
			return nil, err
		}
		d.FreeEvent(s.from)
		d.FreeEvent(s.to)
		out = append(out, Line{What: Burst, Stream: s.stream, From: at + from, To: at + to, Host: s.host})
	}
	return out, nil
}

// anchor returns an event and when it was by this machine's clock, to some ten microseconds.
func anchor(d *cuda.Device) (cuda.Event, time.Duration, error) {
	e, err := d.Mark(cuda.Stream{})
	if err != nil {
		return e, 0, err
	}
	if err := d.Synchronize(); err != nil {
		return e, 0, err
	}
	return e, Now(), nil
}

// Repeat makes steps of a load ("matrix", "decode") until ctx ends, at least one, and returns how long each took.
func Repeat(ctx context.Context, d *cuda.Device, kind string) (Log, error) {
	step, err := d.Work(kind)
	if err != nil {
		return nil, err
	}
	for out := (Log{}); ; {
		from := Now()
		took, err := step()
		if err != nil {
			return out, err
		}
		to := Now()
		out = append(out, Line{What: Work, To: to, Host: to - from, GPU: took})
		if ctx.Err() != nil {
			return out, nil
		}
	}
}
