package ledger

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gpusignal/node"
)

// world feeds a ledger at random and keeps, by itself, what it fed in.
type world struct {
	rnd    *rand.Rand
	ledger *Ledger
	now    time.Time
	from   map[node.DeviceID]time.Time
	fed    map[node.DeviceID]amounts
	pods   []node.PodID // that run now
	uids   int
	claims []node.Claim
	// seen are the published counters of each label set at the last look.
	seen map[labels]amounts
	// claimed is when an account of these labels, in which anything was booked, was last open.
	claimed map[labels]time.Time
}

// labels are what a container series goes by: no UID.
type labels struct {
	namespace, pod, container string
	device                    node.DeviceID
	how                       node.Attribution
}

var propertyDevices = []node.DeviceID{"GPU-0", "GPU-1", "GPU-2", "GPU-3"}

const propertyKeep = time.Minute

// Whatever happens, in whatever order: the use that went in is the sum of all accounts and of what nobody owned, to the
// last nanosecond and microjoule, and no published counter goes back.
func TestEverythingAddsUp(t *testing.T) {
	for seed, steps := range []int{50_000, 10_000} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := &world{
				rnd:    rand.New(rand.NewPCG(uint64(seed), 0)),
				ledger: New(Config{Window: 15 * time.Second, Keep: propertyKeep}),
				now:    start,
				from:   make(map[node.DeviceID]time.Time), fed: make(map[node.DeviceID]amounts),
				seen: make(map[labels]amounts), claimed: make(map[labels]time.Time),
			}
			for n := range steps {
				// Claims change under the eyes of the check, bookings may add up for a few steps.
				booking := w.rnd.IntN(100) < 90
				if !booking || n%50 == 0 {
					w.check(t, n)
				}
				if booking {
					w.book(t, n)
					continue
				}
				w.step()
				w.check(t, n)
			}
			w.check(t, steps)
		})
	}
}

// step does anything but book.
func (w *world) step() {
	switch n := w.rnd.IntN(100); {
	case n < 30 && len(w.pods) < 8: // A pod of a few names starts, so names come again.
		w.uids++
		w.pods = append(w.pods, node.PodID{
			UID: fmt.Sprint("u", w.uids), Namespace: "ml", Name: fmt.Sprint("p", w.rnd.IntN(6)),
		})
		w.claim()
	case n < 60: // One ends.
		if len(w.pods) > 0 {
			i := w.rnd.IntN(len(w.pods))
			w.pods = slices.Delete(w.pods, i, i+1)
		}
		w.claim()
	case n < 70: // The same claims again, with or without their UIDs.
		w.send(w.rnd.IntN(2) == 0)
	case n < 95:
		w.now = w.now.Add(time.Duration(w.rnd.Int64N(int64(2 * time.Second))))
	default:
		w.now = w.now.Add(time.Duration(w.rnd.Int64N(int64(2 * propertyKeep))))
	}
}

func (w *world) book(t *testing.T, step int) {
	t.Helper()
	id := propertyDevices[w.rnd.IntN(len(propertyDevices))]
	from, ok := w.from[id]
	if !ok {
		from = w.now
	}
	w.now = w.now.Add(time.Duration(w.rnd.Int64N(int64(500 * time.Millisecond))))
	length := int64(w.now.Sub(from)) + 1
	seen := w.rnd.Int64N(length)
	n := amounts{w.rnd.Int64N(seen + 1), seen, w.rnd.Int64N(1_000_000_000)}
	use := node.Use{
		Device: id, From: from, To: w.now,
		Busy: time.Duration(n[busy]), Observed: time.Duration(n[observed]), Energy: n[energy],
		Peak: node.Opt[float64]{Value: 1, Known: seen > 0}, Memory: node.Some(w.rnd.Uint64()),
	}
	if w.rnd.IntN(3) == 0 {
		use.By, use.Shared = node.Some(w.processes()), w.rnd.IntN(4) > 0
		w.check(t, step) // An account that is gone by now may begin anew with this.
	}
	w.ledger.Book(use)
	w.from[id] = w.now
	fed := w.fed[id]
	fed.add(n)
	w.fed[id] = fed
}

