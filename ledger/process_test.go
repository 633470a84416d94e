package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func process(c node.ContainerID, share float64, memory uint64) node.Process {
	return node.Process{PID: 1, Known: true, Container: c, Share: share, Memory: memory}
}

// five seconds that end at n, of which 2 were busy, with 100 J, told by processes.
func five(n int, by ...node.Process) node.Use {
	return node.Use{
		Device: gpu0, From: second(float64(n - 5)), To: second(float64(n)),
		Busy: 2 * time.Second, Observed: 5 * time.Second, Energy: 100e6, Memory: node.Some[uint64](50),
		By: node.Some(by), Shared: true,
	}
}

func newProcessLedger() *Ledger {
	return New(Config{Window: 10 * time.Second, Keep: 5 * time.Minute, Processes: true})
}

// What processes of the holders did is theirs, what others did is not.
func TestByProcess(t *testing.T) {
	l := newProcessLedger()
	a, b := container("u1", "a", "main"), container("u2", "b", "main")
	l.SetClaims(second(0), []node.Claim{claim(a, gpu0, 1), claim(b, gpu0, 3)})
	unknown := node.Process{PID: 4, Share: 0.125} // It ended before anybody could tell whose it was.
	host := node.Process{PID: 5, Known: true, Share: 0.125, Memory: 7}
	for n := 5; n <= 15; n += 5 {
		l.Book(five(n, process(a, 0.5, 10), process(a, 0.125, 1), process(b, 0.125, 20), unknown, host))
	}
	want := []node.Account{
		{
			Container: a, Device: gpu0, Attribution: node.ByProcess, Opened: second(0), Booked: second(15), Watched: second(15),
			Busy: 3750 * time.Millisecond, Observed: 3750 * time.Millisecond, Energy: 187.5e6,
			Utilization: node.Some(0.25), UtilizationPeak: node.Some(0.25), Memory: node.Some[uint64](11),
		},
		{
			Container: b, Device: gpu0, Attribution: node.ByProcess, Opened: second(0), Booked: second(15), Watched: second(15),
			Busy: 750 * time.Millisecond, Observed: 11250 * time.Millisecond, Energy: 37.5e6,
			Utilization: node.Some(0.05), UtilizationPeak: node.Some(0.05), Memory: node.Some[uint64](20),
		},
	}
	if diff := cmp.Diff(want, l.Accounts(second(15))); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	wantTotal := []node.Total{{
		Device: gpu0, Booked: second(15), Busy: 6 * time.Second, Observed: 15 * time.Second, Energy: 300e6,
		UnownedBusy: 1500 * time.Millisecond, UnownedEnergy: 75e6,
	}}
	if diff := cmp.Diff(wantTotal, l.Totals(second(15))); diff != "" {
		t.Errorf("total (-want +got):\n%s", diff)
	}
	if l.Guests() != 0 {
		t.Errorf("%d guests", l.Guests())
	}
}

// Of an interval in which nothing ran nobody used anything, though all hold the device.
func TestByProcessIdle(t *testing.T) {
	l := newProcessLedger()
	a, b := container("u1", "a", "main"), container("u2", "b", "main")
	l.SetClaims(second(0), []node.Claim{claim(a, gpu0, 1), claim(b, gpu0, 1)})
	for n := 5; n <= 10; n += 5 {
		u := five(n)
		u.Busy = 0
		l.Book(u)
	}
	for _, acc := range l.Accounts(second(10)) {
		if acc.Busy != 0 || acc.Energy != 0 || acc.Observed != 5*time.Second || acc.Utilization != node.Some(0.0) || acc.Memory != node.Some[uint64](0) {
			t.Errorf("account %+v", acc)
		}
	}
	if got := l.Totals(second(10))[0]; got.UnownedEnergy != 200e6 || got.UnownedObserved != 0 {
		t.Errorf("total %+v", got)
	}
}

// A container that uses a device without a claim on it is told of, and counted once it stays.
func TestGuests(t *testing.T) {
	l := newProcessLedger()
	a, b, c := container("u1", "a", "main"), container("u2", "b", "main"), container("u3", "c", "main")
	l.SetClaims(second(0), []node.Claim{claim(a, gpu0, 1), claim(b, gpu0, 1)})
	l.Book(five(5, process(a, 0.5, 1), process(c, 0.5, 2)))
	if l.Guests() != 0 {
		t.Error("a container that was seen once is counted: its claim may be on its way")
	}
	l.Book(five(10, process(a, 0.5, 1), process(c, 0.5, 2)))
	l.Book(five(15, process(a, 0.5, 1), process(c, 0.5, 2)))
	if l.Guests() != 1 {
		t.Errorf("%d guests, want 1", l.Guests())
	}
	want := node.Account{
		Container: c, Device: gpu0, Attribution: node.ByProcess, Opened: second(5), Booked: second(15), Watched: second(15),
		Busy: 3 * time.Second, Energy: 150e6, Utilization: node.Some(0.2), UtilizationPeak: node.Some(0.2), Memory: node.Some[uint64](2),
	}
	if diff := cmp.Diff(want, l.Accounts(second(15))[2]); diff != "" {
		t.Errorf("account of the guest (-want +got):\n%s", diff)
	}
	l.Book(five(20, process(a, 1, 1)))
	if got := l.Accounts(second(20))[2]; !got.Closed.Equal(second(20)) || got.Busy != 3*time.Second || got.Utilization.Known {
		t.Errorf("account of the guest that left: %+v", got)
	}
	l.Book(five(25, process(c, 1, 1)))
	l.SetClaims(second(26), []node.Claim{claim(a, gpu0, 1), claim(b, gpu0, 1), claim(c, gpu0, 1)})
	l.Book(five(30, process(c, 1, 1)))
	got := l.Accounts(second(30))
	if len(got) != 3 || got[2].Busy != 7*time.Second || !got[2].Closed.IsZero() {
		t.Errorf("accounts after the guest got a claim: %+v", got)
	}
	if l.Guests() != 1 {
		t.Errorf("%d guests, want 1", l.Guests())
	}
}

