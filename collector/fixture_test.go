package collector

import (
	"fmt"
	"math"
	"time"

	"gpusignal/node"
	"gpusignal/scaling"
)

var at = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return at.Add(-d) }

func gaugeAt(v float64) node.Opt[node.Gauge] {
	return node.Some(node.Gauge{Last: v, Mean: v / 2, Peak: v * 2})
}

func counterAt(v float64) node.Counter { return node.Counter{Total: v, Increase: v / 10} }

func latencyAt(sum, count float64) node.Opt[node.Latency] {
	return node.Some(node.Latency{
		Sum: counterAt(sum), Count: counterAt(count),
		Buckets: []node.Bucket{
			{Upper: sum / count, Increase: count / 20, Total: count / 2},
			{Upper: 10 * sum / count, Increase: count / 10, Total: count},
			{Upper: math.Inf(1), Increase: count / 10, Total: count},
		},
	})
}

func podID(namespace, name string) node.PodID {
	return node.PodID{UID: "uid-" + namespace + "-" + name, Namespace: namespace, Name: name}
}

// full is a snapshot in which every family has something to say: a GPU with a token engine, one shared by two pods, a MIG
// instance, one that is down, one that nobody holds.
func full() *node.Snapshot {
	llm, next, vision, batch := podID("chat", "llm-0"), podID("chat", "llm-1"), podID("vision", "resnet-7d9"), podID("vision", "batch-x")
	s := &node.Snapshot{At: at, Guests: node.Some[uint64](2)}
	s.Calls[node.FeatureMemory] = node.CallStats{Count: 180_000, Sum: 2 * time.Second, Max: 9 * time.Millisecond}
	s.Calls[node.FeatureFields] = node.CallStats{Count: 18_000, Sum: 10 * time.Second, Max: 4 * time.Millisecond}
	for i := range 4 {
		s.Devices = append(s.Devices, board(i))
	}
	lost := &s.Devices[2]
	lost.Down, lost.At, lost.Last = "lost", ago(time.Minute), node.Reading{}
	lost.Utilization, lost.UtilizationPeak, lost.MemoryPeak = node.Opt[float64]{}, node.Opt[float64]{}, node.Opt[uint64]{}
	lost.Activity, lost.Refresh, lost.Busy = [node.Units]node.Opt[float64]{}, node.Opt[time.Duration]{}, node.Opt[float64]{}
	s.Devices = append(s.Devices, mig())
	for i := range s.Devices {
		s.Totals = append(s.Totals, node.Total{
			Device: s.Devices[i].Device.ID, Booked: ago(500 * time.Millisecond), Busy: 100 * time.Second, Observed: 200 * time.Second,
			Energy: 40_000_000, EnergyKnown: true, UnownedBusy: 25 * time.Second, UnownedObserved: 50 * time.Second, UnownedEnergy: 10_000_000,
		})
	}
	s.Accounts = []node.Account{
		account(llm, "GPU-0", node.Exclusive, 75, 150, 30), account(vision, "GPU-1", node.Split, 30, 75, 10),
		account(batch, "GPU-1", node.Split, 15, 75, 10), account(batch, "GPU-1", node.ByProcess, 30, 0, 10),
		account(next, "MIG-1", node.Exclusive, 75, 150, 30),
	}
	closed := account(node.PodID{UID: "uid-earlier", Namespace: "chat", Name: "llm-0"}, "GPU-0", node.Exclusive, 5, 10, 2)
	closed.Closed = ago(time.Minute)
	s.Accounts = append(s.Accounts, closed)
	s.Claims = []node.Claim{
		{Container: container(llm), Device: "GPU-0", Weight: 1},
		{Container: container(vision), Device: "GPU-1", Weight: 1},
		{Container: container(batch), Device: "GPU-1", Weight: 3},
		{Container: container(next), Device: "MIG-1", Weight: 1},
	}
	s.Unmapped = []node.Unmapped{
		{Device: "GPU-2", Reason: "unclaimed"}, {Device: "GPU-3", Reason: "divided"}, {Device: "board-x", Reason: "unknown_id"},
	}
	annotations := map[string]string{}
	for _, name := range []string{"concurrency", "queue-time", "time-to-first-token", "inter-token-latency"} {
		annotations["gpusignal/"+name+"-target"] = "2"
	}
	annotations["gpusignal/gpu-target"] = "0.8"
	s.Pods = []node.Pod{
		{
			ID: llm, Workload: node.Workload{Kind: "Deployment", Name: "llm"}, Phase: "Running", Annotations: annotations,
			Place: node.Place{Role: node.Decode, PartOf: node.Workload{Kind: "LLMInferenceService", Name: "chat"}},
		},
		{ID: next, Workload: node.Workload{Kind: "Deployment", Name: "llm"}, Phase: "Running", Containers: []node.Container{{Image: "vllm/vllm-openai:v0.21.0"}}},
		{
			ID: vision, Workload: node.Workload{Kind: "LeaderWorkerSet", Name: "resnet"}, Phase: "Running",
			Place: node.Place{Role: node.Leader, Group: "2"},
		},
		{ID: batch, Phase: "Running"},
		{ID: podID("vision", "leaving"), Phase: "Running", Deleted: at, Annotations: map[string]string{"gpusignal/engine": "triton"}},
	}
	s.Servers = []node.Server{tokenServer(llm), plainServer(vision), {Pod: next, URL: "http://10.0.0.9:8000/metrics", Fault: "refused", Failures: 3}}
	s.Health = []node.SourceHealth{
		{Source: "nvml", Up: true, Success: ago(100 * time.Millisecond), Took: 2 * time.Millisecond, Attempts: 36000, Failures: 2},
		{
			Source: "kubelet", Up: true, Success: ago(time.Second), Took: 3 * time.Millisecond, Attempts: 3600, Failures: 5,
			Faults: []node.Fault{{Reason: "limited", Count: 2}, {Reason: "timeout", Count: 3}}, Confirmed: ago(9 * time.Second),
		},
		{
			Source: "pods", Detail: "no right to list pods", Attempts: 12, Failures: 12,
			Faults: []node.Fault{{Reason: "forbidden", Count: 12}}, Via: "names",
		},
		{Source: "engine", Up: true, Success: ago(time.Second), Took: 12 * time.Millisecond, Attempts: 1800, Failures: 7},
	}
	return s
}

