//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"
	"math"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

const (
	// maxEvents is how many events one call of Events hands over at most.
	maxEvents = 64
	// slice is how long one native wait lasts, so that Devices and Close get a turn in between.
	slice = 200 * time.Millisecond
)

// listen registers the XID errors of every GPU that is not yet registered. The caller holds the turn to enumerate.
func (d *Driver) listen() {
	if !d.hasAll("nvmlEventSetCreate", "nvmlDeviceRegisterEvents", "nvmlEventSetFree") ||
		!d.hasAny("nvmlEventSetWait_v2", "nvmlEventSetWait") {
		return
	}
	set := d.eventSet()
	if set == nil {
		return
	}
	deadline := time.Now().Add(d.patience)
	for _, b := range d.boards() {
		if b.heard || !b.turn.take(time.Until(deadline)) {
			continue
		}
		gpu := b.units[0]
		ret := gpu.handle.RegisterEvents(gonvml.EventTypeXidCriticalError, set)
		b.heard = ret == gonvml.SUCCESS || never(ret)
		if ret == gonvml.SUCCESS {
			d.mu.Lock()
			d.owners[gpu.handle] = gpu.device.ID
			d.mu.Unlock()
		} else if ret != b.mute {
			d.log.Debug("A device does not tell of XID errors", "device", gpu.device.ID, "err", text(ret))
		}
		b.mute = ret
		b.turn.give()
	}
}

// eventSet is the one event set, made anew where the old one failed, and nil where there can be none now.
func (d *Driver) eventSet() gonvml.EventSet {
	d.mu.RLock()
	set := d.set
	d.mu.RUnlock()
	if set != nil && !d.deaf.Load() {
		return set
	}
	if !d.listening.take(d.patience) {
		return nil
	}
	defer d.listening.give()
	d.free()
	set, ret := d.lib.EventSetCreate()
	if ret != gonvml.SUCCESS {
		d.log.Debug("There is no set of events", "err", text(ret))
		return nil
	}
	d.mu.Lock()
	d.set = set
	d.mu.Unlock()
	d.deaf.Store(false)
	return set
}

// free gives the event set back. The caller holds the turns to enumerate and to listen.
func (d *Driver) free() {
	d.mu.Lock()
	set := d.set
	d.set = nil
	clear(d.owners)
	d.mu.Unlock()
	if set != nil {
		_ = set.Free()
	}
	for _, b := range d.boards() {
		b.heard = false
	}
}

// Events waits for XID errors of the GPUs that Devices has listed, at most for the timeout. No event is no error. An error
// comes back only when the timeout is over, so a loop around Events need not slow itself down. An XID of a MIG instance is
// told of its GPU.
func (d *Driver) Events(timeout time.Duration) ([]node.Event, error) {
	deadline := time.Now().Add(timeout)
	for {
		if d.closed() {
			return nil, errClosed
		}
		events, err := d.wait(min(time.Until(deadline), slice))
		switch {
		case err != nil:
			d.pause(time.Until(deadline))
			return events, fmt.Errorf("wait for events: %w", err)
		case len(events) > 0, time.Until(deadline) <= 0:
			return events, nil
		}
	}
}

// wait is one turn of listening. Without a set of events it only lets the time pass.
func (d *Driver) wait(limit time.Duration) ([]node.Event, error) {
	if !d.listening.take(d.patience) {
		return nil, errors.New("an earlier wait has not come back from the driver")
	}
	defer d.listening.give()
	d.mu.RLock()
	set := d.set
	d.mu.RUnlock()
	if set == nil || d.deaf.Load() {
		d.pause(limit)
		return nil, nil
	}
	var events []node.Event
	timeout := milliseconds(limit)
	for range maxEvents {
		data, ret := set.Wait(timeout)
		if ret == gonvml.ERROR_TIMEOUT {
			break
		}
		if ret != gonvml.SUCCESS {
			d.deaf.Store(true)
			return events, d.fault("listen", ret)
		}
		timeout = 0
		d.mu.RLock()
		id, known := d.owners[data.Device]
		d.mu.RUnlock()
		if known && data.EventType == gonvml.EventTypeXidCriticalError {
			events = append(events, node.Event{Device: id, XID: int(data.EventData), At: time.Now()})
		}
	}
	return events, nil
}

// pause ends early when the driver is closed.
func (d *Driver) pause(rest time.Duration) {
	if rest <= 0 {
		return
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.done:
	}
}

// milliseconds, rounded up.
func milliseconds(d time.Duration) uint32 {
	ms := (d + time.Millisecond - 1) / time.Millisecond
	return uint32(min(max(ms, 0), math.MaxUint32-1))
}
