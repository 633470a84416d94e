// Package nvml reads NVIDIA GPUs through the driver's library. It is the only package with cgo and the only one that knows
// go-nvml; built without cgo it has a Driver that says so.
//
// Four facts about the library shape it. A function that the library lacks ends the process at its first call, so each one
// is looked up before its first use. Two calls at once on one GPU crash some drivers, so a GPU has one lock. A call that
// hangs cannot be cancelled, so nobody waits for one longer than a second, and for the library to open ten. And a library stays mapped until the process
// ends, so one that does not fit the kernel module cannot be exchanged: that is node.ErrDriverMismatch.
package nvml

import (
	"errors"
	"log/slog"
)

// DefaultLibrary is what the driver calls its library.
const DefaultLibrary = "libnvidia-ml.so.1"

// Config of a Driver.
type Config struct {
	// Library is the path of libnvidia-ml.so.1, or a name that the dynamic linker finds. Empty means DefaultLibrary.
	Library string
	// Logger hears of what a device or a library cannot tell, once each.
	Logger *slog.Logger
}

func (c Config) library() string {
	if c.Library == "" {
		return DefaultLibrary
	}
	return c.Library
}

// errClosed is the answer of a driver that was closed.
var errClosed = errors.New("driver is closed")
