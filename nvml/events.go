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

// kinds of events by their bits in nvml.h.
func kinds() [node.EventKinds]uint64 {
	return [...]uint64{
		node.EventXID:            gonvml.EventTypeXidCriticalError,
		node.EventECCSingleBit:   gonvml.EventTypeSingleBitEccError,
		node.EventECCDoubleBit:   gonvml.EventTypeDoubleBitEccError,
		node.EventMIGConfig:      gonvml.EventMigConfigChange,
		node.EventUnavailable:    gonvml.EventTypeGpuUnavailableError,
		node.EventRecoveryAction: gonvml.EventTypeGpuRecoveryAction,
	}
}

// hears says whether the library has what it takes to wait for events.
func (d *Driver) hears() bool {
	return d.hasAll("nvmlEventSetCreate", "nvmlDeviceRegisterEvents", "nvmlEventSetFree") &&
		d.hasAny("nvmlEventSetWait_v2", "nvmlEventSetWait")
}

// listen registers the events of every GPU that is not yet registered. One that is lost would end every wait with an error, so it
// has to be back first. The caller holds the turn to enumerate.
func (d *Driver) listen() {
	if !d.hears() {
		return
	}
	set := d.eventSet()
	if set == nil {
		return
	}
	deadline := time.Now().Add(d.patience)
	for _, b := range d.boards() {
		if b.heard || b.unheard || b.lost.Load() || len(b.units) == 0 || !b.turn.take(time.Until(deadline)) {
			continue
		}
		gpu, answer := b.units[0], new(gonvml.Return)
		if !d.attempt(b, func() { *answer = d.register(gpu, set) }) {
			d.kept = true
			continue
		}
		ret := *answer
		b.heard = ret == gonvml.SUCCESS || never(ret)
		if ret != gonvml.SUCCESS && ret != b.mute {
			d.log.Debug("A device does not tell of events", "device", gpu.device.ID, "err", text(ret))
		}
		b.mute = ret
		if ret == gonvml.ERROR_UNKNOWN {
			// By nvml.h the set is in an undefined state now: it is made anew, without this GPU.
			b.unheard = true
			d.deaf.Store(true)
			return
		}
	}
}

// register has a GPU put its events into a set, those of ours that it supports. The caller holds the board's turn.
func (d *Driver) register(gpu *unit, set gonvml.EventSet) gonvml.Return {
	const xid = uint64(gonvml.EventTypeXidCriticalError)
	var ours uint64
	for _, bit := range kinds() {
		ours |= bit
	}
	types := xid
	if d.has("nvmlDeviceGetSupportedEventTypes") {
		if supported, ret := told(d, gpu.board, node.FeatureEvents, gpu.handle.GetSupportedEventTypes); ret == gonvml.SUCCESS {
			types = ours & supported
		}
	}
	put := func(types uint64) gonvml.Return {
		return d.timed(gpu.board, node.FeatureEvents, func() gonvml.Return { return gpu.handle.RegisterEvents(types, set) })
	}
	ret := gonvml.ERROR_NOT_SUPPORTED
	if types != 0 {
		ret = put(types)
	}
	if ret == gonvml.ERROR_NOT_SUPPORTED && types&xid != 0 && types != xid {
		ret = put(xid)
	}
	switch {
	case ret == gonvml.SUCCESS:
		d.mu.Lock()
		d.owners[gpu.handle] = gpu.device.ID
		d.mu.Unlock()
	case never(ret) || ret == gonvml.ERROR_UNKNOWN:
		d.lack(gpu, node.FeatureEvents, text(ret))
	}
	return ret
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
	d.freeSet()
	set, ret := told(d, nil, node.FeatureEvents, d.lib.EventSetCreate)
	if ret != gonvml.SUCCESS {
		d.log.Debug("There is no set of events", "err", text(ret))
		d.deaf.Store(true)
		return nil
	}
	d.mu.Lock()
	d.set = set
	d.mu.Unlock()
	return set
}

// freeSet gives the event set back. The caller holds the turns to enumerate and to listen.
func (d *Driver) freeSet() {
	d.mu.Lock()
	set := d.set
	d.set = nil
	clear(d.owners)
	d.mu.Unlock()
	d.deaf.Store(false)
	if set != nil && !d.kept {
		_ = d.timed(nil, node.FeatureEvents, set.Free)
	}
	d.kept = false
	for _, b := range d.boards() {
		b.heard = false
	}
}

// Events waits for events of the GPUs that Devices has listed, at most for the timeout. No event is no error. An error
// comes back only when the timeout is over, so a loop around Events need not slow itself down; after one there are no events until
// Devices has been called, which makes the set of them anew, and each Events until then says so. What happens to a MIG instance is
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

// errDeaf is the answer while the set of events waits to be made anew.
var errDeaf = errors.New("the set of events has failed, and is made anew with the next enumeration")

// wait is one turn of listening. Without a set of events it only lets the time pass.
func (d *Driver) wait(limit time.Duration) ([]node.Event, error) {
	if !d.listening.take(d.patience) {
		return nil, errors.New("an earlier wait has not come back from the driver")
	}
	defer d.listening.give()
	d.mu.RLock()
	set := d.set
	d.mu.RUnlock()
	switch {
	case d.deaf.Load():
		return nil, errDeaf
	case set == nil:
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
		if u := d.units[id]; u != nil && data.EventType&gonvml.EventMigConfigChange != 0 {
			u.board.changes.Add(1)
		}
		d.mu.RUnlock()
		if !known {
			continue
		}
		events = appendEvents(events, id, data, d.now())
	}
	return events, nil
}

// appendEvents what the driver told of a GPU: the kinds of which it carries the bit, and the number of an XID error.
func appendEvents(events []node.Event, id node.DeviceID, data gonvml.EventData, at time.Time) []node.Event {
	for kind, bit := range kinds() {
		if data.EventType&bit == 0 {
			continue
		}
		event := node.Event{Device: id, Kind: node.EventKind(kind), At: at}
		if event.Kind == node.EventXID {
			event.XID = int(data.EventData)
		}
		events = append(events, event)
	}
	return events
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
