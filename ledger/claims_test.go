package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// entry is what the tests compare of an account.
type entry struct {
	UID, Pod string
	How      node.Attribution
	Closed   bool
	Energy   int64
}

func entries(l *Ledger, n float64) []entry {
	var out []entry
	for _, a := range l.Accounts(second(n)) {
		out = append(out, entry{a.Container.Pod.UID, a.Container.Pod.Name, a.Attribution, !a.Closed.IsZero(), a.Energy})
	}
	return out
}

// step of a story: claims that change (or do not), then one joule second booked on the first GPU, at the instant at.
type step struct {
	at     float64
	claims []node.Claim
	want   []entry
}

func TestClaims(t *testing.T) {
	on := func(cs ...node.ContainerID) []node.Claim {
		claims := []node.Claim{}
		for _, c := range cs {
			claims = append(claims, claim(c, gpu0, 1))
		}
		return claims
	}
	noUID, u1, u2 := container("", "a", "main"), container("u1", "a", "main"), container("u2", "a", "main")
	other := container("u9", "b", "main")

	for name, story := range map[string][]step{
		"a claim learns its UID": {
			{1, on(noUID), []entry{{"", "a", node.Exclusive, false, 8}}},
			{2, on(u1), []entry{{"u1", "a", node.Exclusive, false, 16}}},
		},
		"the UIDs are lost for a while": {
			{1, on(u1), []entry{{"u1", "a", node.Exclusive, false, 8}}},
			{2, on(noUID), []entry{{"u1", "a", node.Exclusive, false, 16}}},
			{3, on(u1), []entry{{"u1", "a", node.Exclusive, false, 24}}},
		},
		"a pod of the same name follows": {
			{1, on(u1), []entry{{"u1", "a", node.Exclusive, false, 8}}},
			{2, on(u2), []entry{{"u1", "a", node.Exclusive, true, 8}, {"u2", "a", node.Exclusive, false, 8}}},
			{301, nil, []entry{{"u1", "a", node.Exclusive, true, 8}, {"u2", "a", node.Exclusive, false, 16}}},
			{302, nil, []entry{{"u2", "a", node.Exclusive, false, 32}}},
		},
		"a closed account stays five minutes": {
			{1, on(u1), []entry{{"u1", "a", node.Exclusive, false, 8}}},
			{2, on(), []entry{{"u1", "a", node.Exclusive, true, 8}}},
			{301, nil, []entry{{"u1", "a", node.Exclusive, true, 8}}},
			{302, nil, nil},
		},
		"a claim comes back to its account": {
			{1, on(u1), []entry{{"u1", "a", node.Exclusive, false, 8}}},
			{2, on(), []entry{{"u1", "a", node.Exclusive, true, 8}}},
			{3, on(u1), []entry{{"u1", "a", node.Exclusive, false, 16}}},
		},
		"two closed pods of one name, folded one after the other": {
			{1, on(u1), []entry{{"u1", "a", node.Exclusive, false, 8}}},
			{2, on(u2), []entry{{"u1", "a", node.Exclusive, true, 8}, {"u2", "a", node.Exclusive, false, 8}}},
			{100, on(), []entry{{"u1", "a", node.Exclusive, true, 8}, {"u2", "a", node.Exclusive, true, 8}}},
			{350, nil, []entry{{"u2", "a", node.Exclusive, true, 16}}},
			{400, nil, nil},
		},
		"exclusive, then shared, then exclusive again": {
			{1, on(u1), []entry{{"u1", "a", node.Exclusive, false, 8}}},
			{2, on(u1, other), []entry{
				{"u1", "a", node.Exclusive, true, 8},
				{"u1", "a", node.Split, false, 4},
				{"u9", "b", node.Split, false, 4},
			}},
			// The container is still there: its account of the other kind stays however long that lasts.
			{1000, nil, []entry{
				{"u1", "a", node.Exclusive, true, 8},
				{"u1", "a", node.Split, false, 8},
				{"u9", "b", node.Split, false, 8},
			}},
			{1001, on(u1), []entry{
				{"u1", "a", node.Exclusive, false, 16},
				{"u1", "a", node.Split, true, 8},
				{"u9", "b", node.Split, true, 8},
			}},
			{1301, nil, []entry{
				{"u1", "a", node.Exclusive, false, 24},
				{"u1", "a", node.Split, true, 8},
			}},
		},
		"a UID is learnt while the device is shared": {
			{1, on(noUID), []entry{{"", "a", node.Exclusive, false, 8}}},
			{2, on(noUID, other), []entry{
				{"", "a", node.Exclusive, true, 8}, {"", "a", node.Split, false, 4}, {"u9", "b", node.Split, false, 4},
			}},
			{3, on(u1, other), []entry{
				{"u1", "a", node.Exclusive, true, 8}, {"u1", "a", node.Split, false, 8}, {"u9", "b", node.Split, false, 8},
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			for _, s := range story {
				if s.claims != nil {
					l.SetClaims(second(s.at), s.claims)
				}
				l.Book(node.Use{Device: gpu0, From: second(s.at - 1), To: second(s.at), Energy: 8})
				if diff := cmp.Diff(s.want, entries(l, s.at)); diff != "" {
					t.Fatalf("at %v s (-want +got):\n%s", s.at, diff)
				}
			}
		})
	}
}

// A claim that comes back, and one whose device was shared, begin their windows anew; a UID that is learnt does not.
func TestWindowsOfClaims(t *testing.T) {
	noUID, u1 := container("", "a", "main"), container("u1", "a", "main")
	l := newLedger()
	l.SetClaims(second(0), []node.Claim{claim(noUID, gpu0, 1)})
	for n := 1; n <= 3; n++ {
		l.Book(use(gpu0, n))
	}
	l.SetClaims(second(3), []node.Claim{claim(u1, gpu0, 1)})
	l.Book(use(gpu0, 4))
	if a := l.Accounts(second(4))[0]; !a.Utilization.Known || !a.Opened.Equal(second(0)) {
		t.Errorf("after learning its UID: utilisation %v, opened %v", a.Utilization, a.Opened)
	}
	l.SetClaims(second(4), nil)
	if a := l.Accounts(second(4))[0]; a.Utilization.Known || a.Memory.Known {
		t.Error("a closed account has gauges")
	}
	l.SetClaims(second(5), []node.Claim{claim(u1, gpu0, 1)})
	l.Book(use(gpu0, 6))
	if a := l.Accounts(second(6))[0]; a.Utilization.Known {
		t.Error("a claim that came back has its old window")
	}
	for n := 7; n <= 8; n++ {
		l.Book(use(gpu0, n))
	}
	if a := l.Accounts(second(8))[0]; !a.Utilization.Known {
		t.Error("a claim that came back has no window after a whole one")
	}
}

func TestClosedAt(t *testing.T) {
	l := newLedger()
	l.SetClaims(second(1), []node.Claim{claim(container("u1", "a", "main"), gpu0, 1)})
	l.SetClaims(second(7), nil)
	if a := l.Accounts(second(8))[0]; !a.Closed.Equal(second(7)) || !a.Opened.Equal(second(1)) {
		t.Errorf("opened %v, closed %v", a.Opened, a.Closed)
	}
	if got := l.Accounts(second(7).Add(5 * time.Minute)); len(got) != 0 {
		t.Errorf("%d accounts after their time, want none", len(got))
	}
}
