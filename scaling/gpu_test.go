package scaling

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func board(id node.DeviceID, utilization float64, total uint64) node.DeviceState {
	return node.DeviceState{
		Device: node.Device{ID: id}, At: ago(time.Second), Utilization: node.Some(utilization), UtilizationPeak: node.Some(utilization),
		Last: node.Reading{Memory: node.Some(node.Memory{Total: total, Used: total / 2})},
	}
}

func exclusive(pod node.PodID, id node.DeviceID, utilization float64, memory uint64) node.Account {
	return node.Account{
		Container: node.ContainerID{Pod: pod, Name: "main"}, Device: id, Attribution: node.Exclusive, Opened: ago(time.Hour),
		Booked: ago(2 * time.Second), Utilization: node.Some(utilization), UtilizationPeak: node.Some(utilization), Memory: node.Some(memory),
	}
}

func TestGPUSignals(t *testing.T) {
	other := node.PodID{UID: "o", Namespace: "z", Name: "other"}
	split := func(pod node.PodID, container string, id node.DeviceID) node.Account {
		a := exclusive(pod, id, 0.3, 10)
		a.Container.Name, a.Attribution = container, node.Split
		a.Utilization, a.UtilizationPeak, a.Memory = node.Opt[float64]{}, node.Opt[float64]{}, node.Opt[uint64]{}
		return a
	}
	process := func(pod node.PodID, container string, id node.DeviceID, utilization float64, memory uint64) node.Account {
		a := exclusive(pod, id, utilization, memory)
		a.Container.Name, a.Attribution = container, node.ByProcess
		return a
	}
	guess := func() node.Account {
		a := split(chat, "main", "GPU-a")
		a.Utilization = node.Some(0.3)
		return a
	}
	memory := func(a node.Account, bytes uint64) node.Account { a.Memory = node.Some(bytes); return a }
	young := func(a node.Account) node.Account { a.Opened = ago(10 * time.Second); return a }
	closed := func(a node.Account) node.Account { a.Closed = ago(time.Second); return a }
	unbooked := func(a node.Account) node.Account {
		a.Utilization, a.UtilizationPeak = node.Opt[float64]{}, node.Opt[float64]{}
		return a
	}
	devices := []node.DeviceState{board("GPU-a", 0.6, 100), board("GPU-b", 0.1, 300)}
	all := func(utilization, peak, memory float64) map[Name]float64 {
		return map[Name]float64{GPUUtilization: utilization, GPUUtilizationPeak: peak, GPUMemoryUsage: memory}
	}
	for _, test := range []struct {
		name     string
		accounts []node.Account
		claims   []node.Claim
		want     map[Name]float64
	}{
		{"one device", []node.Account{exclusive(chat, "GPU-a", 0.6, 50)}, nil, all(0.6, 0.6, 0.5)},
		{
			"mean of utilisation, greatest of peaks, sum of memory over sum of totals",
			[]node.Account{exclusive(chat, "GPU-a", 0.8, 100), exclusive(chat, "GPU-b", 0.2, 0)},
			nil, all(0.5, 0.8, 0.25),
		},
		{"only split", []node.Account{split(chat, "main", "GPU-a"), split(other, "main", "GPU-a")}, nil, map[Name]float64{}},
		{"split, whatever its account says", []node.Account{guess(), split(other, "main", "GPU-a")}, nil, map[Name]float64{}},
		{
			"split, and memory told by processes",
			[]node.Account{memory(split(chat, "main", "GPU-a"), 25), memory(split(other, "main", "GPU-a"), 50)},
			nil,
			map[Name]float64{GPUMemoryUsage: 0.25},
		},
		{
			"one of two devices split",
			[]node.Account{split(chat, "main", "GPU-a"), split(other, "main", "GPU-a"), exclusive(chat, "GPU-b", 0.2, 30)},
			nil,
			map[Name]float64{},
		},
		{
			"shared with another pod, by process",
			[]node.Account{process(chat, "main", "GPU-a", 0.2, 20), process(other, "main", "GPU-a", 0.4, 30)},
			nil, all(0.2, 0.2, 0.2),
		},
		{"shared inside the pod", []node.Account{split(chat, "x", "GPU-a"), split(chat, "y", "GPU-a")}, nil, all(0.6, 0.6, 0.5)},
		{"shared inside the pod since a moment", []node.Account{split(chat, "x", "GPU-a"), young(split(chat, "y", "GPU-a"))}, nil, map[Name]float64{}},
		{"first window not full", []node.Account{unbooked(exclusive(chat, "GPU-a", 0, 50))}, nil, map[Name]float64{GPUMemoryUsage: 0.5}},
		{"closed", []node.Account{closed(exclusive(chat, "GPU-a", 0.6, 50)), exclusive(chat, "GPU-b", 0.2, 30)}, nil, all(0.2, 0.2, 0.1)},
		{
			"a claim without an account yet",
			[]node.Account{exclusive(chat, "GPU-b", 0.2, 30)},
			[]node.Claim{{Container: node.ContainerID{Pod: chat, Name: "main"}, Device: "GPU-a"}},
			map[Name]float64{},
		},
		{"a device that is not listed", []node.Account{exclusive(chat, "GPU-z", 0.2, 30)}, nil, map[Name]float64{GPUUtilization: 0.2, GPUUtilizationPeak: 0.2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &node.Snapshot{At: at, Devices: devices, Accounts: test.accounts, Claims: test.claims}
			for _, pod := range Derive(s, Targets{}) {
				if pod.Pod != chat {
					continue
				}
				if diff := cmp.Diff(test.want, values(pod), near); diff != "" {
					t.Errorf("signals (-want +got):\n%s", diff)
				}
				return
			}
			t.Error("the pod is not there")
		})
	}
}
