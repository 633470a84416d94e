package sim

import (
	"iter"
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

// gpu is one device and the truth about it: a whole GPU, or a MIG instance of one.
type gpu struct {
	device  node.Device
	log     *truth
	kernels kernels     // what runs on it does
	memory  node.Memory // without what is used
	// board is the GPU that the device is, or is an instance of, and instances are those of a GPU that is divided.
	board     *gpu
	instances []*gpu
	slices    int // of the board's seven, of an instance
	// replicas are as how many the device plugin offers the device (0: as itself), and allotted how many of them are gone.
	replicas, allotted int

	mu        *sync.Mutex   // of the board
	runs      []run         // what still matters, by their begin; some may end in the future
	logged    time.Time     // busy lines are written up to here
	busy      time.Duration // in which kernels ran, up to where the board is settled
	processes []*process
	ring      ring
	counted   snapshot
	lacks     node.Features // what was asked for and cannot be told

	// Of a board: the driver renews what it tells at epoch + n × renewal; up to settled all that it counts is worked out.
	epoch, settled time.Time
	energy         float64 // µJ since the driver was loaded
	temperature    float64
}

// run is an interval in which a process has work on a device.
type run struct {
	from, to time.Time
	by       *process
}

// newGPU returns an idle device whose driver renews its page at phase + n × 100 ms.
func newGPU(device node.Device, log *truth, phase time.Duration, energy float64) *gpu {
	epoch := time.Now().Add(-phase)
	g := &gpu{
		device: device, log: log, kernels: anything(), ring: ring{newest: epoch}, mu: &sync.Mutex{},
		memory: node.Memory{Total: totalMemory, Reserved: node.Some[uint64](reserved)},
		epoch:  epoch, settled: epoch, logged: epoch,
		energy: energy, temperature: ambient + perWatt*idleWatts,
	}
	g.board = g
	return g
}

// halt ends what executes now.
func (g *gpu) halt() {
	g.mu.Lock()
	now := time.Now()
	for i := range g.runs {
		g.runs[i].to = earliest(g.runs[i].to, now)
	}
	g.mu.Unlock()
	g.flush(0)
}

// flush writes the busy lines that are due: of intervals that have ended, or have lasted for at least cut.
func (g *gpu) flush(cut time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for part := range g.parts(g.logged, now) {
		if part.to.Equal(now) && part.to.Sub(part.from) < cut && g.goesOn(now) {
			break
		}
		for part.from.Before(part.to) && len(part.by) > 0 {
			end := earliest(part.to, part.from.Add(cut+flushEvery))
			g.log.event("busy", "gpu", string(g.device.ID), "from", part.from, "to", end, "by", namesOf(part.by))
			part.from = end
		}
		g.logged = part.to
	}
	g.board.settle(now)
}

// goesOn says that something runs beyond an instant.
func (g *gpu) goesOn(at time.Time) bool {
	return slices.ContainsFunc(g.runs, func(r run) bool { return r.to.After(at) })
}

// part is an interval in which the same processes had work. Where there were several they took turns on the device, far
// shorter than any interval here, so that each had an equal part of the time.
type part struct {
	from, to time.Time
	by       []*process
}

// parts cuts a time wherever a process began or ended, so that it is whole: with what ran, and with nothing.
func (g *gpu) parts(from, to time.Time) iter.Seq[part] {
	return func(yield func(part) bool) {
		var within []run
		for _, r := range g.runs {
			if r.to.After(from) && r.from.Before(to) {
				within = append(within, r)
			}
		}
		for p := (part{from: from}); p.from.Before(to); p.from = p.to {
			p.to, p.by = to, p.by[:0]
			for _, r := range within {
				switch {
				case r.from.After(p.from):
					p.to = earliest(p.to, r.from)
				case r.to.After(p.from):
					p.to = earliest(p.to, r.to)
					p.by = append(p.by, r.by)
				}
			}
			if !yield(p) {
				return
			}
		}
	}
}

// renewed is the instant at which the driver last renewed its page.
func (g *gpu) renewed(now time.Time) time.Time {
	return g.epoch.Add(now.Sub(g.epoch).Truncate(renewal))
}

// settle works out, for a board and its instances, what is counted up to the last renewal, and forgets what matters no more.
func (g *gpu) settle(now time.Time) {
	edge := g.renewed(now)
	if !edge.After(g.settled) {
		return
	}
	for g.settled.Before(edge) {
		from := g.settled
		g.settled = from.Add(renewal)
		for one := range g.units() {
			one.busy += one.ran(from, g.settled)
		}
		g.draw(renewal, g.watts(renewal))
	}
	g.ring.fill(edge, g.sample)
	old := edge.Add(-samplePeriod)
	for one := range g.units() {
		one.runs = slices.DeleteFunc(one.runs, func(r run) bool {
			return r.to.Before(old) && (g.log == nil || !r.to.After(one.logged))
		})
	}
}

// units are what kernels run on: the GPU itself, or its instances where it is divided.
func (g *gpu) units() iter.Seq[*gpu] {
	if len(g.instances) > 0 {
		return slices.Values(g.instances)
	}
	return slices.Values([]*gpu{g})
}

// watts is the mean power of a board over the last d before it was settled.
func (g *gpu) watts(d time.Duration) float64 {
	watts := idleWatts
	for one := range g.units() {
		watts += one.kernels.watts * one.share(g.settled, d)
	}
	return watts
}

// draw spends watts for a time.
func (g *gpu) draw(d time.Duration, watts float64) {
	g.energy += watts * 1e6 * d.Seconds()
	g.temperature += (ambient + perWatt*watts - g.temperature) * -math.Expm1(-d.Seconds()/thermalLag.Seconds())
}

// ran is the time between two instants in which anything ran.
func (g *gpu) ran(from, to time.Time) (busy time.Duration) {
	for part := range g.parts(from, to) {
		if len(part.by) > 0 {
			busy += part.to.Sub(part.from)
		}
	}
	return busy
}

// share is the part of the last d before an instant in which the device was busy, 0–1.
func (g *gpu) share(at time.Time, d time.Duration) float64 {
	return float64(g.ran(at.Add(-d), at)) / float64(d)
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
