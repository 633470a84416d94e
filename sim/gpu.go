package sim

import (
	"math"
	"slices"
	"sync"
	"time"

	"gpusignal/node"
)

// What a data-centre driver does: it renews its page every 100 ms, and utilisation is a mean over the last 1/6 s.
const (
	renewal      = 100 * time.Millisecond
	samplePeriod = time.Second / 6
)

// A busy line of the truth log is written when its interval has ended, or has reached cut; flushed every flushEvery, so no
// line is longer than 250 ms.
const (
	cut        = 200 * time.Millisecond
	flushEvery = 50 * time.Millisecond
)

// Watts and degrees of an 80 GB board of the Hopper generation.
const (
	idleWatts   = 72.0
	limitWatts  = 700.0
	ambient     = 27.0
	perWatt     = 0.065
	thermalLag  = 45 * time.Second
	totalMemory = 85520809984
	reserved    = 631242752
)

// gpu is one device and the truth about it.
type gpu struct {
	device  node.Device
	log     *truth
	kernels kernels // what runs on it does

	mu          sync.Mutex
	epoch       time.Time     // the driver renews what it tells at epoch + n × renewal
	spans       []span        // busy intervals that still matter, in order and apart; the last may end in the future
	settled     time.Time     // energy and temperature are worked out up to here
	logged      time.Time     // busy lines are written up to here
	busy        time.Duration // in which kernels ran, up to settled
	energy      float64       // µJ since the driver was loaded
	temperature float64
	processes   []node.Process
	ring        ring
	counted     snapshot
	lacks       node.Features // what was asked for and cannot be told
}

// span is an interval of time.
type span struct{ from, to time.Time }

// newGPU returns an idle device whose driver renews its page at phase + n × 100 ms.
func newGPU(device node.Device, log *truth, phase time.Duration, energy float64) *gpu {
	epoch := time.Now().Add(-phase)
	return &gpu{
		device: device, log: log, kernels: anything(), ring: ring{newest: epoch},
		epoch: epoch, settled: epoch, logged: epoch,
		energy: energy, temperature: ambient + perWatt*idleWatts,
	}
}

// execute keeps the device busy for d from now on, and returns the instant it began. Executions may overlap: a device is
// busy while there is any.
func (g *gpu) execute(d time.Duration) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.settle(now)
	to := now.Add(d)
	if n := len(g.spans); n > 0 && !g.spans[n-1].to.Before(now) {
		g.spans[n-1].to = latest(g.spans[n-1].to, to)
		return now
	}
	g.spans = append(g.spans, span{now, to})
	return now
}

// halt ends what executes now.
func (g *gpu) halt() {
	g.mu.Lock()
	now := time.Now()
	if n := len(g.spans); n > 0 {
		g.spans[n-1].to = earliest(g.spans[n-1].to, now)
	}
	g.mu.Unlock()
	g.flush(0)
}

// flush writes the busy lines that are due: intervals that have ended, or have run for at least cut.
func (g *gpu) flush(cut time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for _, s := range g.spans {
		from, to := latest(s.from, g.logged), earliest(s.to, now)
		if !to.After(from) || (s.to.After(now) && to.Sub(from) < cut) {
			continue
		}
		for ; from.Before(to); from = g.logged {
			g.logged = earliest(to, from.Add(cut+flushEvery))
			g.log.event("busy", "gpu", string(g.device.ID), "from", from, "to", g.logged)
		}
	}
	g.settle(now)
}

// renewed is the instant at which the driver last renewed its page.
func (g *gpu) renewed(now time.Time) time.Time {
	return g.epoch.Add(now.Sub(g.epoch).Truncate(renewal))
}

// settle works out energy and temperature up to the last renewal, and forgets intervals that matter no more.
func (g *gpu) settle(now time.Time) {
	edge := g.renewed(now)
	if !edge.After(g.settled) {
		return
	}
	at := g.settled
	for _, s := range g.spans {
		at = g.draw(at, earliest(s.from, edge), idleWatts)
		end := earliest(s.to, edge)
		g.busy += max(0, end.Sub(at))
		at = g.draw(at, end, idleWatts+g.kernels.watts)
	}
	g.draw(at, edge, idleWatts)
	g.settled = edge
	g.ring.fill(edge, g.share)
	old := edge.Add(-samplePeriod)
	g.spans = slices.DeleteFunc(g.spans, func(s span) bool {
		return s.to.Before(old) && (g.log == nil || !s.to.After(g.logged))
	})
}

// draw spends watts over an interval, and returns where it ends; an empty interval changes nothing.
func (g *gpu) draw(from, to time.Time, watts float64) time.Time {
	if !to.After(from) {
		return from
	}
	d := to.Sub(from)
	g.energy += watts * 1e6 * d.Seconds()
	g.temperature += (ambient + perWatt*watts - g.temperature) * -math.Expm1(-d.Seconds()/thermalLag.Seconds())
	return to
}

// share is the part of the last d before an instant in which the device was busy, 0–1.
func (g *gpu) share(at time.Time, d time.Duration) float64 {
	var busy time.Duration
	edge := at.Add(-d)
	for _, s := range g.spans {
		if from, to := latest(s.from, edge), earliest(s.to, at); to.After(from) {
			busy += to.Sub(from)
		}
	}
	return float64(busy) / float64(d)
}

// place puts a process on the device, or changes the memory it holds.
func (g *gpu) place(p node.Process) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.processes = slices.DeleteFunc(g.processes, func(q node.Process) bool { return q.PID == p.PID })
	g.processes = append(g.processes, p)
	g.log.event("memory", "gpu", string(g.device.ID), "used", g.used())
}

// remove takes a process off the device.
func (g *gpu) remove(pid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.processes = slices.DeleteFunc(g.processes, func(q node.Process) bool { return q.PID == pid })
	g.log.event("memory", "gpu", string(g.device.ID), "used", g.used())
}

func (g *gpu) used() uint64 {
	var sum uint64
	for _, p := range g.processes {
		sum += p.Memory
	}
	return sum
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
