//go:build cgo && linux

package main

import (
	"runtime"
	"time"
)

// A guard makes calls one at a time, on a thread of its own, and gives up one that does not come back: after it nothing more is
// called. Only one goroutine may use a guard.
type guard struct {
	patience time.Duration
	work     chan func()
	// stuck is the call that has not come back.
	stuck string
}

// ask makes a call and waits for it, at most for the guard's patience. It is not ok when the call, or an earlier one, has not
// come back. How long the call took is measured around it on its own thread.
func ask[T any](g *guard, what string, call func() T) (value T, took time.Duration, ok bool) {
	if g.stuck != "" {
		return value, 0, false
	}
	if g.work == nil {
		g.work = make(chan func())
		go serve(g.work)
	}
	type answer struct {
		value T
		took  time.Duration
	}
	back := make(chan answer, 1)
	g.work <- func() {
		start := time.Now()
		v := call()
		back <- answer{v, time.Since(start)}
	}
	timer := time.NewTimer(g.patience)
	defer timer.Stop()
	select {
	case a := <-back:
		return a.value, a.took, true
	case <-timer.C:
		g.stuck = what
		return value, 0, false
	}
}

// serve makes calls on one thread: CUDA keeps its context by thread.
func serve(work <-chan func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for call := range work {
		call()
	}
}

// end lets the guard's thread go, unless it is stuck.
func (g *guard) end() {
	if g.work != nil && g.stuck == "" {
		close(g.work)
		g.work = nil
	}
}
