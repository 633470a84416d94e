package collector

import (
	"fmt"
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
		Buckets: []node.Bucket{{Upper: sum / count, Increase: count / 20}, {Upper: 10 * sum / count, Increase: count / 10}},
	})
}

func podID(namespace, name string) node.PodID {
	return node.PodID{UID: "uid-" + namespace + "-" + name, Namespace: namespace, Name: name}
}

// full is a snapshot in which every family has something to say: a GPU with a token engine, one shared by two pods, a MIG
// instance, one that is down, one that nobody holds.
func full() *node.Snapshot {
	llm, next, vision, batch := podID("chat", "llm-0"), podID("chat", "llm-1"), podID("vision", "resnet-7d9"), podID("vision", "batch-x")
	s := &node.Snapshot{At: at}
	for i := range 4 {
		s.Devices = append(s.Devices, board(i))
	}
	s.Devices[2].Down, s.Devices[2].At, s.Devices[2].Last = "device lost", ago(time.Minute), node.Reading{}
	s.Devices[2].Utilization, s.Devices[2].UtilizationPeak, s.Devices[2].MemoryPeak = node.Opt[float64]{}, node.Opt[float64]{}, node.Opt[uint64]{}
	s.Devices = append(s.Devices, mig())
	for i := range s.Devices {
		s.Totals = append(s.Totals, node.Total{
			Device: s.Devices[i].Device.ID, Booked: ago(500 * time.Millisecond), Busy: 100 * time.Second, Observed: 200 * time.Second,
			Energy: 40_000_000, UnownedBusy: 25 * time.Second, UnownedObserved: 50 * time.Second, UnownedEnergy: 10_000_000,
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
	s.Unmapped = []node.Unmapped{{Device: "GPU-2", Reason: "unclaimed"}, {Device: "GPU-3", Reason: "unclaimed"}}
	annotations := map[string]string{}
	for _, name := range []string{"concurrency", "queue-time", "time-to-first-token", "inter-token-latency"} {
		annotations["gpusignal/"+name+"-target"] = "2"
	}
	annotations["gpusignal/gpu-target"] = "0.8"
	s.Pods = []node.Pod{
		{ID: llm, Workload: node.Workload{Kind: "Deployment", Name: "llm"}, Phase: "Running", Annotations: annotations},
		{ID: next, Workload: node.Workload{Kind: "Deployment", Name: "llm"}, Phase: "Running", Containers: []node.Container{{Image: "vllm/vllm-openai:v0.21.0"}}},
		{ID: vision, Workload: node.Workload{Kind: "StatefulSet", Name: "resnet"}, Phase: "Running"},
		{ID: batch, Phase: "Running"},
		{ID: podID("vision", "leaving"), Phase: "Running", Deleted: at, Annotations: map[string]string{"gpusignal/engine": "triton"}},
	}
	s.Servers = []node.Server{tokenServer(llm), plainServer(vision), {Pod: next, URL: "http://10.0.0.9:8000/metrics", Fault: "refused", Failures: 3}}
	s.Health = []node.SourceHealth{
		{Source: "nvml", Up: true, Success: ago(100 * time.Millisecond), Took: 2 * time.Millisecond, Attempts: 36000, Failures: 2},
		{Source: "kubelet", Up: true, Success: ago(time.Second), Took: 3 * time.Millisecond, Attempts: 3600},
		{Source: "pods", Detail: "no right to list pods", Attempts: 12, Failures: 12},
		{Source: "engine", Up: true, Success: ago(time.Second), Took: 12 * time.Millisecond, Attempts: 1800, Failures: 7},
	}
	return s
}

func board(i int) node.DeviceState {
	return node.DeviceState{
		Device: node.Device{
			ID: node.DeviceID(fmt.Sprintf("GPU-%d", i)), Index: i, Minor: i, Model: "NVIDIA H200", PCIAddress: fmt.Sprintf("0000:%02x:00.0", i+1), Driver: "580.95.05",
		},
		At: ago(100 * time.Millisecond), Utilization: node.Some(0.5), UtilizationPeak: node.Some(0.97), MemoryPeak: node.Some(uint64(120 << 30)),
		Last: node.Reading{
			At: ago(100 * time.Millisecond), Memory: node.Some(node.Memory{Total: 141 << 30, Reserved: 600 << 20, Used: 100 << 30}),
			Utilization: node.Some(0.6), MemoryUtilization: node.Some(0.31), Power: node.Some(412.5), PowerLimit: node.Some(700.0),
			Energy: node.Some(int64(9e12)), Temperature: node.Some(61.0), MemoryTemperature: node.Some(70.0), Processes: node.Some(make([]node.Process, 2)),
		},
		XIDs: map[int]uint64{79: 1, 13: 4}, Reads: 36000, Failures: 2, Missed: 5, Took: 700 * time.Microsecond,
	}
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
		Container: container(pod), Device: id, Attribution: how, Opened: ago(time.Hour), Booked: ago(500 * time.Millisecond),
		Busy: time.Duration(busy) * time.Second, Observed: time.Duration(observed) * time.Second, Energy: energy * 1_000_000,
	}
	if how == node.Exclusive {
		a.Utilization, a.UtilizationPeak, a.Memory = node.Some(0.4), node.Some(0.9), node.Some(uint64(90<<30))
	}
	return a
}

func tokenServer(pod node.PodID) node.Server {
	return node.Server{
		Pod: pod, Engine: "vllm", URL: "http://10.0.0.7:8000/metrics", At: ago(time.Second), Took: 4 * time.Millisecond, Pages: 1800,
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
	s.Engine, s.URL = "triton", "http://10.0.0.8:8002/metrics"
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

// collectorOf returns a collector of one snapshot.
func collectorOf(s *node.Snapshot) *Collector {
	c := New(Config{
		Snapshot: func() *node.Snapshot { return s }, Targets: func() scaling.Targets { return scaling.Targets{} },
		Node: "node-a", Version: "0.1.0", Revision: "abc123",
	})
	for _, g := range []*gatherer{c.metrics, c.signals} {
		for _, p := range g.parts {
			if self, ok := p.(*selfPart); ok {
				self.build.goVersion = "go1.26"
			}
		}
	}
	return c
}
