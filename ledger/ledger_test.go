package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

const (
	gpu0 = node.DeviceID("GPU-0")
	gpu1 = node.DeviceID("GPU-1")
)

// start is where the tests' time begins.
var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func second(n float64) time.Time { return start.Add(time.Duration(n * float64(time.Second))) }

func container(uid, pod, name string) node.ContainerID {
	return node.ContainerID{Pod: node.PodID{UID: uid, Namespace: "ml", Name: pod}, Name: name}
}

func claim(c node.ContainerID, id node.DeviceID, weight int) node.Claim {
	return node.Claim{Container: c, Device: id, Weight: weight}
}

// use is one second that ends at n, half of it busy, with 100 J.
func use(id node.DeviceID, n int) node.Use {
	return node.Use{
		Device: id, From: second(float64(n - 1)), To: second(float64(n)),
		Busy: time.Second / 2, Observed: time.Second, Energy: 100e6,
		Peak: node.Some(0.75), Memory: node.Some[uint64](1 << 30),
	}
}

func newLedger() *Ledger { return New(Config{Window: 3 * time.Second, Keep: 5 * time.Minute}) }

func TestExclusive(t *testing.T) {
	l := newLedger()
	a := container("u1", "a", "main")
	l.SetClaims(second(0), []node.Claim{claim(a, gpu0, 1)})
	l.Book(use(gpu0, 1))

	got := l.Accounts(second(1))
	want := []node.Account{{
		Container: a, Device: gpu0, Attribution: node.Exclusive, Opened: second(0), Booked: second(1),
		Watched: second(1), Busy: time.Second / 2, Observed: time.Second, Energy: 100e6, Memory: node.Some[uint64](1 << 30),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("account before its first whole window (-want +got):\n%s", diff)
	}

	l.Book(use(gpu0, 2))
	l.Book(use(gpu0, 3))
	a3 := l.Accounts(second(3))[0]
	if a3.Utilization != node.Some(0.5) || a3.UtilizationPeak != node.Some(0.75) {
		t.Errorf("after a whole window: mean %v, peak %v, want 0.5 and 0.75", a3.Utilization, a3.UtilizationPeak)
	}
	wantTotal := []node.Total{{
		Device: gpu0, Booked: second(3), Busy: 1500 * time.Millisecond, Observed: 3 * time.Second, Energy: 300e6,
	}}
	if diff := cmp.Diff(wantTotal, l.Totals(second(3))); diff != "" {
		t.Errorf("total (-want +got):\n%s", diff)
	}
}

// While energy alone is told, bookings go on and the utilisation of before is not repeated as new: the account says when some was last
// observed. Memory that is not told is not known.
func TestUtilisationFallsSilent(t *testing.T) {
	l := newLedger()
	l.SetClaims(second(0), []node.Claim{claim(container("u1", "a", "main"), gpu0, 1)})
	sources := node.Sources{DeviceGrace: 12 * time.Second, Use: l.Use}
	for n := 1; n <= 40; n++ {
		u := use(gpu0, n)
		if n > 10 {
			u.Busy, u.Observed, u.Peak, u.Memory = 0, 0, node.Opt[float64]{}, node.Opt[uint64]{}
		}
		l.Book(u)
		a := sources.Snapshot(second(float64(n))).Accounts[0]
		if want := n >= 3 && n <= 22; a.Utilization.Known != want || a.UtilizationPeak.Known != want {
			t.Errorf("second %d, ten of them observed: utilisation known %v, want %v", n, a.Utilization.Known, want)
		}
		if want := n <= 10; a.Memory.Known != want || a.Energy != int64(n)*100e6 {
			t.Errorf("second %d: memory known %v, want %v; energy %d", n, a.Memory.Known, want, a.Energy)
		}
	}
}

// The window of an account begins with its claim, in the middle of an interval too.
func TestWindowBeginsWithClaim(t *testing.T) {
	l := newLedger()
	for n := 1; n <= 5; n++ {
		l.Book(use(gpu0, n))
	}
	l.SetClaims(second(5.5), []node.Claim{claim(container("u1", "a", "main"), gpu0, 1)})
	for n := 6; n <= 8; n++ {
		l.Book(use(gpu0, n))
		if a := l.Accounts(second(float64(n)))[0]; a.Utilization.Known || a.UtilizationPeak.Known {
			t.Errorf("at %d s: utilisation %v of a claim younger than its window", n, a.Utilization)
		}
	}
	l.Book(use(gpu0, 9))
	if a := l.Accounts(second(9))[0]; a.Utilization != node.Some(0.5) {
		t.Errorf("utilisation %v after a whole window, want 0.5", a.Utilization)
	}
}

func TestUnobservedTimeIsNoUse(t *testing.T) {
	l := newLedger()
	l.SetClaims(second(0), []node.Claim{claim(container("u1", "a", "main"), gpu0, 1)})
	for n := 1; n <= 3; n++ {
		l.Book(use(gpu0, n))
	}
	l.Book(node.Use{Device: gpu0, From: second(3), To: second(4)})
	a := l.Accounts(second(4))[0]
	if a.Observed != 3*time.Second || a.Utilization != node.Some(0.5) {
		t.Errorf("observed %v, utilisation %v, want 3s and 0.5", a.Observed, a.Utilization)
	}
	if a.Memory.Known {
		t.Error("memory of an interval without a reading is known")
	}
}

func TestUnowned(t *testing.T) {
	l := newLedger()
	l.Book(use(gpu0, 1))
	want := []node.Total{{
		Device: gpu0, Booked: second(1), Busy: time.Second / 2, Observed: time.Second, Energy: 100e6,
		UnownedBusy: time.Second / 2, UnownedObserved: time.Second, UnownedEnergy: 100e6,
	}}
	if diff := cmp.Diff(want, l.Totals(second(1))); diff != "" {
		t.Errorf("total (-want +got):\n%s", diff)
	}
}

// Who used a device in an outage that the claims changed in is not known.
func TestOutageAcrossClaims(t *testing.T) {
	l := newLedger()
	l.SetClaims(second(30), []node.Claim{claim(container("u1", "a", "main"), gpu0, 1)})
	l.Book(node.Use{Device: gpu0, From: second(0), To: second(60), Energy: 5})
	if got := l.Totals(second(60))[0].UnownedEnergy; got != 5 {
		t.Errorf("unowned energy %d, want 5", got)
	}
	l.Book(node.Use{Device: gpu0, From: second(60), To: second(120), Energy: 7})
	if got := l.Accounts(second(120))[0].Energy; got != 7 {
		t.Errorf("energy of an outage under one claim %d, want 7", got)
	}
}

func TestDividedBoard(t *testing.T) {
	l := newLedger()
	u := use(gpu0, 1)
	u.Divided = true
	l.Book(u)
	got := l.Totals(second(1))[0]
	if got.Energy != 100e6 || got.UnownedEnergy != 0 || got.UnownedBusy != 0 {
		t.Errorf("total of a divided board %+v: want its energy, and nothing unowned", got)
	}
}

// What was told late, after intervals that lacked it, is nobody's when the device changed hands meanwhile.
func TestLateUseOfAnotherOwner(t *testing.T) {
	l := newLedger()
	a, b := container("u1", "a", "main"), container("u2", "b", "main")
	l.SetClaims(second(0), []node.Claim{claim(a, gpu0, 1)})
	for n := 1; n < 30; n++ {
		if n == 15 {
			l.SetClaims(second(15), []node.Claim{claim(b, gpu0, 1)})
		}
		l.Book(node.Use{Device: gpu0, From: second(float64(n - 1)), To: second(float64(n))})
	}
	l.Book(node.Use{Device: gpu0, From: second(0), To: second(30), Busy: time.Second, Observed: 30 * time.Second, Energy: 7})
	for _, acc := range l.Accounts(second(30)) {
		if acc.Busy != 0 || acc.Observed != 0 || acc.Energy != 0 {
			t.Errorf("the account of %q has %v of %v, and energy %d", acc.Container.Pod.Name, acc.Busy, acc.Observed, acc.Energy)
		}
	}
	if got := l.Totals(second(30))[0]; got.UnownedBusy != time.Second || got.UnownedObserved != 30*time.Second || got.UnownedEnergy != 7 {
		t.Errorf("unowned: %+v", got)
	}
}

func TestSplit(t *testing.T) {
	l := newLedger()
	// Two containers of one pod are two owners all the same.
	a, b := container("u1", "a", "main"), container("u1", "a", "sidecar")
	l.SetClaims(second(0), []node.Claim{claim(a, gpu0, 1), claim(b, gpu0, 1), claim(b, gpu0, 1), claim(a, gpu1, 1)})
	if !l.Shared(gpu0) || l.Shared(gpu1) || l.Shared("GPU-none") {
		t.Error("shared: want the device of two containers and no other")
	}
	for n := 1; n <= 300; n++ {
		l.Book(node.Use{Device: gpu0, From: second(float64(n - 1)), To: second(float64(n)), Busy: 100, Observed: 1000, Energy: 1, Memory: node.Some[uint64](9)})
	}
	var got []node.Account
	for _, acc := range l.Accounts(second(300)) {
		if acc.Device == gpu0 {
			got = append(got, acc)
		}
	}
	want := []node.Account{
		{Container: a, Device: gpu0, Attribution: node.Split, Opened: second(0), Booked: second(300), Busy: 10_000, Observed: 100_000, Energy: 100},
		{Container: b, Device: gpu0, Attribution: node.Split, Opened: second(0), Booked: second(300), Busy: 20_000, Observed: 200_000, Energy: 200},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
}

// What rounding leaves over takes turns.
func TestSplitRoundingIsFair(t *testing.T) {
	weights := []int{1, 1, 1, 2, 3}
	var accounts []*account
	sum := 0
	for _, w := range weights {
		accounts = append(accounts, &account{weight: w})
		sum += w
	}
	var fed int64
	for n := range int64(10_000) {
		x := n*7919%1009 + 1
		fed += x
		split(amounts{x, 1, 0}, accounts)
		var all int64
		for i, a := range accounts {
			all += a.amounts[busy]
			exact := float64(fed) * float64(weights[i]) / float64(sum)
			if off := float64(a.amounts[busy]) - exact; off > 2 || off < -2 {
				t.Fatalf("step %d: account %d is %.2f off its share", n, i, off)
			}
		}
		if all != fed {
			t.Fatalf("step %d: shares sum to %d of %d", n, all, fed)
		}
	}
	for i, a := range accounts {
		if want := int64(10_000 * weights[i] / sum); a.amounts[observed] < want-2 || a.amounts[observed] > want+2 {
			t.Errorf("single units: account %d got %d, want %d", i, a.amounts[observed], want)
		}
	}
}

func TestSplitOfHugeAmounts(t *testing.T) {
	accounts := []*account{{weight: 1 << 20}, {weight: 3 << 20}}
	split(amounts{1<<62 + 3, 0, 0}, accounts)
	if got := accounts[0].amounts[busy] + accounts[1].amounts[busy]; got != 1<<62+3 {
		t.Errorf("sum %d, want %d", got, int64(1)<<62+3)
	}
}

func TestNegativeUseIsNothing(t *testing.T) {
	l := newLedger()
	l.Book(node.Use{Device: gpu0, From: second(0), To: second(1), Busy: -1, Observed: -1, Energy: -1})
	want := []node.Total{{Device: gpu0, Booked: second(1)}}
	if diff := cmp.Diff(want, l.Totals(second(1))); diff != "" {
		t.Errorf("total (-want +got):\n%s", diff)
	}
}

// Energy that was read once stays known: an interval without a reading of it takes nothing back.
func TestEnergyStaysKnown(t *testing.T) {
	l := New(Config{})
	for n, known := range []bool{false, true, false} {
		l.Book(node.Use{Device: gpu0, From: second(float64(n)), To: second(float64(n + 1)), EnergyKnown: known})
		if got, want := l.Totals(second(float64(n + 1)))[0].EnergyKnown, n > 0; got != want {
			t.Errorf("after interval %d: energy known %v, want %v", n, got, want)
		}
	}
}
