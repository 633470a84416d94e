package load

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pause is how long a client waits after a failure, and between two looks for a target.
const pause = 100 * time.Millisecond

// SetClients sets how many clients ask again as soon as they are answered (a closed loop), besides the arrivals of SetRate. A
// client goes to the target with the fewest requests of this load under way, and after a failure waits 100 ms. Those that are
// too many end after their request.
func (l *Load) SetClients(n int) {
	l.mu.Lock()
	l.clients = max(0, n)
	l.mu.Unlock()
	l.wake()
}

// startClients starts those that are missing.
func (l *Load) startClients(ctx context.Context, wg *sync.WaitGroup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; l.asking < l.clients; l.asking++ {
		wg.Go(func() { l.client(ctx) })
	}
}

// client asks one request after the other until it is one too many, or ctx ends.
func (l *Load) client(ctx context.Context) {
	for ctx.Err() == nil {
		l.mu.Lock()
		if l.asking > l.clients {
			l.asking--
			l.mu.Unlock()
			return
		}
		c := l.begin(l.leastBusy)
		l.mu.Unlock()
		if c != nil && l.ask(ctx, c) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// leastBusy returns a target at random among those with the fewest requests under way. The caller has the lock.
func (l *Load) leastBusy() Target {
	least := slices.MinFunc(l.choice.Perm(len(l.targets)), func(a, b int) int {
		return l.sent[l.targets[a].Name] - l.sent[l.targets[b].Name]
	})
	return l.targets[least]
}
