package collector

import (
	"testing"

	"gpusignal/node"
)

// usualNode has eight GPUs of a kind, each held by a pod of its own with a token engine, and nothing wrong with any.
func usualNode() *node.Snapshot {
	s := busyNode(8, 1)
	for f := range s.Calls {
		s.Calls[f] = node.CallStats{Count: 10, Sum: 1e6, Max: 1e6}
	}
	for i := range s.Devices {
		d := healthyH100()
		d.Device, d.XIDs, d.Events = s.Devices[i].Device, nil, [node.EventKinds]uint64{}
		s.Devices[i] = d
	}
	for i := range s.Health {
		s.Health[i].Faults = nil
	}
	for i := range s.Accounts {
		s.Accounts[i].Attribution = node.Exclusive
	}
	return s
}

// The series of a usual node are at most 850 by default, with 25 of the process's own: those of Go, of /proc, and of reloads.
func TestSeriesAtDefaults(t *testing.T) {
	const budget, process = 850, 25
	for _, test := range []struct {
		name string
		cfg  Config
		most int
	}{
		{"by default", Config{}, budget - process},
		{"with detail", Config{Detail: true}, 1300},
		{"with detail and dcgm", Config{Detail: true, DCGM: true}, 1500},
	} {
		families, err := collectorWith(usualNode(), test.cfg).Metrics().Gather()
		if err != nil {
			t.Fatal(err)
		}
		n := countSeries(families)
		t.Logf("%s: %d series", test.name, n)
		if n > test.most {
			t.Errorf("%s: %d series, want at most %d", test.name, n, test.most)
		}
	}
}
