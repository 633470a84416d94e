//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// Read takes the wanted parts of a device's reading. What the device cannot tell is not Known; what fails this once is not
// Known either, unless everything fails: then there is an error, and the reading tells nothing but the calls that were made.
// Errors wrap node.ErrDeviceLost, node.ErrResetRequired, node.ErrNoDriver and node.ErrDriverMismatch where these are the reason.
func (d *Driver) Read(id node.DeviceID, want node.Want) (node.Reading, error) {
	reading, err := d.read(id, want)
	if err != nil {
		return reading, fmt.Errorf("read device %q: %w", id, err)
	}
	return reading, nil
}

func (d *Driver) read(id node.DeviceID, want node.Want) (node.Reading, error) {
	u, err := d.unit(id)
	if err != nil {
		return node.Reading{}, err
	}
	return d.readUnit(u, want)
}

// readUnit waits for the turn of a unit's board and reads it.
func (d *Driver) readUnit(u *unit, want node.Want) (node.Reading, error) {
	if !u.board.turn.take(d.patience) {
		return node.Reading{}, errors.New("an earlier call has not come back from the driver")
	}
	defer u.board.turn.give()
	if u.board.gone {
		return node.Reading{}, errors.New("the library was closed meanwhile")
	}
	if u.gone {
		return node.Reading{}, errors.New("it is not among the devices any more")
	}
	r := reader{driver: d, unit: u, id: u.device.ID}
	u.calls = u.calls[:0]
	r.gather(want)
	failed := node.Reading{Calls: u.calls, Aside: u.board.aside}
	u.board.aside = 0
	if r.end != nil {
		u.board.end = r.end
		u.board.lost.Store(errors.Is(r.end, node.ErrDeviceLost) || errors.Is(r.end, node.ErrResetRequired))
		u.gpm.forget()
		return failed, r.end
	}
	if r.got {
		u.board.end = nil
		u.board.lost.Store(false)
	}
	if len(u.calls) == 0 && u.board.end != nil {
		return failed, u.board.end // Nothing was asked, so that still holds.
	}
	if !r.got && r.failure != nil {
		return failed, r.failure
	}
	r.reading.At, r.reading.Calls, r.reading.Aside, r.reading.Lacks = d.now(), u.calls, failed.Aside, u.lacks
	return r.reading, nil
}

// gather reads the wanted parts. The ring comes before the processes, which go by its stamps.
func (r *reader) gather(want node.Want) {
	if want&node.WantMemory != 0 {
		r.memory()
	}
	if want&node.WantUtilization != 0 {
		r.utilization()
	}
	if want&node.WantRing != 0 {
		r.ring()
	}
	if want&node.WantActivity != 0 {
		r.activity()
	}
	if want&node.WantCounters != 0 {
		r.counters()
	}
	if want&node.WantStatus != 0 {
		r.status()
	}
	if want&node.WantProcesses != 0 {
		r.processes()
	}
}

// A reader holds the turn of a unit's board and puts one reading together.
type reader struct {
	driver  *Driver
	unit    *unit
	id      node.DeviceID
	reading node.Reading
	// got says that some call worked; failure is the last call that did not, and end one after which no other is tried.
	got          bool
	failure, end error
}

// try makes a call unless its feature is off, and says whether it worked.
func (r *reader) try(f node.Feature, call func() gonvml.Return) bool {
	if r.end != nil || r.off(f) {
		return false
	}
	return r.heed(f, r.call(f, call))
}

// call makes a call and keeps how long it took, without drawing a consequence.
func (r *reader) call(f node.Feature, call func() gonvml.Return) gonvml.Return {
	from := time.Now()
	ret := call()
	r.unit.calls = append(r.unit.calls, node.Call{Feature: f, Took: time.Since(from)})
	return ret
}

// heed draws the consequence of a return code for a feature, and says whether it means a value.
func (r *reader) heed(f node.Feature, ret gonvml.Return) bool {
	state := &r.unit.wires[f]
	switch {
	case ret == gonvml.SUCCESS:
		r.got = true
		if state.failing {
			state.failing = false
			r.driver.log.Info("A device tells again", "device", r.id, "what", f.Label())
		}
		return true
	case ends(ret):
		r.end = r.driver.fault("read "+f.Label(), ret)
	case never(ret):
		r.lack(f, text(ret))
	default:
		r.failure = r.driver.fault("read "+f.Label(), ret)
		if !state.failing {
			state.failing = true
			r.driver.log.Warn("A device fails to tell", "device", r.id, "what", f.Label(), "err", text(ret))
		}
	}
	return false
}

// lack turns a feature off: the device will not be asked for it again.
func (r *reader) lack(f node.Feature, why string) { r.driver.lack(r.unit, f, why) }

func (r *reader) off(f node.Feature) bool { return r.unit.wires[f].off }

// has says whether the library has a function.
func (r *reader) has(function string) bool { return r.driver.has(function) }

// memory of a device. Drivers before 510 count what they reserve for themselves as used.
func (r *reader) memory() {
	if r.end != nil || r.off(node.FeatureMemory) {
		return
	}
	if !r.unit.old {
		var v2 gonvml.Memory_v2
		ret := r.call(node.FeatureMemory, func() (ret gonvml.Return) { v2, ret = r.unit.handle.GetMemoryInfo_v2(); return ret })
		if r.unit.old = never(ret) && r.has("nvmlDeviceGetMemoryInfo"); !r.unit.old {
			if r.heed(node.FeatureMemory, ret) {
				r.setMemory(node.Memory{Total: v2.Total, Reserved: node.Some(v2.Reserved), Used: v2.Used})
			}
			return
		}
	}
	var v1 gonvml.Memory
	if r.try(node.FeatureMemory, func() (ret gonvml.Return) { v1, ret = r.unit.handle.GetMemoryInfo(); return ret }) {
		r.setMemory(node.Memory{Total: v1.Total, Used: v1.Used})
	}
}

// setMemory leaves out what cannot be.
func (r *reader) setMemory(m node.Memory) {
	if m.Total > 0 && m.Used <= m.Total && m.Reserved.Value <= m.Total {
		r.reading.Memory = node.Some(m)
	}
}

// utilization in whole percent; drivers are known to say more than 100.
func (r *reader) utilization() {
	var rates gonvml.Utilization
	if !r.try(node.FeatureUtilization, func() (ret gonvml.Return) { rates, ret = r.unit.handle.GetUtilizationRates(); return ret }) {
		return
	}
	r.reading.Utilization = percent(rates.Gpu)
	r.reading.MemoryUtilization = percent(rates.Memory)
}

func percent(v uint32) node.Opt[float64] {
	if v > 100 {
		return node.Opt[float64]{}
	}
	return node.Some(float64(v) / 100)
}
