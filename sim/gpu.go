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
	device    node.Device
	log       *truth
	busyWatts float64 // drawn on top of idleWatts while a kernel runs
	traffic   float64 // share of busy time in which memory is read or written

	mu          sync.Mutex
	epoch       time.Time // the driver renews what it tells at epoch + n × renewal
	spans       []span    // busy intervals that still matter, in order and apart; the last may end in the future
	settled     time.Time // energy and temperature are worked out up to here
	logged      time.Time // busy lines are written up to here
	energy      float64   // µJ since the driver was loaded
	temperature float64
	processes   []node.Process
}

// span is an interval of time.
type span struct{ from, to time.Time }

// newGPU returns an idle device whose driver renews its page at phase + n × 100 ms.
func newGPU(device node.Device, log *truth, phase time.Duration, energy float64) *gpu {
	epoch := time.Now().Add(-phase)
	return &gpu{
		device: device, log: log, busyWatts: 300, traffic: 0.45,
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
		at = g.draw(at, earliest(s.to, edge), idleWatts+g.busyWatts)
	}
	g.draw(at, edge, idleWatts)
	g.settled = edge
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

// read is what the driver says now. Utilisation is in whole percent, and energy in whole millijoules, as NVML has them.
func (g *gpu) read(want node.Want) node.Reading {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.settle(now)
	r := node.Reading{At: now}
	at := g.renewed(now)
	if want&node.WantMemory != 0 {
		r.Memory = node.Some(node.Memory{Total: totalMemory, Reserved: reserved, Used: g.used()})
	}
	if want&node.WantUtilization != 0 {
		share := g.share(at, samplePeriod)
		r.Utilization = node.Some(math.Round(100*share) / 100)
		r.MemoryUtilization = node.Some(math.Round(100*share*g.traffic) / 100)
	}
	if want&node.WantCounters != 0 {
		r.Power = node.Some(math.Round(1000*(idleWatts+g.busyWatts*g.share(at, renewal))) / 1000)
		r.PowerLimit = node.Some(limitWatts)
		r.Energy = node.Some(int64(g.energy/1000) * 1000)
		r.Temperature = node.Some(math.Round(g.temperature))
		r.MemoryTemperature = node.Some(math.Round(g.temperature) + 8)
	}
	if want&node.WantProcesses != 0 {
		r.Processes = node.Some(slices.Clone(g.processes))
	}
	return r
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
