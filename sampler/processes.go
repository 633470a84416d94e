package sampler

import (
	"slices"
	"time"

	"gpusignal/node"
)

// heldMost is how long the use of a shared device waits for processes to tell whose it is.
const heldMost = 10 * time.Second

// hidden is the part of the time that processes may have run in and be told to have used 0 %: ten of them, half a percent each.
const hidden = 20

// share says what a device is asked for that several containers hold, or held when what is now held began: its processes, at once
// when it has become so, and once more when it no longer is.
func (d *device) share(due ask, shared bool) ask {
	due.shared = shared || d.interval.held.observed > 0
	if !due.shared {
		due.want &^= node.WantProcesses
	}
	if due.slow {
		if due.shared && shared != d.sharing {
			due.want |= node.WantProcesses
		}
		d.sharing = shared
	}
	return due
}

// waits says that the interval of a shared device does not end here: its processes are still to be read. Where they were, it notes
// them, and whether their shares are of the interval.
func (d *device) waits(r *node.Reading, p portion) bool {
	i := &d.interval
	if !r.Processes.Known {
		return !r.Lacks.Has(node.FeatureProcesses) && within(i.from, r.At, heldMost)
	}
	i.by, i.shared = r.Processes, d.tell(r, i.held.busy+p.busy)
	return false
}

// tell says that the shares of the processes are of the time since the last booking, to within what a driver's ring lags behind. Of
// an interval in which nothing ran nobody has a share; but where more ran than whole percents can hide, a driver that tells no share
// tells nothing, and not that nobody ran.
func (d *device) tell(r *node.Reading, busy time.Duration) bool {
	if d.instance || r.Lacks.Has(node.FeatureProcessUtilization) {
		return false
	}
	if !r.ProcessSpan.Known {
		return busy == 0
	}
	if busy > r.ProcessSpan.Value/hidden && !slices.ContainsFunc(r.Processes.Value, func(p node.Process) bool { return p.Share > 0 }) {
		return false
	}
	off := r.At.Sub(d.interval.from) - r.ProcessSpan.Value
	return -longestLag <= off && off <= longestLag
}

// processes are those that were read last, if that was not long before an instant. Only the goroutine of the board asks.
func (d *device) processes(at time.Time) []node.Process {
	if !within(d.told[node.PartProcesses], at, 2*heldMost) {
		return nil
	}
	return d.now.Last.Processes.Value
}

// identify says whose processes are, if that can be told just now. One that has ended meanwhile is whose it was when processes were
// read before; a PID that was given out again since then stands for two processes, and whose its share is cannot be told. Where none
// can be found of those that hold memory, the PIDs are not of the processes that are visible here, and nothing is known.
func (s *Sampler) identify(all, before []node.Process) node.Opt[[]node.Process] {
	if !s.sees() {
		return node.Opt[[]node.Process]{}
	}
	all = slices.Clone(all)
	lost, found := false, false
	for i := range all {
		p := &all[i]
		p.Container, p.Started, p.Known = s.owner(p.PID)
		found = found || !p.Started.IsZero()
		lost = lost || p.Started.IsZero() && p.Memory > 0
		was := slices.IndexFunc(before, func(b node.Process) bool { return b.PID == p.PID })
		switch {
		case was < 0:
		case p.Started.IsZero():
			p.Container, p.Started, p.Known = before[was].Container, before[was].Started, before[was].Known
		case p.Known && !before[was].Started.IsZero() && !p.Started.Equal(before[was].Started):
			p.Known = p.Share == 0
		}
	}
	return node.Opt[[]node.Process]{Value: all, Known: found || !lost}
}
