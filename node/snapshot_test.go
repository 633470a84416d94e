package node

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var asked = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func ago(seconds float64) time.Time { return asked.Add(-time.Duration(seconds * float64(time.Second))) }

// whole is a device state with every number known.
func whole(at time.Time, down string) DeviceState {
	return DeviceState{
		Device: Device{ID: "GPU-0", Minor: 3}, At: at, Down: down,
		Utilization: Some(0.5), UtilizationPeak: Some(0.9), MemoryPeak: Some[uint64](7),
		Last:     Reading{At: at, Power: Some(300.0)},
		Activity: [Units]Opt[float64]{UnitTensor: Some(0.3)}, Refresh: Some(time.Second / 6), Busy: Some(0.004), Slowed: 2,
		XIDs: map[int]XID{79: {Count: 1}}, Events: [EventKinds]uint64{EventXID: 1}, Totals: DeviceTotals{RingSamples: 9},
		Reads: 10, Failures: 2, Missed: 3, Took: time.Millisecond,
	}
}

// bare is what is left of it when its readings are stale.
func bare(at time.Time, down string) DeviceState {
	d := whole(at, down)
	d.Utilization, d.UtilizationPeak, d.MemoryPeak, d.Last = Opt[float64]{}, Opt[float64]{}, Opt[uint64]{}, Reading{}
	d.Activity, d.Refresh, d.Busy = [Units]Opt[float64]{}, Opt[time.Duration]{}, Opt[float64]{}
	return d
}

