//go:build cgo && linux

package main

import (
	"errors"
	"fmt"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// step is how much memory is taken at once: more than any allocator keeps in reserve.
const step = 64 << 20

// memory takes and frees memory, and reads without a pause until NVML shows it.
func (b *board) memory(limit time.Duration) error {
	if err := b.openCUDA(); err != nil {
		return err
	}
	if !b.lib.hasAny("nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetMemoryInfo") {
		return errors.New("the library has no call for memory")
	}
	m := &Memory{StepBytes: step}
	b.report.Memory = m
	var allocated, freed []float64
	defer func() { m.Allocated, m.Freed = spread(allocated), spread(freed) }()
	for end := time.Now().Add(limit); m.Steps < 2 || until(end) && m.Steps < 1000; {
		before, err := b.used()
		if err != nil {
			return err
		}
		pointer, at, err := b.allocate()
		if err != nil {
			return err
		}
		enough := func(used uint64) bool { return used >= before+step/2 }
		if allocated, err = b.await(m, at, enough, allocated); err != nil {
			return err
		}
		if at, err = b.release(pointer); err != nil {
			return err
		}
		little := func(used uint64) bool { return used < before+step/2 }
		if freed, err = b.await(m, at, little, freed); err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
	return nil
}

// await reads until NVML shows a step that was made at an instant, at most for a second.
func (b *board) await(m *Memory, at time.Time, shown func(uint64) bool, took []float64) ([]float64, error) {
	m.Steps++
	for {
		used, err := b.used()
		if err != nil {
			return took, err
		}
		since := time.Since(at)
		switch {
		case shown(used):
			if since > 10*time.Millisecond {
				m.Late++
			}
			return append(took, micros(since)), nil
		case since > time.Second:
			m.Unseen++
			return took, nil
		}
	}
}

// allocate takes a step of memory, and says when CUDA had given it.
func (b *board) allocate() (pointer uint64, at time.Time, err error) {
	type given struct {
		pointer uint64
		at      time.Time
		err     error
	}
	g, _, ok := ask(&b.spin.guard, "allocating memory", func() (g given) {
		g.pointer, g.err = b.spin.cuda.Alloc(step)
		g.at = time.Now()
		return g
	})
	if !ok {
		return 0, at, errCUDAHung
	}
	return g.pointer, g.at, g.err
}

// release gives a step of memory back, and says when CUDA had taken it.
func (b *board) release(pointer uint64) (at time.Time, err error) {
	type taken struct {
		at  time.Time
		err error
	}
	t, _, ok := ask(&b.spin.guard, "freeing memory", func() (t taken) {
		t.err = b.spin.cuda.Free(pointer)
		t.at = time.Now()
		return t
	})
	if !ok {
		return at, errCUDAHung
	}
	return t.at, t.err
}

// used memory in bytes.
func (b *board) used() (uint64, error) {
	type got struct {
		used uint64
		ret  gonvml.Return
	}
	v2 := b.lib.has("nvmlDeviceGetMemoryInfo_v2")
	g, _, ok := ask(b.guard, "nvmlDeviceGetMemoryInfo", func() got {
		if v2 {
			m, ret := b.handle.GetMemoryInfo_v2()
			return got{m.Used, ret}
		}
		m, ret := b.handle.GetMemoryInfo()
		return got{m.Used, ret}
	})
	if !ok {
		return 0, errHung
	}
	if g.ret != gonvml.SUCCESS {
		return 0, fmt.Errorf("read memory: %s", text(g.ret))
	}
	return g.used, nil
}
