package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sharedPrompt is how many tokens every chat prompt begins with: the system prompt.
const sharedPrompt = 48

// client sends the requests of a demand, each when its time has come whether or not earlier ones are answered, and times
// them.
type client struct {
	pod    string
	demand *demand
	log    *truth
	// send sends one request and returns the status of the answer.
	send func(context.Context, request) (int, error)
}

// run sends until ctx ends, and waits for what is under way.
func (c *client) run(ctx context.Context) {
	began := time.Now()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		at, q := c.demand.next()
		if !sleep(ctx, max(1, at-time.Since(began)), nil) {
			return
		}
		wg.Go(func() { c.one(ctx, q) })
	}
}

func (c *client) one(ctx context.Context, q request) {
	with, cancel := context.WithTimeout(ctx, q.patience)
	defer cancel()
	from := time.Now()
	status, err := c.send(with, q)
	if err != nil {
		status = 0
	}
	c.log.event("client", "pod", c.pod, "model", q.model, "status", status, "from", from, "to", time.Now())
}

// sendChat sends requests to the vLLM server at base.
func sendChat(c *http.Client, base string) func(context.Context, request) (int, error) {
	system := strings.Repeat("system ", sharedPrompt)
	return func(ctx context.Context, q request) (int, error) {
		words := q.prompt - sharedPrompt - 1
		return post(ctx, c, base+"/v1/completions", completion{
			Model: q.model, MaxTokens: q.maxTokens, Prompt: fmt.Sprintf("%s%d %s", system, q.number, strings.Repeat("word ", words)),
		})
	}
}

// sendInfer sends requests to the Triton server at base.
func sendInfer(c *http.Client, base string) func(context.Context, request) (int, error) {
	return func(ctx context.Context, q request) (int, error) {
		return post(ctx, c, base+"/v2/models/"+q.model+"/infer", map[string]any{
			"id": strconv.Itoa(q.number),
			"inputs": []any{map[string]any{
				"name": "INPUT", "datatype": "FP32", "shape": []int{q.batch, 1}, "data": make([]float32, q.batch),
			}},
			"parameters": map[string]any{"service_time_us": q.service.Microseconds(), "cache_key": q.key},
		})
	}
}

func post(ctx context.Context, c *http.Client, url string, body any) (int, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, fmt.Errorf("encode request for %q: %w", url, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return 0, fmt.Errorf("make request for %q: %w", url, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return 0, fmt.Errorf("send request: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, fmt.Errorf("read answer of %q: %w", url, err)
	}
	return resp.StatusCode, nil
}