func TestStaleDevices(t *testing.T) {
	for name, test := range map[string]struct{ in, want DeviceState }{
		"fresh":                       {whole(ago(1), ""), whole(ago(1), "")},
		"at the end of its grace":     {whole(ago(5), ""), whole(ago(5), "")},
		"stale":                       {whole(ago(5.001), ""), bare(ago(5.001), "stale")},
		"stale, and says why itself":  {whole(ago(60), "hung"), bare(ago(60), "hung")},
		"down, and its numbers fresh": {whole(ago(2), "lost"), whole(ago(2), "lost")},
		"never read":                  {whole(time.Time{}, ""), bare(time.Time{}, "")},
		"never read, and lost":        {whole(time.Time{}, "lost"), bare(time.Time{}, "lost")},
	} {
		t.Run(name, func(t *testing.T) {
			held := []DeviceState{test.in}
			s := Sources{DeviceGrace: 5 * time.Second, Devices: func(time.Time) []DeviceState { return held }}
			got := s.Snapshot(asked)
			if diff := cmp.Diff([]DeviceState{test.want}, got.Devices); diff != "" {
				t.Errorf("devices (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.in, held[0]); diff != "" {
				t.Errorf("the source's own value was changed:\n%s", diff)
			}
		})
	}
}

func TestStaleAccounts(t *testing.T) {
	account := func(booked time.Time) Account {
		return Account{
			Device: "GPU-0", Attribution: Exclusive, Booked: booked, Watched: booked, Busy: 5, Observed: 9, Energy: 11,
			Utilization: Some(0.5), UtilizationPeak: Some(0.9), Memory: Some[uint64](7),
		}
	}
	counters := func(booked time.Time) Account {
		return Account{Device: "GPU-0", Attribution: Exclusive, Booked: booked, Watched: booked, Busy: 5, Observed: 9, Energy: 11}
	}
	unwatched, memory := account(ago(1)), counters(ago(1))
	unwatched.Watched, memory.Watched, memory.Memory = ago(6), ago(6), unwatched.Memory
	for name, test := range map[string]struct{ in, want Account }{
		"fresh":                   {account(ago(1)), account(ago(1))},
		"at the end of its grace": {account(ago(5)), account(ago(5))},
		"stale":                   {account(ago(6)), counters(ago(6))},
		"no longer observed":      {unwatched, memory},
		"never booked":            {account(time.Time{}), counters(time.Time{})},
	} {
		t.Run(name, func(t *testing.T) {
			held := []Account{test.in}
			s := Sources{DeviceGrace: 5 * time.Second, Use: func(time.Time) ([]Total, []Account) { return nil, held }}
			if diff := cmp.Diff([]Account{test.want}, s.Snapshot(asked).Accounts); diff != "" {
				t.Errorf("accounts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.in, held[0]); diff != "" {
				t.Errorf("the source's own value was changed:\n%s", diff)
			}
		})
	}
}

func TestStaleServers(t *testing.T) {
	server := func(at time.Time) Server {
		return Server{URL: "http://x/metrics", At: at, Fault: "timeout", Span: time.Minute, Models: []Model{{Name: "m"}}}
	}
	stale := server(ago(61))
	stale.Span, stale.Models = 0, nil
	for name, test := range map[string]struct{ in, want Server }{
		"fresh":                   {server(ago(1)), server(ago(1))},
		"at the end of its grace": {server(ago(60)), server(ago(60))},
		"stale":                   {server(ago(61)), stale},
		"no page yet": {
			Server{URL: "http://x/metrics", Fault: "refused"}, Server{URL: "http://x/metrics", Fault: "refused"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			held := []Server{test.in}
			s := Sources{ServerGrace: time.Minute, Servers: func(time.Time) []Server { return held }}
			if diff := cmp.Diff([]Server{test.want}, s.Snapshot(asked).Servers); diff != "" {
				t.Errorf("servers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.in, held[0]); diff != "" {
				t.Errorf("the source's own value was changed:\n%s", diff)
			}
		})
	}
}

// Every source is asked for the instant of the snapshot, and those that are not there leave their part empty.
func TestSnapshotAsksForOneInstant(t *testing.T) {
	if diff := cmp.Diff(&Snapshot{At: asked}, (&Sources{}).Snapshot(asked)); diff != "" {
		t.Errorf("snapshot of no sources (-want +got):\n%s", diff)
	}
	n := 0
	at := func(at time.Time) {
		if n++; !at.Equal(asked) {
			t.Errorf("a source was asked for %v", at)
		}
	}
	s := Sources{
		Devices: func(t time.Time) []DeviceState { at(t); return nil },
		Use:     func(t time.Time) ([]Total, []Account) { at(t); return []Total{{Device: "t"}}, nil },
		Claims:  func(t time.Time) ([]Claim, []Unmapped) { at(t); return []Claim{{Weight: 1}}, []Unmapped{{Device: "d"}} },
		Pods:    func(t time.Time) []Pod { at(t); return []Pod{{Phase: "Running"}} },
		Servers: func(t time.Time) []Server { at(t); return nil },
		Health: []func(time.Time) []SourceHealth{
			func(t time.Time) []SourceHealth { at(t); return []SourceHealth{{Source: "a"}} },
			func(t time.Time) []SourceHealth { at(t); return []SourceHealth{{Source: "b"}, {Source: "c"}} },
		},
	}
	want := &Snapshot{
		At: asked, Totals: []Total{{Device: "t"}}, Claims: []Claim{{Weight: 1}}, Unmapped: []Unmapped{{Device: "d"}},
		Pods: []Pod{{Phase: "Running"}}, Health: []SourceHealth{{Source: "a"}, {Source: "b"}, {Source: "c"}},
	}
	if diff := cmp.Diff(want, s.Snapshot(asked)); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	if n != 7 {
		t.Errorf("%d sources asked, want 7", n)
	}
}

// The gauge of an account that fell silent goes, its counters stay.
func TestUseKeepsTheCountersOfAStaleAccount(t *testing.T) {
	s := Sources{
		DeviceGrace: 5 * time.Second,
		Use: func(time.Time) ([]Total, []Account) {
			return []Total{{Energy: 1}}, []Account{{Energy: 1, Booked: ago(9), Memory: Some[uint64](1)}}
		},
	}
	want := &Snapshot{At: asked, Totals: []Total{{Energy: 1}}, Accounts: []Account{{Energy: 1, Booked: ago(9)}}}
	if diff := cmp.Diff(want, s.Snapshot(asked)); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
}

func TestLabel(t *testing.T) {
	for want, d := range map[string]Device{
		"3":     {ID: "GPU-0", Minor: 3, Index: 2},
		"3:1":   {ID: "MIG-0", Parent: "GPU-0", Minor: 3, GPUInstance: 1, ComputeInstance: 0},
		"0:0":   {ID: "MIG-1", Parent: "GPU-0"},
		"3:2":   {ID: "MIG-2", Parent: "GPU-0", Minor: 3, GPUInstance: 2, ComputeInstances: 1},
		"3:1:0": {ID: "MIG-3", Parent: "GPU-0", Minor: 3, GPUInstance: 1, ComputeInstances: 2},
		"3:1:1": {ID: "MIG-4", Parent: "GPU-0", Minor: 3, GPUInstance: 1, ComputeInstance: 1, ComputeInstances: 2},
	} {
		if got := d.Label(); got != want {
			t.Errorf("label of %+v is %q, want %q", d, got, want)
		}
	}
}

func TestEnded(t *testing.T) {
	for phase, want := range map[string]bool{
		"Pending": false, "Running": false, "Unknown": false, "": false, "Succeeded": true, "Failed": true,
	} {
		if got := (Pod{Phase: phase}).Ended(); got != want {
			t.Errorf("a pod in phase %q: ended %v, want %v", phase, got, want)
		}
	}
}
