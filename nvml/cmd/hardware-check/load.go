//go:build cgo && linux

package main

import (
	"errors"
	"fmt"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// load lets kernels of known length run, and looks when utilisation follows and what its sources make of a known duty.
func (b *board) load(limit time.Duration) error {
	if err := b.openCUDA(); err != nil {
		return err
	}
	if !b.lib.has("nvmlDeviceGetUtilizationRates") {
		return errors.New("the library lacks nvmlDeviceGetUtilizationRates")
	}
	b.report.Load = &Load{}
	if err := b.steps(limit / 2); err != nil {
		return err
	}
	return b.duty(limit / 2)
}

// live utilisation in percent.
func (b *board) live() (float64, error) {
	t, err := b.number("nvmlDeviceGetUtilizationRates", func() (float64, gonvml.Return) {
		rates, ret := b.handle.GetUtilizationRates()
		return float64(rates.Gpu), ret
	})
	if err == nil && t.ret != gonvml.SUCCESS {
		err = fmt.Errorf("read utilisation: %s", text(t.ret))
	}
	return t.value, err
}

// steps of load, each a kernel of a second after a pause.
func (b *board) steps(limit time.Duration) error {
	l := b.report.Load
	var first, full, gone []float64
	defer func() { l.First, l.Full, l.Gone = spread(first), spread(full), spread(gone) }()
	for end := time.Now().Add(limit); l.Steps == 0 || until(end); l.Steps++ {
		if _, err := b.awaitLive(time.Now(), func(u float64) bool { return u == 0 }); err != nil {
			return err
		}
		began := time.Now()
		stop := b.spin.bursts(regular(time.Second, time.Millisecond))
		rise, err := b.awaitLive(began, func(u float64) bool { return u > 0 })
		var top *float64
		if err == nil {
			top, err = b.awaitLive(began, func(u float64) bool { return u >= 95 })
		}
		spans, failure := stop()
		if err != nil {
			return err
		}
		if failure != nil {
			return failure
		}
		fall, err := b.awaitLive(spans[len(spans)-1].to, func(u float64) bool { return u == 0 })
		if err != nil {
			return err
		}
		if rise == nil || top == nil || fall == nil {
			l.Unseen++
		}
		first, full, gone = add(first, rise), add(full, top), add(gone, fall)
	}
	return nil
}

// add a value that is known.
func add(values []float64, value *float64) []float64 {
	if value == nil {
		return values
	}
	return append(values, *value)
}

// awaitLive reads utilisation until it is as wanted, at most for two seconds, and returns the milliseconds since an instant.
func (b *board) awaitLive(since time.Time, wanted func(float64) bool) (*float64, error) {
	for end := time.Now().Add(2 * time.Second); until(end); time.Sleep(2 * time.Millisecond) {
		u, err := b.live()
		if err != nil {
			return nil, err
		}
		if wanted(u) {
			return new(millis(time.Since(since))), nil
		}
	}
	return nil, nil
}

// duty is a load of bursts that run for 60 of each 200 ms, and what live readings, the ring and hardware counters make of it.
func (b *board) duty(limit time.Duration) error {
	const on, off = 60 * time.Millisecond, 140 * time.Millisecond
	counters, _, err := b.openCounters()
	if errors.Is(err, errHung) {
		return err
	}
	if counters != nil {
		defer counters.close()
	}
	stop := b.spin.bursts(regular(on, off))
	time.Sleep(time.Second) // every source's window fills
	o := observer{board: b, counters: counters}
	err = o.observe(limit)
	spans, failure := stop()
	if err != nil {
		return err
	}
	if failure != nil {
		return failure
	}
	length := o.span.to.Sub(o.span.from)
	b.report.Load.Duty = &Duty{
		Seconds: length.Seconds(), OnMS: millis(on), OffMS: millis(off),
		True: float64(within(spans, o.span)) / float64(length),
		Live: o.liveRatio, Ring: o.ringRatio, GPM: o.gpmRatio,
	}
	return nil
}
