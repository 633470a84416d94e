// Package load asks inference servers at random times at a set rate, and times their answers.
package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Config says what is asked. Zero fields get the defaults named.
type Config struct {
	// Model is the model that every request is for.
	Model string
	// Service is the compute time that a request asks for, in whole microseconds. It has to be positive: a server takes
	// its own time for 0.
	Service time.Duration
	// Seed sets the times of arrival and the choice of targets.
	Seed uint64
	// Client sends the requests (one that keeps every connection, uses no proxy, and gives up after a minute).
	Client *http.Client
	// MaxInFlight is how many requests may be under way (10,000). Arrivals beyond are dropped.
	MaxInFlight int
}

// Target is a server.
type Target struct {
	// Name is what its requests are recorded under, usually a pod's name.
	Name string
	// URL is the server's base, without a trailing slash ("http://10.0.0.7:8000").
	URL string
}

// Load is a crowd of clients that do not wait for each other (an open loop): requests arrive as a Poisson process, each
// goes to a target chosen at random, and none is sent later because earlier ones are not answered. It begins without
// targets, at rate 0. Its methods may be called at any time, from any goroutine.
type Load struct {
	cfg     Config
	body    []byte
	changed chan struct{} // wakes Run after a change of rate

	mu       sync.Mutex
	arrivals arrivals
	choice   *rand.Rand
	targets  []Target
	inFlight int
	arrived  int
	dropped  int
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
	cfg.Service = cfg.Service.Truncate(time.Microsecond)
	const body = `{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[0]}],"parameters":{"service_time_us":%d}}`
	l := &Load{
		cfg: cfg, body: fmt.Appendf(nil, body, cfg.Service.Microseconds()), changed: make(chan struct{}, 1),
		arrivals: arrivals{rng: rand.New(rand.NewPCG(cfg.Seed, 1))}, choice: rand.New(rand.NewPCG(cfg.Seed, 2)),
	}
	l.arrivals.set(0, time.Now())
	return l
}

// newClient returns a client that makes no more connections than there are requests under way.
func newClient() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
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
	select {
	case l.changed <- struct{}{}:
	default: // Run is about to look anyway.
	}
}

// SetTargets sets the servers that later requests go to, all with the same chance. While there is none, arrivals are
// dropped.
func (l *Load) SetTargets(targets []Target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.targets = slices.Clone(targets)
}

// Arrived returns how many requests were due since Run began; Dropped of them were not sent.
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
// no record. It closes the client's idle connections. A load runs once.
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
		l.arrived++
		if len(l.targets) == 0 || l.inFlight >= l.cfg.MaxInFlight {
			l.dropped++
			continue
		}
		l.inFlight++
		target := l.targets[l.choice.IntN(len(l.targets))]
		wg.Go(func() { l.ask(ctx, target) })
	}
	return l.arrivals.next
}

// ask sends one request and records what became of it.
func (l *Load) ask(ctx context.Context, target Target) {
	r := record{target: target.Name, start: time.Now()}
	r.err = l.post(ctx, target.URL)
	r.end = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	if r.err == nil || ctx.Err() == nil {
		l.records = append(l.records, r)
	}
}

// post sends one request to the server at base, and reads all of the answer so that the connection is used again.
func (l *Load) post(ctx context.Context, base string) error {
	address := base + "/v2/models/" + url.PathEscape(l.cfg.Model) + "/infer"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(l.body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.cfg.Client.Do(req)
	if err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read answer of %q: %w", address, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answer of %q: %s: %.200s", address, resp.Status, answer)
	}
	return nil
}
