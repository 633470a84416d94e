package ledger

import (
	"sync"
	"testing"

	"gpusignal/node"
)

// What is handed out is nobody else's: booking goes on while others read, and every look adds up.
func TestConcurrentUse(t *testing.T) {
	l := newLedger()
	a, b := container("u1", "a", "main"), container("u2", "b", "main")
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; n <= 2000; n++ {
			l.Book(use(gpu0, n))
		}
	})
	wg.Go(func() {
		for n := range 500 {
			claims := []node.Claim{claim(a, gpu0, 1), claim(b, gpu0, 2)}
			l.SetClaims(second(float64(n)), claims[:n%3])
			l.Shared(gpu0)
		}
	})
	for n := range 200 {
		totals, accounts := l.Use(second(float64(n)))
		if len(totals) == 0 {
			continue
		}
		sum := totals[0].UnownedEnergy
		for _, acc := range accounts {
			sum += acc.Energy
		}
		if sum > totals[0].Energy { // Folded accounts are in the total alone.
			t.Fatalf("accounts and unowned hold %d of %d", sum, totals[0].Energy)
		}
	}
	wg.Wait()
}
