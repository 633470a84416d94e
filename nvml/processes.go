//go:build cgo && linux

package nvml

import (
	"math"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// processes that compute, one for each PID.
func (r *reader) processes() {
	var infos []gonvml.ProcessInfo
	ok := r.try(node.FeatureProcesses, func() (ret gonvml.Return) {
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
	for pid, share := range r.shares() {
		if i, known := index[pid]; known {
			out[i].Share = share
		}
	}
	r.reading.Processes = node.Some(out)
}

// shares of the use of the SMs by PID, since the stamp of the ring at which the previous reading of processes ended: both are by
// the driver's clock, so the ring has to be read first. There are none before the second reading.
func (r *reader) shares() map[int]float64 {
	from := r.unit.sharedSince
	r.unit.sharedSince = r.unit.ring.cursor
	if from == 0 || from == r.unit.ring.cursor {
		return nil
	}
	var uses []gonvml.ProcessUtilizationSample
	ok := r.try(node.FeatureProcessUtilization, func() (ret gonvml.Return) {
		uses, ret = r.unit.handle.GetProcessUtilization(from)
		if ret == gonvml.ERROR_NOT_FOUND {
			uses, ret = nil, gonvml.SUCCESS
		}
		return ret
	})
	if !ok {
		return nil
	}
	return sharesOf(uses)
}

// sharesOf the sum of what processes used. Some drivers add entries that cannot be.
func sharesOf(uses []gonvml.ProcessUtilizationSample) map[int]float64 {
	shares := map[int]float64{}
	var sum float64
	for _, use := range uses {
		if use.TimeStamp == 0 || use.Pid == 0 || use.SmUtil > 100 {
			continue
		}
		shares[int(use.Pid)] += float64(use.SmUtil)
		sum += float64(use.SmUtil)
	}
	for pid := range shares {
		if sum > 0 {
			shares[pid] /= sum
		}
	}
	return shares
}
