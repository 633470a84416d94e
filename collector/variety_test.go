package collector

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"gpusignal/node"
)

// gib is a gibibyte.
const gib = 1 << 30

// lacking is a set of features.
func lacking(features ...node.Feature) (s node.Features) {
	for _, f := range features {
		s = s.With(f)
	}
	return s
}

// boardOf is a GPU that has been read well, with what every product tells.
func boardOf(minor int, model string, total uint64) node.DeviceState {
	return node.DeviceState{
		Device: node.Device{
			ID: node.DeviceID(fmt.Sprintf("GPU-%d", minor)), Index: minor, Minor: minor, Model: model,
			PCIAddress: fmt.Sprintf("0000:%02x:00.0", 0x1a+minor), Driver: "580.95.05",
		},
		At: ago(80 * time.Millisecond), Utilization: node.Some(0.5), UtilizationPeak: node.Some(1.0), MemoryPeak: node.Some(total / 2),
		Last: node.Reading{
			At: ago(80 * time.Millisecond), Memory: node.Some(node.Memory{Total: total, Reserved: node.Some(total / 128), Used: total / 4}),
			Utilization: node.Some(0.57), MemoryUtilization: node.Some(0.31), Power: node.Some(60.5), PowerLimit: node.Some(70.0),
			Energy: node.Some[int64](5_000_000_000), Temperature: node.Some(48.0),
		},
		Refresh: node.Some(time.Second / 6), Busy: node.Some(0.0007), Slowed: 1, Reads: 600, Took: 300 * time.Microsecond,
	}
}

// variety is a node with eight GPUs, each another: what is published of one says nothing of the next.
func variety() *node.Snapshot {
	s := &node.Snapshot{At: at}
	s.Calls[node.FeatureMemory] = node.CallStats{Count: 600, Sum: 9 * time.Second, Max: 240 * time.Millisecond}
	parent, instances := dividedA100()
	s.Devices = append(s.Devices, healthyH100(), parent)
	s.Devices = append(s.Devices, instances...)
	s.Devices = append(s.Devices, oldT4(), lostH100(), slowedL40S(), grace(), guest(), freshH200())
	s.Totals = []node.Total{
		{Device: "GPU-0", Booked: ago(time.Second), Busy: 250 * time.Second, Observed: 599 * time.Second, Energy: 90_000_000, EnergyKnown: true, UnownedBusy: 50 * time.Second},
		{Device: "GPU-1", Booked: ago(time.Second), Energy: 30_000_000, EnergyKnown: true}, // divided: its energy alone
		{Device: "GPU-2", Booked: ago(time.Second), Observed: 599 * time.Second, Energy: 9_000_000, EnergyKnown: true, UnownedObserved: 599 * time.Second},
		{Device: "GPU-3", Booked: ago(time.Minute), Busy: 99 * time.Second, Observed: 100 * time.Second, EnergyKnown: true},
		{Device: "GPU-4", Booked: ago(time.Second), Busy: 2 * time.Second, Observed: 2 * time.Second, Energy: 2_000_000, EnergyKnown: true},
		{Device: "GPU-6", Booked: ago(time.Second), Busy: 30 * time.Second, Observed: 60 * time.Second, UnownedBusy: 30 * time.Second, UnownedObserved: 60 * time.Second},
		{Device: "MIG-a", Booked: ago(time.Second)},
		{Device: "MIG-b", Booked: ago(time.Second)},
	}
	llm, train := podID("chat", "llm-0"), podID("research", "train-1")
	s.Claims = []node.Claim{
		{Container: container(llm), Device: "GPU-0", Weight: 1},
		{Container: container(train), Device: "GPU-0", Weight: 1},
		{Container: container(llm), Device: "MIG-a", Weight: 1},
		{Container: container(llm), Device: "MIG-a", Weight: 1},
		{Container: container(llm), Device: "GPU-3", Weight: 1},
		{Container: container(train), Device: "GPU-4", Weight: 2},
		{Container: container(llm), Device: "GPU-4", Weight: 1},
	}
	own := account(llm, "GPU-0", node.ByProcess, 200, 599, 50)
	own.Utilization, own.Memory = node.Some(0.25), node.Some(uint64(7*gib))
	other := account(train, "GPU-0", node.ByProcess, 0, 599, 0)
	other.Utilization, other.Memory = node.Some(0.0), node.Some(uint64(gib))
	s.Accounts = []node.Account{own, other, account(train, "GPU-4", node.Split, 1, 1, 1), account(llm, "GPU-4", node.Split, 1, 1, 1), account(llm, "MIG-a", node.Exclusive, 0, 0, 0)}
	return s
}

