//go:build cgo && linux

package nvml

import (
	"slices"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

const (
	// lostFirst is how long a GPU has to be lost before the library is opened again for it, and lostMost the longest pause
	// between two such attempts; it doubles.
	lostFirst = time.Minute
	lostMost  = 32 * time.Minute
)

// lost is kept of GPUs that have fallen away or need a reset. Many come back under the handle that there is; the others show only
// in a new life of the library, which costs all GPUs some readings, and so is tried seldom. It is guarded by the turn to
// enumerate, and missing by mu too.
type lost struct {
	since   time.Time     // some GPU is lost since then, or since the last attempt; zero while none is
	pause   time.Duration // until the next attempt
	missing []node.Device // lost before the last attempt, and not there since
}

// fallen says that a return code speaks of a GPU that is gone, or dead until it is reset.
func fallen(ret gonvml.Return) bool {
	return ret == gonvml.ERROR_GPU_IS_LOST || ret == gonvml.ERROR_RESET_REQUIRED || ret == gonvml.ERROR_GPU_NOT_FOUND
}

// renewal is kept of the last time that a device had the library opened again. The zero value is of none. It is guarded by the
// turn to enumerate.
type renewal struct {
	at    time.Time
	pause time.Duration // until the next one
}

// due says whether the library is to be opened again because something said that its life has ended. The first time it is at
// once; a device that says so over and over has it done ever more seldom, because each time costs all GPUs some readings.
func (d *Driver) due() bool {
	r := &d.renewal
	now := d.now()
	since := now.Sub(r.at)
	switch {
	case r.at.IsZero() || since >= 2*r.pause:
		*r = renewal{at: now, pause: lostFirst}
	case since >= r.pause:
		*r = renewal{at: now, pause: min(2*r.pause, lostMost)}
	default:
		d.stale.Store(false) // Only what is said after the pause counts.
		return false
	}
	return true
}

// revive ends this life of the library when it is time to look for lost GPUs in another one. It leaves it alone while a call has
// not come back.
func (d *Driver) revive() {
	l := &d.lost
	now := d.now()
	switch {
	case !d.opened:
	case len(l.missing) == 0 && !slices.ContainsFunc(d.boards(), func(b *board) bool { return b.lost.Load() }):
		l.since, l.pause = time.Time{}, lostFirst
	case l.since.IsZero():
		l.since = now
	case now.Sub(l.since) >= l.pause:
		l.since, l.pause = now, min(2*l.pause, lostMost)
		if d.shut() {
			d.log.Info("Opening NVML again to look for lost GPUs", "next", l.pause)
		}
	}
}

// mourn keeps the devices of lost boards on the list beyond this life of the library. The caller holds mu.
func (d *Driver) mourn(boards []*board) {
	for _, b := range boards {
		for _, u := range b.units {
			if b.lost.Load() {
				d.lost.missing = append(d.lost.missing, u.device)
			}
		}
	}
}

// stillMissing are the devices that were lost before this life of the library and are not there again. The caller holds mu.
func (d *Driver) stillMissing() []node.Device {
	d.lost.missing = slices.DeleteFunc(d.lost.missing, func(device node.Device) bool {
		id := device.ID
		if device.Parent != "" {
			id = device.Parent // Its instances are what they are now.
		}
		return d.units[id] != nil
	})
	return d.lost.missing
}
