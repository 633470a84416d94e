// Package load asks inference servers, at random times at a set rate and by clients that wait for their answers, and times the
// answers.
package load

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Config says what is asked. Zero fields get the defaults named.
type Config struct {
	// Request is what every request asks. It has no default.
	Request Request
	// Hold makes the load a gateway that keeps requests while there is no target: all of them go out when there is one.
	Hold bool
	// Seed sets the times of arrival, the choice of targets and the prompts.
	Seed uint64
	// Client sends the requests (one that keeps every connection, uses no proxy, and gives up after three minutes).
	Client *http.Client
	// MaxInFlight is how many requests may be under way (10,000), those that are held left out. Arrivals beyond are dropped;
	// clients ask nevertheless.
	MaxInFlight int
}

// Target is a server.
type Target struct {
	// Name is what its requests are recorded under, usually a pod's name.
	Name string
	// URL is the server's base, without a trailing slash ("http://10.0.0.7:8000").
	URL string
}

// Load is a crowd of clients. Those of SetRate do not wait for each other (an open loop): requests arrive as a Poisson process,
// each goes to a target chosen at random, and none is sent later because earlier ones are not answered. Those of SetClients ask
// again when they are answered (a closed loop). It begins without targets, at rate 0, with no clients. Its methods may be called
// at any time, from any goroutine.
type Load struct {
	cfg     Config
	changed chan struct{} // wakes Run after a change of rate or of clients

	mu       sync.Mutex
	arrivals arrivals
	choice   *rand.Rand
	targets  []Target
	clients  int // how many there should be
	asking   int // how many there are
	inHand   map[*call]struct{}
	held     []*call        // those of inHand that wait for a target, in order
	sent     map[string]int // by target: how many of inHand went there
	arrived  int
	dropped  int
	gaveUp   int
	records  []record
}

// New returns a load that sends nothing until Run.
func New(cfg Config) *Load {
	if cfg.Client == nil {
		cfg.Client = newClient()
	}
	if cfg.MaxInFlight == 0 {
		cfg.MaxInFlight = 10_000
	}
	l := &Load{
		cfg: cfg, changed: make(chan struct{}, 1), inHand: make(map[*call]struct{}), sent: make(map[string]int),
		arrivals: arrivals{rng: rand.New(rand.NewPCG(cfg.Seed, 1))}, choice: rand.New(rand.NewPCG(cfg.Seed, 2)),
	}
	l.arrivals.set(0, time.Now())
	return l
}

// newClient returns a client that makes no more connections than there are requests under way.
func newClient() *http.Client {
	return &http.Client{Timeout: 3 * time.Minute, Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 10_000,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}}
}

// SetRate sets how many requests arrive, all targets together, in requests/s (finite; 0 is silence). It holds
// at once: the gap under way is drawn again.
func (l *Load) SetRate(perSecond float64) {
	l.mu.Lock()
	l.arrivals.set(perSecond, time.Now())
	l.mu.Unlock()
	l.wake()
}

// wake makes Run look at what has changed.
func (l *Load) wake() {
	select {
	case l.changed <- struct{}{}:
	default: // Run is about to look anyway.
	}
}

// SetTargets sets the servers that later requests go to; arrivals go to all with the same chance. While there is none, arrivals
// are dropped and clients wait, or all are held as Config says.
func (l *Load) SetTargets(targets []Target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.targets = slices.Clone(targets)
	if len(targets) == 0 {
		return
	}
	for _, c := range l.held {
		l.release(c)
	}
	l.held = nil
}

// Arrived returns how many requests arrived or were asked by clients since Run began; Dropped of them were not sent.
func (l *Load) Arrived() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.arrived
}

// Dropped returns how many requests were not sent, for too many under way or for want of a target.
func (l *Load) Dropped() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// Run sends requests until ctx ends, and returns nil once none is under way: those that are then are cancelled and leave
// no record, as do those that are held. It closes the client's idle connections. A load runs once.
func (l *Load) Run(ctx context.Context) error {
	defer l.cfg.Client.CloseIdleConnections()
	var wg sync.WaitGroup
	defer wg.Wait()
	l.mu.Lock()
	l.arrivals.set(l.arrivals.rate, time.Now())
	l.arrivals.owed = 0
	l.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		l.startClients(ctx, &wg)
		timer.Reset(time.Until(l.send(ctx, &wg)))
		select {
		case <-ctx.Done():
		case <-l.changed:
		case <-timer.C:
		}
	}
	return nil
}

// send sends what is due, and returns when the next request is.
func (l *Load) send(ctx context.Context, wg *sync.WaitGroup) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range l.arrivals.take(time.Now()) {
		var c *call
		// None is held while there is a target.
		if len(l.targets) == 0 || len(l.inHand) < l.cfg.MaxInFlight {
			c = l.begin(l.anyTarget)
		}
		if c == nil {
			l.arrived++
			l.dropped++
			continue
		}
		wg.Go(func() { l.ask(ctx, c) })
	}
	return l.arrivals.next
}

// anyTarget returns one at random. The caller has the lock.
func (l *Load) anyTarget() Target { return l.targets[l.choice.IntN(len(l.targets))] }
