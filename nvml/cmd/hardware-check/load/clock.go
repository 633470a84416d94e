package load

import (
	"syscall"
	"time"
	"unsafe"
)

// Now is the time since the machine started by CLOCK_MONOTONIC, which all processes of a machine share. All instants of this package
// are by it.
func Now() time.Duration {
	const clockMonotonic = 1 // linux/time.h
	var t syscall.Timespec
	_, _, _ = syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano())
}

// until sleeps until an instant.
func until(at time.Duration) { time.Sleep(at - Now()) }