// The way in which use is told changes: each way has its own account, and what was never told in the expected one is not told of.
func TestWayChanges(t *testing.T) {
	l := newProcessLedger()
	a, b := container("u1", "a", "main"), container("u2", "b", "main")
	ways := func(n float64) map[node.Attribution]time.Duration {
		out := make(map[node.Attribution]time.Duration)
		for _, acc := range l.Accounts(second(n)) {
			out[acc.Attribution] += acc.Busy
		}
		return out
	}
	l.SetClaims(second(0), []node.Claim{claim(a, gpu0, 1), claim(b, gpu0, 1)})
	unseen := five(5)
	unseen.By, unseen.Shared = node.Opt[[]node.Process]{}, false
	l.Book(unseen)
	if diff := cmp.Diff(map[node.Attribution]time.Duration{node.Split: 2 * time.Second}, ways(5)); diff != "" {
		t.Errorf("without processes (-want +got):\n%s", diff)
	}
	l.Book(five(10, process(a, 1, 1)))
	want := map[node.Attribution]time.Duration{node.Split: 2 * time.Second, node.ByProcess: 2 * time.Second}
	if diff := cmp.Diff(want, ways(10)); diff != "" {
		t.Errorf("with processes (-want +got):\n%s", diff)
	}
	// One of two leaves: what was held until then is told by processes once more, and then the device is one pod's.
	l.SetClaims(second(12), []node.Claim{claim(a, gpu0, 1)})
	l.Book(five(15, process(a, 0.5, 1), process(b, 0.5, 1)))
	l.Book(use(gpu0, 16))
	want = map[node.Attribution]time.Duration{node.Split: 2 * time.Second, node.ByProcess: 4 * time.Second, node.Exclusive: time.Second / 2}
	if diff := cmp.Diff(want, ways(16)); diff != "" {
		t.Errorf("after one left (-want +got):\n%s", diff)
	}
	if got := l.Totals(second(16))[0]; got.UnownedBusy != 0 {
		t.Errorf("unowned %v", got.UnownedBusy)
	}
}

// Memory is told by processes also where their shares are not known, as on a MIG instance; not where one could be anybody's, nor by
// a driver that does not tell.
func TestMemoryByProcess(t *testing.T) {
	a, b := container("u1", "a", "main"), container("u2", "b", "main")
	some := node.Some[uint64]
	for name, test := range map[string]struct {
		by   node.Opt[[]node.Process]
		a, b node.Opt[uint64]
	}{
		"not read":           {},
		"none":               {node.Some([]node.Process{}), some(0), some(0)},
		"both":               {node.Some([]node.Process{process(a, 0, 3), process(b, 0, 4), process(a, 0, 5)}), some(8), some(4)},
		"one":                {node.Some([]node.Process{process(a, 0, 3)}), some(3), some(0)},
		"of the host":        {node.Some([]node.Process{process(a, 0, 3), {Known: true, Memory: 9}}), some(3), some(0)},
		"of nobody knows":    {node.Some([]node.Process{process(a, 0, 3), {Memory: 9}}), node.Opt[uint64]{}, node.Opt[uint64]{}},
		"of one that ended":  {node.Some([]node.Process{process(a, 0, 3), {Share: 0.5}}), some(3), some(0)},
		"the driver is mute": {node.Some([]node.Process{process(a, 0, 0)}), node.Opt[uint64]{}, node.Opt[uint64]{}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newProcessLedger()
			l.SetClaims(second(0), []node.Claim{claim(a, gpu0, 1), claim(b, gpu0, 1)})
			u := five(5)
			u.By, u.Shared = test.by, false
			l.Book(u)
			got := l.Accounts(second(5))
			if len(got) != 2 || got[0].Memory != test.a || got[1].Memory != test.b || got[0].Attribution != node.Split {
				t.Errorf("accounts %+v, want memory %v and %v", got, test.a, test.b)
			}
		})
	}
}