// processes of claimed containers, of pods that are gone, of the host and of nobody knows whom, whose shares add up to 1 or to 0.
func (w *world) processes() []node.Process {
	all := make([]node.Process, w.rnd.IntN(5))
	left := float64(w.rnd.IntN(2))
	for i := range all {
		p := &all[i]
		p.Share = left * w.rnd.Float64()
		if i == len(all)-1 {
			p.Share = left
		}
		left -= p.Share
		switch n := w.rnd.IntN(10); {
		case n < 6 && len(w.claims) > 0:
			p.Known, p.Container = true, w.claims[w.rnd.IntN(len(w.claims))].Container
		case n < 8:
			gone := node.PodID{UID: fmt.Sprint("u", 1+w.rnd.IntN(w.uids+1)), Namespace: "ml", Name: fmt.Sprint("p", w.rnd.IntN(6))}
			p.Known, p.Container = true, node.ContainerID{Pod: gone, Name: "c0"}
		default:
			p.Known = n == 8
		}
	}
	return all
}

// claim hands the pods' claims out anew: pods keep to the devices that their UID says.
func (w *world) claim() {
	w.claims = nil
	for _, pod := range w.pods {
		var uid int
		fmt.Sscanf(pod.UID, "u%d", &uid)
		for c := range 1 + uid%2 {
			w.claims = append(w.claims, node.Claim{
				Container: node.ContainerID{Pod: pod, Name: fmt.Sprint("c", c)},
				Device:    propertyDevices[(uid+c*(uid/2))%len(propertyDevices)], Weight: 1 + uid%5,
			})
		}
	}
	w.send(w.rnd.IntN(4) > 0)
}

func (w *world) send(uids bool) {
	claims := slices.Clone(w.claims)
	w.rnd.Shuffle(len(claims), func(i, j int) { claims[i], claims[j] = claims[j], claims[i] })
	for i := range claims {
		if !uids {
			claims[i].Container.Pod.UID = ""
		}
	}
	w.ledger.SetClaims(w.now, claims)
}

func (w *world) note(accounts []node.Account) {
	for _, a := range accounts {
		if a.Closed.IsZero() && (a.Busy > 0 || a.Observed > 0 || a.Energy > 0) {
			c := a.Container
			w.claimed[labels{c.Pod.Namespace, c.Pod.Name, c.Name, a.Device, a.Attribution}] = w.now
		}
	}
}

func (w *world) check(t *testing.T, step int) {
	t.Helper()
	if err := w.audit(); err != nil {
		t.Fatalf("step %d: %v", step, err)
	}
}

func (w *world) audit() error {
	totals, accounts := w.ledger.Use(w.now)
	w.note(accounts)
	sum := make(map[node.DeviceID]amounts)
	now := make(map[labels]amounts)
	for _, a := range accounts {
		n := amounts{int64(a.Busy), int64(a.Observed), a.Energy}
		key := labels{a.Container.Pod.Namespace, a.Container.Pod.Name, a.Container.Name, a.Device, a.Attribution}
		now[key] = plus(now[key], n)
		sum[a.Device] = plus(sum[a.Device], n)
	}
	for _, t := range totals {
		if got := (amounts{int64(t.Busy), int64(t.Observed), t.Energy}); got != w.fed[t.Device] {
			return fmt.Errorf("total of %s is %v, fed %v", t.Device, got, w.fed[t.Device])
		}
		b, o, e := w.ledger.Folded(t.Device)
		got := plus(sum[t.Device], amounts{int64(b), int64(o), e})
		got = plus(got, amounts{int64(t.UnownedBusy), int64(t.UnownedObserved), t.UnownedEnergy})
		if got != w.fed[t.Device] {
			return fmt.Errorf("open, closed and unowned of %s are %v, fed %v", t.Device, got, w.fed[t.Device])
		}
	}
	if len(totals) != len(w.fed) {
		return fmt.Errorf("%d totals of %d devices", len(totals), len(w.fed))
	}
	return w.forward(now)
}

// forward checks that no label set's counters went back, and that none vanished before its time.
func (w *world) forward(now map[labels]amounts) error {
	for key, before := range w.seen {
		after, ok := now[key]
		if !ok && before == (amounts{}) {
			continue // It was expected to be told in this way, and was told in another.
		}
		if !ok {
			if left := w.now.Sub(w.claimed[key]); left < propertyKeep {
				return fmt.Errorf("%v vanished %v after its claim", key, left)
			}
			continue
		}
		for k := range after {
			if after[k] < before[k] {
				return fmt.Errorf("%v went back from %v to %v", key, before, after)
			}
		}
	}
	w.seen = now
	return nil
}

func plus(a, b amounts) amounts {
	a.add(b)
	return a
}