// board is a GPU that tells everything, even what no single product has: activity and retired pages, fans and NVLink.
func board(i int) node.DeviceState {
	d := node.DeviceState{
		Device: node.Device{
			ID: node.DeviceID(fmt.Sprintf("GPU-%d", i)), Index: i, Minor: i, Model: "NVIDIA H200", PCIAddress: fmt.Sprintf("0000:%02x:00.0", i+1), Driver: "580.95.05",
		},
		At: ago(100 * time.Millisecond), Utilization: node.Some(0.5), UtilizationPeak: node.Some(0.97), MemoryPeak: node.Some(uint64(120 << 30)),
		Last: node.Reading{
			At: ago(100 * time.Millisecond), Memory: node.Some(node.Memory{Total: 141 << 30, Reserved: node.Some[uint64](600 << 20), Used: 100 << 30}),
			Utilization: node.Some(0.6), MemoryUtilization: node.Some(0.31), Power: node.Some(412.5), PowerLimit: node.Some(700.0),
			Energy: node.Some(int64(9e12)), Temperature: node.Some(61.0), MemoryTemperature: node.Some(70.0), Processes: node.Some(make([]node.Process, 2)),
			Counters: rawCounters(), Status: status(),
			Activity: node.Some(node.Activity{Span: time.Second, PCIeTx: node.Some(3e9), PCIeRx: node.Some(5e9)}),
		},
		XIDs:   map[int]node.XID{79: {Count: 1, Last: ago(time.Hour)}, 13: {Count: 4, Last: ago(time.Minute)}},
		Events: [node.EventKinds]uint64{node.EventXID: 5, node.EventECCSingleBit: 2}, Totals: totals(),
		Refresh: node.Some(time.Second / 10), Lacks: node.Features(0).With(node.FeatureProcessUtilization), Busy: node.Some(0.002), Slowed: 1,
		Reads: 36000, Failures: 2, Missed: 5, Took: 700 * time.Microsecond, Told: told(),
	}
	for u := range d.Activity {
		d.Activity[u] = node.Some(0.1 * float64(u+1))
	}
	return d
}

// told is how old each part of a reading is: by the interval that it is read at.
func told() (t [node.Parts]time.Time) {
	for p := range t {
		t[p] = ago(500 * time.Millisecond)
	}
	t[node.PartMemory], t[node.PartUtilization] = ago(100*time.Millisecond), ago(100*time.Millisecond)
	t[node.PartStatus], t[node.PartProcesses] = ago(7*time.Second), ago(3*time.Second)
	return t
}

func rawCounters() node.Counters {
	c := node.Counters{PCIeReplays: node.Some(node.Count{Value: 7, Bits: 64})}
	c.NVLinkTx, c.NVLinkRx = node.Some(node.Count{Value: 4 << 30, Bits: 64}), node.Some(node.Count{Value: 2 << 30, Bits: 64})
	return c
}

func status() node.Status {
	return node.Status{
		Known: true, SMClock: node.Some(1.98e9), MemoryClock: node.Some(3.2e9), GraphicsClock: node.Some(1.98e9), VideoClock: node.Some(1.545e9),
		Fan: node.Some(0.35), PerformanceState: node.Some(0), Encoder: node.Some(0.0), Decoder: node.Some(0.12), JPEG: node.Some(0.0), OFA: node.Some(0.0),
		ECCCorrected: node.Some[uint64](3), ECCUncorrected: node.Some[uint64](0),
		RemappedCorrectable: node.Some[uint64](1), RemappedUncorrectable: node.Some[uint64](2), RemapPending: node.Some(true), RemapFailed: node.Some(false),
		RetiredSingleBit: node.Some[uint64](4), RetiredDoubleBit: node.Some[uint64](5), RetiredPending: node.Some(false),
		PCIeGeneration: node.Some(5), PCIeWidth: node.Some(16),
	}
}

