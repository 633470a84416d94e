package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// call is a request from its arrival to its end.
type call struct {
	record
	number int
	url    string // of its target; empty until it has one
	// choose chooses its target when there is one.
	choose func() Target
	// ready is closed when it has a target, or waits no longer for one.
	ready chan struct{}
}

// begin takes a request in hand, whose target is chosen now, or when there is one if the load holds requests. It returns nil,
// and takes nothing in hand, when there is no target to wait for. The caller has the lock.
func (l *Load) begin(choose func() Target) *call {
	if len(l.targets) == 0 && !l.cfg.Hold {
		return nil
	}
	l.arrived++
	c := &call{record: record{start: time.Now()}, number: l.arrived, choose: choose, ready: make(chan struct{})}
	l.inHand[c] = struct{}{}
	if len(l.targets) == 0 {
		l.held = append(l.held, c)
	} else {
		l.release(c)
	}
	return c
}

// release lets a request go to a target. The caller has the lock.
func (l *Load) release(c *call) {
	target := c.choose()
	c.target, c.url, c.sent = target.Name, target.URL, time.Now()
	l.sent[target.Name]++
	close(c.ready)
}

// ask sends a request once it may go, and records what became of it. It says whether the request was answered.
func (l *Load) ask(ctx context.Context, c *call) bool {
	select {
	case <-c.ready:
	case <-ctx.Done():
		l.mu.Lock()
		l.held = slices.DeleteFunc(l.held, func(o *call) bool { return o == c })
		l.mu.Unlock()
	}
	if c.url != "" {
		c.tokens, c.err = l.post(ctx, c)
	}
	c.end = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.inHand, c)
	if c.url == "" {
		return false
	}
	l.sent[c.target]--
	if c.err == nil || ctx.Err() == nil {
		l.records = append(l.records, c.record)
	}
	return c.err == nil
}

// post sends a request, and reads all of the answer so that the connection is used again.
func (l *Load) post(ctx context.Context, c *call) (tokens, error) {
	address := c.url + l.cfg.Request.path
	body, err := json.Marshal(l.cfg.Request.body(l.cfg.Seed, c.number))
	if err != nil {
		return tokens{}, fmt.Errorf("encode request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return tokens{}, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.cfg.Client.Do(req)
	if err != nil {
		return tokens{}, fmt.Errorf("send request: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return tokens{}, fmt.Errorf("read answer of %q: %w", address, err)
	}
	if resp.StatusCode != http.StatusOK {
		return tokens{}, fmt.Errorf("answer of %q: %s: %.200s", address, resp.Status, answer)
	}
	took, err := l.cfg.Request.read(answer)
	if err != nil {
		return tokens{}, fmt.Errorf("answer of %q: %w", address, err)
	}
	return took, nil
}
