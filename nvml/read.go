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

// Read takes the wanted parts of a device's reading. What the device cannot tell is not Known; what fails this once is not
// Known either, unless everything fails: then there is an error. Errors wrap node.ErrDeviceLost, node.ErrNoDriver and
// node.ErrDriverMismatch where these are the reason.
func (d *Driver) Read(id node.DeviceID, want node.Want) (node.Reading, error) {
	reading, err := d.read(id, want)
	if err != nil {
		return node.Reading{}, fmt.Errorf("read device %q: %w", id, err)
	}
	return reading, nil
}

func (d *Driver) read(id node.DeviceID, want node.Want) (node.Reading, error) {
	u, err := d.unit(id)
	if err != nil {
		return node.Reading{}, err
	}
	if !u.board.turn.take(d.patience) {
		return node.Reading{}, errors.New("an earlier call has not come back from the driver")
	}
	defer u.board.turn.give()
	if u.board.gone {
		return node.Reading{}, errors.New("the library was closed meanwhile")
	}
	r := reader{driver: d, unit: u, id: id}
	if want&node.WantMemory != 0 {
		r.memory()
	}
	if want&node.WantUtilization != 0 {
		r.utilization()
	}
	if want&node.WantCounters != 0 {
		r.counters()
	}
	if want&node.WantProcesses != 0 {
		r.processes()
	}
	if r.end != nil {
		return node.Reading{}, r.end
	}
	if !r.got && r.failure != nil {
		return node.Reading{}, r.failure
	}
	r.reading.At = time.Now()
	return r.reading, nil
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

// try makes a call unless its probe is off, and says whether it worked.
func (r *reader) try(p probe, call func() gonvml.Return) bool {
	if r.end != nil || r.unit.probes[p].off {
		return false
	}
	return r.heed(p, call())
}

// heed draws the consequence of a return code for a probe, and says whether it means a value.
func (r *reader) heed(p probe, ret gonvml.Return) bool {
	state := &r.unit.probes[p]
	name, _ := p.about()
	switch {
	case ret == gonvml.SUCCESS:
		r.got = true
		if state.failing {
			state.failing = false
			r.driver.log.Info("A device tells again", "device", r.id, "what", name)
		}
		return true
	case ends(ret):
		r.end = r.driver.fault("read "+name, ret)
	case never(ret):
		state.off = true
		r.driver.log.Debug("A device cannot tell", "device", r.id, "what", name, "err", text(ret))
	default:
		r.failure = r.driver.fault("read "+name, ret)
		if !state.failing {
			state.failing = true
			r.driver.log.Warn("A device fails to tell", "device", r.id, "what", name, "err", text(ret))
		}
	}
	return false
}

func (r *reader) off(p probe) bool { return r.unit.probes[p].off }

// memory of a device. Drivers before 510 count what they reserve for themselves as used.
func (r *reader) memory() {
	var v2 gonvml.Memory_v2
	if r.try(probeMemory, func() (ret gonvml.Return) { v2, ret = r.unit.handle.GetMemoryInfo_v2(); return ret }) {
		r.setMemory(node.Memory{Total: v2.Total, Reserved: v2.Reserved, Used: v2.Used})
	}
	if !r.off(probeMemory) {
		return
	}
	var v1 gonvml.Memory
	if r.try(probeMemoryV1, func() (ret gonvml.Return) { v1, ret = r.unit.handle.GetMemoryInfo(); return ret }) {
		r.setMemory(node.Memory{Total: v1.Total, Used: v1.Used})
	}
}

// setMemory leaves out what cannot be.
func (r *reader) setMemory(m node.Memory) {
	if m.Total > 0 && m.Used <= m.Total && m.Reserved <= m.Total {
		r.reading.Memory = node.Some(m)
	}
}

// utilization in whole percent; drivers are known to say more than 100.
func (r *reader) utilization() {
	var rates gonvml.Utilization
	if !r.try(probeUtilization, func() (ret gonvml.Return) { rates, ret = r.unit.handle.GetUtilizationRates(); return ret }) {
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

// processes that compute, one for each PID.
func (r *reader) processes() {
	var infos []gonvml.ProcessInfo
	ok := r.try(probeProcesses, func() (ret gonvml.Return) {
		infos, ret = r.unit.handle.GetComputeRunningProcesses()
		if ret == gonvml.ERROR_NOT_FOUND {
			infos, ret = nil, gonvml.SUCCESS
		}
		return ret
	})
	if !ok {
		return
	}
	out := make([]node.Process, 0, len(infos))
	index := make(map[int]int, len(infos))
	for _, info := range infos {
		pid := int(info.Pid)
		if pid == 0 {
			continue
		}
		memory := info.UsedGpuMemory
		if memory == math.MaxUint64 { // NVML_VALUE_NOT_AVAILABLE
			memory = 0
		}
		if i, known := index[pid]; known {
			// One process can hold several instances of a GPU in MIG mode.
			out[i].Memory += memory
			continue
		}
		index[pid] = len(out)
		out = append(out, node.Process{PID: pid, Memory: memory})
	}
	r.reading.Processes = node.Some(out)
}