func totals() node.DeviceTotals {
	t := node.DeviceTotals{
		PCIeTx: node.Some[uint64](6e12), PCIeRx: node.Some[uint64](8e12), NVLinkTx: node.Some[uint64](3e12), NVLinkRx: node.Some[uint64](4e12),
		PCIeReplays: node.Some[uint64](2), ActivityObserved: node.Some(3599 * time.Second), RingSamples: 21594,
	}
	for percent := range 60 {
		t.Levels.Add(float64(percent) / 100)
	}
	for i := range t.Throttled {
		t.Throttled[i] = node.Some(time.Duration(i) * time.Second)
	}
	for i := range t.Active {
		t.Active[i] = node.Some(time.Duration(100*i) * time.Second)
	}
	return t
}

func mig() node.DeviceState {
	d := board(3)
	d.Device.ID, d.Device.Parent, d.Device.GPUInstance, d.Device.Profile = "MIG-1", "GPU-3", 1, "1g.18gb"
	d.Last.Power, d.Last.Temperature, d.XIDs = node.Opt[float64]{}, node.Opt[float64]{}, nil
	return d
}

func container(pod node.PodID) node.ContainerID { return node.ContainerID{Pod: pod, Name: "server"} }

// account of busy and observed seconds, and joules.
func account(pod node.PodID, id node.DeviceID, how node.Attribution, busy, observed, energy int64) node.Account {
	a := node.Account{
		Container: container(pod), Device: id, Attribution: how, Opened: ago(time.Hour), Booked: ago(500 * time.Millisecond), Watched: ago(500 * time.Millisecond),
		Busy: time.Duration(busy) * time.Second, Observed: time.Duration(observed) * time.Second, Energy: energy * 1_000_000,
	}
	if how == node.Exclusive {
		a.Utilization, a.UtilizationPeak, a.Memory = node.Some(0.4), node.Some(0.9), node.Some(uint64(90<<30))
	}
	return a
}

func tokenServer(pod node.PodID) node.Server {
	return node.Server{
		Pod: pod, Engine: "vllm", URL: "http://10.0.0.7:8000/metrics", At: ago(time.Second), Startup: node.Some(94 * time.Second), Took: 4 * time.Millisecond, Pages: 1800,
		FirstPage: ago(time.Hour), InHandSince: ago(time.Minute), EndedAt: ago(time.Second), ProgressSince: ago(time.Second),
		BusyAt: ago(time.Second), Span: 15 * time.Second,
		Models: []node.Model{{
			Name: "meta-llama/Llama-4", Ranks: 1, Running: gaugeAt(12), Waiting: gaugeAt(3), KVCache: gaugeAt(0.6), MaxRunning: node.Some(64.0),
			Requests:     map[string]node.Counter{"success": counterAt(900), "error": counterAt(3), "rejected": counterAt(0)},
			PromptTokens: node.Some(counterAt(50_000)), GenerationTokens: node.Some(counterAt(90_000)),
			Queue: latencyAt(90, 900), FirstToken: latencyAt(300, 900), InterToken: latencyAt(1800, 90_000),
		}},
	}
}

func plainServer(pod node.PodID) node.Server {
	s := tokenServer(pod)
	s.Engine, s.URL, s.Merged = "triton", "http://10.0.0.8:8002/metrics", 7
	s.Models = []node.Model{
		{
			Name: "resnet50", Ranks: 1, Running: gaugeAt(2), Waiting: gaugeAt(1), Queue: latencyAt(5, 1000), ComputeInput: latencyAt(2, 1000),
			Requests: map[string]node.Counter{"success": counterAt(1000), "error": counterAt(1), "cancelled": counterAt(2)},
		},
		{
			Name: "detect", Ranks: 1, Waiting: gaugeAt(0), Queue: latencyAt(1, 10), ComputeInput: latencyAt(1, 10),
			Requests: map[string]node.Counter{"success": counterAt(10)},
		},
	}
	return s
}

// collectorOf returns a collector of one snapshot, with what is published by default.
func collectorOf(s *node.Snapshot) *Collector { return collectorWith(s, Config{}) }

// everythingOf returns a collector of one snapshot that publishes all there is.
func everythingOf(s *node.Snapshot) *Collector {
	return collectorWith(s, Config{Detail: true, DCGM: true})
}

func collectorWith(s *node.Snapshot, cfg Config) *Collector {
	cfg.Snapshot, cfg.Targets = func() *node.Snapshot { return s }, func() scaling.Targets {
		return scaling.Targets{Kinds: []node.Kind{{Name: "vllm", Images: []string{"vllm"}}}}
	}
	cfg.Node, cfg.Version, cfg.Revision = "node-a", "0.1.0", "abc123"
	c := New(cfg)
	for _, g := range []*gatherer{c.metrics, c.signals} {
		for _, p := range g.parts {
			if self, ok := p.(*selfPart); ok {
				self.build.goVersion = "go1.26"
			}
		}
	}
	return c
}