// healthyH100 tells of activity, and has had errors of two kinds.
func healthyH100() node.DeviceState {
	d := boardOf(0, "NVIDIA H100 80GB HBM3", 80*gib)
	d.Last.Power, d.Last.PowerLimit, d.Last.MemoryTemperature = node.Some(412.5), node.Some(700.0), node.Some(59.0)
	d.Last.Activity = node.Some(node.Activity{Span: 2 * time.Second, PCIeTx: node.Some(2e9), PCIeRx: node.Some(6e9)})
	d.Last.Counters = rawCounters()
	d.Last.Status = status()
	none := node.Opt[uint64]{}
	d.Last.Status.Fan, d.Last.Status.RetiredPending = node.Opt[float64]{}, node.Opt[bool]{}
	d.Last.Status.RetiredSingleBit, d.Last.Status.RetiredDoubleBit = none, none
	d.Last.Status.RemapPending = node.Some(false)
	d.Activity = [node.Units]node.Opt[float64]{
		node.Some(0.49), node.Some(0.41), node.Some(0.22), node.Some(0.3), node.Some(0.62), node.Some(0.0), node.Some(0.02), node.Some(0.05),
	}
	d.Totals = totals()
	d.Refresh, d.Lacks = node.Some(100*time.Millisecond), lacking(node.FeatureFan, node.FeatureRetiredPages)
	d.Told = told()
	d.Told[node.PartProcesses] = time.Time{} // It is not shared.
	d.XIDs = map[int]node.XID{31: {Count: 2, Last: ago(time.Minute)}, 13: {Count: 1, Last: ago(time.Hour)}}
	d.Events[node.EventXID] = 3
	return d
}

// dividedA100 is in MIG mode: its utilisation is nobody's, and its two instances tell of memory alone.
func dividedA100() (parent node.DeviceState, instances []node.DeviceState) {
	parent = boardOf(1, "NVIDIA A100-SXM4-40GB", 40*gib)
	none := node.Opt[float64]{}
	parent.Utilization, parent.UtilizationPeak, parent.Refresh = none, none, node.Opt[time.Duration]{}
	parent.Last.Utilization, parent.Last.MemoryUtilization = none, none
	parent.Last.Memory, parent.MemoryPeak = node.Opt[node.Memory]{}, node.Opt[uint64]{}
	parent.Lacks = lacking(node.FeatureMemory, node.FeatureUtilization, node.FeatureRing, node.FeatureActivity, node.FeatureFan,
		node.FeatureEncoder, node.FeatureDecoder)
	for i, id := range []node.DeviceID{"MIG-a", "MIG-b"} {
		d := boardOf(1, "NVIDIA A100-SXM4-40GB", uint64(20-15*i)*gib)
		d.Device.ID, d.Device.Parent, d.Device.GPUInstance, d.Device.Profile = id, "GPU-1", 1+6*i, []string{"3g.20gb", "1g.5gb"}[i]
		d.Utilization, d.UtilizationPeak, d.Refresh = none, none, node.Opt[time.Duration]{}
		d.Last = node.Reading{At: d.Last.At, Memory: d.Last.Memory}
		d.Lacks = lacking(node.FeatureUtilization, node.FeatureRing, node.FeatureActivity, node.FeaturePower, node.FeatureClocks, node.FeatureECC)
		instances = append(instances, d)
	}
	return parent, instances
}

// oldT4 has retired pages in place of remapped rows, no counters of activity and no temperature of its memory.
func oldT4() node.DeviceState {
	d := boardOf(2, "Tesla T4", 15*gib)
	d.Last.Status = node.Status{
		Known: true, SMClock: node.Some(1.59e9), MemoryClock: node.Some(5e9), PerformanceState: node.Some(0), Encoder: node.Some(0.4), Decoder: node.Some(0.1),
		ECCCorrected: node.Some[uint64](0), ECCUncorrected: node.Some[uint64](1),
		RetiredSingleBit: node.Some[uint64](2), RetiredDoubleBit: node.Some[uint64](1), RetiredPending: node.Some(true),
		PCIeGeneration: node.Some(3), PCIeWidth: node.Some(8),
	}
	d.Totals = node.DeviceTotals{PCIeReplays: node.Some[uint64](12), RingSamples: 3600}
	d.Totals.Throttled[node.ThrottlePower] = node.Some(45 * time.Second)
	d.Totals.Throttled[node.ThrottleThermal] = node.Some(1500 * time.Millisecond)
	d.Lacks = lacking(node.FeatureActivity, node.FeatureMemoryTemperature, node.FeatureNVLink, node.FeatureRemappedRows, node.FeatureFan)
	return d
}

