//go:build cgo && linux

package nvml

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// processes that compute, one for each PID, and those that ended since processes were last read and have a share.
func (r *reader) processes() {
	infos, ok := r.list(node.FeatureProcesses, r.unit.handle.GetComputeRunningProcesses)
	clients, _ := r.list(node.FeatureMPSProcesses, r.unit.handle.GetMPSComputeRunningProcesses)
	shares, span := r.shares()
	if !ok {
		return
	}
	all := make(map[int]node.Process, len(infos)+len(clients)+len(shares))
	enter(all, infos)
	// A client of MPS that is on both lists is one process, and what it holds is told twice.
	enter(all, slices.DeleteFunc(clients, func(c gonvml.ProcessInfo) bool { _, known := all[int(c.Pid)]; return known }))
	for pid, share := range shares {
		p := all[pid]
		p.PID, p.Share = pid, share
		all[pid] = p
	}
	list := slices.AppendSeq(make([]node.Process, 0, len(all)), maps.Values(all))
	slices.SortFunc(list, func(a, b node.Process) int { return cmp.Compare(a.PID, b.PID) })
	r.reading.Processes = node.Some(list)
	r.reading.ProcessSpan = span
}

// list makes one of the calls that list processes. That there is none is no failure.
func (r *reader) list(f node.Feature, call func() ([]gonvml.ProcessInfo, gonvml.Return)) (infos []gonvml.ProcessInfo, ok bool) {
	ok = r.try(f, func() (ret gonvml.Return) {
		infos, ret = call()
		if ret == gonvml.ERROR_NOT_FOUND {
			infos, ret = nil, gonvml.SUCCESS
		}
		return ret
	})
	return infos, ok
}

// enter adds processes by their PIDs. One process can hold several instances of a GPU in MIG mode.
func enter(all map[int]node.Process, infos []gonvml.ProcessInfo) {
	for _, info := range infos {
		if info.Pid == 0 {
			continue
		}
		p := all[int(info.Pid)]
		p.PID = int(info.Pid)
		if info.UsedGpuMemory != math.MaxUint64 { // NVML_VALUE_NOT_AVAILABLE
			p.Memory += info.UsedGpuMemory
		}
		all[p.PID] = p
	}
}

// sharesReach is how far back shares are asked for: a little longer than processes are put off at most.
const sharesReach = 16 * time.Second

// shares of the use of the SMs by PID, and the time that they are of: since processes were last read, or since the ring was read
// before this where that is too long ago. Where to begin is told by a stamp of the ring, which goes by the driver's clock as
// processes do; so the ring has to be read first. A ring that was empty all the while tells of no stamp, and nothing is known.
func (r *reader) shares() (map[int]float64, node.Opt[time.Duration]) {
	u, now := r.unit, r.driver.now()
	from := u.sharedAt
	if from.read.IsZero() || now.Sub(from.read) > sharesReach {
		from = u.ringBefore
	}
	u.sharedAt = mark{u.ring.cursor, now}
	if from.stamp == 0 || from.stamp > u.ring.cursor {
		return nil, node.Opt[time.Duration]{}
	}
	var uses []gonvml.ProcessUtilizationSample
	ok := r.try(node.FeatureProcessUtilization, func() (ret gonvml.Return) {
		uses, ret = u.handle.GetProcessUtilization(from.stamp)
		if ret == gonvml.ERROR_NOT_FOUND {
			uses, ret = nil, gonvml.SUCCESS
		}
		return ret
	})
	if !ok {
		return nil, node.Opt[time.Duration]{}
	}
	return sharesOf(uses), node.Some(now.Sub(from.read))
}

// mark is where the ring stood when it was read.
type mark struct {
	stamp uint64
	read  time.Time
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
	for pid, used := range shares {
		if used == 0 {
			delete(shares, pid)
			continue
		}
		shares[pid] = used / sum
	}
	return shares
}
