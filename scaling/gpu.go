package scaling

import (
	"fmt"
	"slices"
	"time"

	"gpusignal/node"
)

// settled is how long the containers of one pod must have held a device among themselves before the device's own window
// counts as the pod's: longer than any window, for a snapshot does not tell how long the window is.
const settled = time.Minute

// gpuView is what a pod does with its devices.
type gpuView struct {
	utilization, peak, memory node.Opt[float64]
	// age of the oldest reading behind utilization.
	age time.Duration
	// why utilization is not known.
	why string
}

// part is what a pod does with one device.
type part struct {
	utilization, peak node.Opt[float64]
	memory            node.Opt[uint64]
	booked            time.Time
}

// readGPU joins the pod's devices: the mean of utilisation, the greatest of peaks, the sum of memory over the sum of
// totals. One device that cannot tell makes the whole unknown: a guess must not reach an autoscaler.
func readGPU(at time.Time, sub *subject, devices map[node.DeviceID]*device) gpuView {
	var v gpuView
	if len(sub.held) == 0 {
		v.why = "the pod holds no GPU"
		return v
	}
	var sum, peak, used, total float64
	allUsed, allPeaks, allMemory := true, true, true
	for _, id := range sub.held {
		d := devices[id]
		p := readPart(at, sub, id, d)
		if p.utilization.Known {
			sum += p.utilization.Value
			v.age = max(v.age, at.Sub(p.booked))
		} else {
			allUsed = false
			v.why = fmt.Sprintf("utilisation of GPU %s is not known for this pod: it is shared and its processes cannot be told apart (hostPID: true lets gpusignal see them), or its first window is not full yet", id)
		}
		if p.peak.Known {
			peak = max(peak, p.peak.Value)
		} else {
			allPeaks = false
		}
		if p.memory.Known && d.state != nil && d.state.Last.Memory.Known {
			used += float64(p.memory.Value)
			total += float64(d.state.Last.Memory.Value.Total)
		} else {
			allMemory = false
		}
	}
	if allUsed {
		v.utilization = node.Some(min(1, sum/float64(len(sub.held))))
	}
	if allPeaks {
		v.peak = node.Some(min(1, peak))
	}
	if allMemory && total > 0 {
		v.memory = node.Some(min(1, used/total))
	}
	return v
}

// readPart returns what the pod does with one device.
func readPart(at time.Time, sub *subject, id node.DeviceID, d *device) part {
	containers, opened := containersOn(sub, id)
	if len(containers) > 1 && len(d.holders) == 1 && d.state != nil && at.Sub(opened) >= settled {
		// Shared only inside the pod: all of it is the pod's, whichever container it was.
		p := part{utilization: d.state.Utilization, peak: d.state.UtilizationPeak, booked: d.state.At}
		if d.state.Last.Memory.Known {
			p.memory = node.Some(d.state.Last.Memory.Value.Used)
		}
		return p
	}
	p := part{utilization: node.Some(0.0), peak: node.Some(0.0), memory: node.Some(uint64(0))}
	for _, name := range containers {
		c := readContainer(sub, id, name)
		p.utilization.Known = p.utilization.Known && c.utilization.Known
		p.utilization.Value += c.utilization.Value
		p.peak.Known = p.peak.Known && c.peak.Known
		p.peak.Value += c.peak.Value
		p.memory.Known = p.memory.Known && c.memory.Known
		p.memory.Value += c.memory.Value
		if p.booked.IsZero() || c.booked.Before(p.booked) {
			p.booked = c.booked
		}
	}
	return p
}

// readContainer returns what one container does with one device. It has an account for each way its use was attributed; the newest
// booked counts. Use that was only split tells nothing of utilisation, which is not known then, but memory may be told by processes.
func readContainer(sub *subject, id node.DeviceID, name string) part {
	var p part
	for _, account := range sub.accounts {
		if account.Device != id || account.Container.Name != name || account.Booked.Before(p.booked) {
			continue
		}
		p = part{account.Utilization, account.UtilizationPeak, account.Memory, account.Booked}
		if account.Attribution == node.Split {
			p.utilization, p.peak = node.Opt[float64]{}, node.Opt[float64]{}
		}
	}
	return p
}

// containersOn returns the containers of the pod that hold the device, and when the last of them began to.
func containersOn(sub *subject, id node.DeviceID) (names []string, opened time.Time) {
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, claim := range sub.claims {
		if claim.Device == id {
			add(claim.Container.Name)
		}
	}
	for _, account := range sub.accounts {
		if account.Device == id {
			add(account.Container.Name)
			if account.Opened.After(opened) {
				opened = account.Opened
			}
		}
	}
	return names, opened
}

// signals adds the signals of the pod's devices.
func (v gpuView) signals(out *Pod) {
	out.addKnown(GPUUtilization, v.utilization)
	out.addKnown(GPUUtilizationPeak, v.peak)
	out.addKnown(GPUMemoryUsage, v.memory)
}