// lostH100 fell off the bus a minute ago: what it counted stays, what it read is gone.
func lostH100() node.DeviceState {
	d := boardOf(3, "NVIDIA H100 80GB HBM3", 80*gib)
	info := d.Device
	return node.DeviceState{
		Device: info, At: ago(time.Minute), Down: "lost", Slowed: 1, Reads: 600, Failures: 57, Took: 40 * time.Microsecond,
		XIDs:   map[int]node.XID{79: {Count: 1, Last: ago(time.Minute)}},
		Events: [node.EventKinds]uint64{node.EventXID: 1, node.EventUnavailable: 1}, Totals: node.DeviceTotals{PCIeTx: node.Some[uint64](9e9)},
	}
}

// slowedL40S has a driver that is slow to answer, so it is read four times less often.
func slowedL40S() node.DeviceState {
	d := boardOf(4, "NVIDIA L40S", 48*gib)
	d.Busy, d.Slowed, d.Missed, d.Took = node.Some(0.0048), 4, 31, 28*time.Millisecond
	d.Lacks = lacking(node.FeatureActivity, node.FeatureNVLink, node.FeatureRetiredPages)
	return d
}

// grace shares its memory with the processor: NVML tells nothing of it.
func grace() node.DeviceState {
	d := boardOf(5, "NVIDIA GB10", 0)
	d.Last.Memory, d.MemoryPeak = node.Opt[node.Memory]{}, node.Opt[uint64]{}
	d.Lacks = lacking(node.FeatureMemory, node.FeatureECC, node.FeatureRemappedRows, node.FeatureRetiredPages, node.FeatureNVLink, node.FeatureFan)
	return d
}

// guest is a virtual GPU: its host keeps power, clocks, links and events to itself.
func guest() node.DeviceState {
	d := boardOf(6, "GRID A100-10C", 10*gib)
	none := node.Opt[float64]{}
	d.Last.Power, d.Last.PowerLimit, d.Last.Temperature, d.Last.Energy = none, none, none, node.Opt[int64]{}
	d.Last.Memory.Value.Reserved = node.Opt[uint64]{} // its driver is older than 510
	d.Lacks = lacking(node.FeatureRing, node.FeatureActivity, node.FeaturePower, node.FeaturePowerLimit, node.FeatureEnergy, node.FeatureTemperature,
		node.FeatureMemoryTemperature, node.FeatureThrottling, node.FeaturePCIe, node.FeatureNVLink, node.FeatureClocks, node.FeatureFan,
		node.FeatureECC, node.FeatureRemappedRows, node.FeatureRetiredPages, node.FeaturePCIeLink, node.FeatureEvents)
	return d
}

// freshH200 was read for the first time a moment ago: no window is full, and nothing is booked.
func freshH200() node.DeviceState {
	d := boardOf(7, "NVIDIA H200", 141*gib)
	none := node.Opt[float64]{}
	d.Utilization, d.UtilizationPeak, d.MemoryPeak = none, none, node.Opt[uint64]{}
	d.Busy, d.Refresh, d.Reads = none, node.Opt[time.Duration]{}, 1
	return d
}

// TestVarietyOfGPUs pins what is published of eight GPUs that have little in common: by default, with detail, and for DCGM.
func TestVarietyOfGPUs(t *testing.T) {
	for name, one := range map[string]part{
		"variety":        newDevicePart("node-a", false),
		"variety-detail": newDevicePart("node-a", true),
		"dcgm/variety":   newDCGMPart("node-a"),
	} {
		t.Run(name, func(t *testing.T) {
			g := &gatherer{parts: []part{one}}
			families := g.families(variety(), nil)
			golden(t, filepath.Join("testdata", name+".metrics"), encode(t, families))
			checkNames(t, families)
		})
	}
}
