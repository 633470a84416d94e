package sim

import (
	"cmp"
	"math"
	"slices"
	"time"

	"gpusignal/node"
)

// Clocks of a board of the Hopper generation, in hertz.
const (
	idleClock   = 345e6
	boostClock  = 1980e6
	memoryClock = 2619e6
	videoClock  = 1545e6
)

// snapshot is the state of the hardware counters at an instant.
type snapshot struct {
	at   time.Time
	busy time.Duration
}

// read is what the driver says now. Utilisation is in whole percent, and energy in whole millijoules, as NVML has them. What
// the device lacks is not told.
func (g *gpu) read(want node.Want) node.Reading {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.board.settle(now)
	r := node.Reading{At: now}
	take := func(part node.Want, feature node.Feature, fill func(*node.Reading)) {
		if want&part == 0 || g.lacks.Has(feature) {
			return
		}
		began := time.Now()
		fill(&r)
		r.Calls = append(r.Calls, node.Call{Feature: feature, Took: time.Since(began)})
	}
	take(node.WantMemory, node.FeatureMemory, g.readMemory)
	take(node.WantUtilization, node.FeatureUtilization, g.readUtilization)
	take(node.WantRing, node.FeatureRing, func(r *node.Reading) { r.Ring = g.ring.read(now) })
	take(node.WantCounters, node.FeatureFields, g.readCounters)
	take(node.WantActivity, node.FeatureActivity, g.readActivity)
	take(node.WantStatus, node.FeatureClocks, g.readStatus)
	take(node.WantProcesses, node.FeatureProcesses, g.readProcesses)
	take(node.WantProcesses, node.FeatureMPSProcesses, func(*node.Reading) {}) // There is no MPS here.
	take(node.WantProcesses, node.FeatureProcessUtilization, g.readShares)
	r.Lacks = g.lacks
	return r
}

func (g *gpu) readMemory(r *node.Reading) {
	m := g.memory
	m.Used = g.used()
	r.Memory = node.Some(m)
}

func (g *gpu) readUtilization(r *node.Reading) {
	share := g.share(g.settled, samplePeriod)
	r.Utilization = node.Some(math.Round(100*share) / 100)
	r.MemoryUtilization = node.Some(math.Round(100*share*g.kernels.memory) / 100)
}

// readProcesses are those on the device, by the PIDs of the host. Whose they are is not the driver's to tell.
func (g *gpu) readProcesses(r *node.Reading) {
	out := make([]node.Process, len(g.processes))
	for i, p := range g.processes {
		out[i] = node.Process{PID: p.pid, Memory: p.memory}
	}
	r.Processes = node.Some(out)
}

// readShares is the part that each process had in what ran since this was last read, those that ended since then too.
func (g *gpu) readShares(r *node.Reading) {
	shares, span := g.ring.shares(r.At)
	all := r.Processes.Value
	for i := range all {
		all[i].Share = shares[all[i].PID]
		delete(shares, all[i].PID)
	}
	for pid, share := range shares {
		all = append(all, node.Process{PID: pid, Share: share})
	}
	slices.SortFunc(all, func(a, b node.Process) int { return cmp.Compare(a.PID, b.PID) })
	r.Processes.Value, r.ProcessSpan = all, span
}

// readCounters is power and what the driver counts since it was loaded, which for the links is when the node was made. Power
// stays below its limit and the die below every temperature that matters, so nothing ever holds the clocks down.
func (g *gpu) readCounters(r *node.Reading) {
	r.Power = node.Some(math.Round(1000*g.watts(renewal)) / 1000)
	r.PowerLimit = node.Some(limitWatts)
	r.Energy = node.Some(int64(g.energy/1000) * 1000)
	r.Temperature = node.Some(math.Round(g.temperature))
	r.MemoryTemperature = node.Some(math.Round(g.temperature) + 8)
	for reason := range r.Counters.Throttled {
		r.Counters.Throttled[reason] = node.Some(time.Duration(0))
	}
	count := func(perSecond func(*kernels) float64) node.Opt[node.Count] {
		var sum float64
		for one := range g.units() {
			sum += perSecond(&one.kernels) * one.busy.Seconds()
		}
		return node.Some(node.Count{Value: uint64(sum), Bits: 64})
	}
	r.Counters.PCIeTx = count(func(w *kernels) float64 { return w.sent })
	r.Counters.PCIeRx = count(func(w *kernels) float64 { return w.received })
	r.Counters.NVLinkTx = count(func(w *kernels) float64 { return w.exchanged })
	r.Counters.NVLinkRx = r.Counters.NVLinkTx
	r.Counters.PCIeReplays = count(func(*kernels) float64 { return 0 })
}

// readActivity is the difference of the hardware counters to when they were last read, at least one renewal ago.
func (g *gpu) readActivity(r *node.Reading) {
	last, now := g.counted, snapshot{g.board.settled, g.busy}
	if last.at.IsZero() {
		g.counted = now
		return
	}
	span := now.at.Sub(last.at)
	if span < renewal {
		return
	}
	g.counted = now
	busy := (now.busy - last.busy).Seconds()
	part := func(share float64) node.Opt[float64] { return node.Some(share * busy / span.Seconds()) }
	bytes := func(perSecond float64) node.Opt[float64] { return node.Some(perSecond * busy) }
	w := &g.kernels
	r.Activity = node.Some(node.Activity{
		Span: span,
		Units: [node.Units]node.Opt[float64]{
			node.UnitGraphics: part(1), node.UnitSM: part(w.sm), node.UnitSMOccupancy: part(w.occupancy), node.UnitTensor: part(w.tensor),
			node.UnitDRAM: part(w.dram), node.UnitFP64: part(0), node.UnitFP32: part(w.fp32), node.UnitFP16: part(w.fp16),
		},
		PCIeTx: bytes(w.sent), PCIeRx: bytes(w.received), NVLinkTx: bytes(w.exchanged), NVLinkRx: bytes(w.exchanged),
	})
}

// readStatus is the state of a healthy board without fans, and without retired pages, which its generation does not have.
func (g *gpu) readStatus(r *node.Reading) {
	clock := idleClock
	if g.watts(renewal) > idleWatts {
		clock = boostClock
	}
	none, no := node.Some[uint64](0), node.Some(false)
	r.Status = node.Status{
		Known: true, SMClock: node.Some(clock), GraphicsClock: node.Some(clock), MemoryClock: node.Some(memoryClock), VideoClock: node.Some(videoClock),
		PerformanceState: node.Some(0), ECCCorrected: none, ECCUncorrected: none,
		RemappedCorrectable: none, RemappedUncorrectable: none, RemapPending: no, RemapFailed: no,
		PCIeGeneration: node.Some(5), PCIeWidth: node.Some(16),
	}
	if len(g.instances) == 0 {
		r.Status.Encoder, r.Status.Decoder, r.Status.JPEG, r.Status.OFA = node.Some(0.0), node.Some(0.0), node.Some(0.0), node.Some(0.0)
	}
	g.lacks = g.lacks.With(node.FeatureFan).With(node.FeatureRetiredPages)
}
