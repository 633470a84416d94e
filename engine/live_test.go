package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/engine"
	"gpusignal/node"
	"gpusignal/scaling"
	"gpusignal/sim"
)

// liveWindow is a whole number of the two seconds between pages, so a window begins and ends with a page: what the signal is of
// and what the clients timed is of the very same time.
const liveWindow = time.Minute

// live is a simulated server under load, and what its clients saw. Time is the bubble's, so they time it to the nanosecond.
type live struct {
	t       *testing.T
	api     http.Handler
	metrics http.Handler
	// waiting names the gauge of the page, and the pages that had it, in their order.
	waiting string

	mu    sync.Mutex
	asked []asked
	shown []shown

	worst map[scaling.Name]float64 // how far a signal was off, as a share of the truth
}

// asked is one request: when it was sent and answered, and how many tokens came.
type asked struct {
	from, to time.Time
	tokens   int
}

// shown is what a page said of waiting requests.
type shown struct {
	at      time.Time
	waiting float64
}

// fetch makes the page, and remembers what it says of waiting requests.
func (l *live) fetch(_ context.Context, _ string, buffer []byte) ([]byte, error) {
	recorder := httptest.NewRecorder()
	l.metrics.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	now := shown{at: time.Now()}
	for line := range strings.Lines(recorder.Body.String()) {
		if strings.HasPrefix(line, l.waiting+"{") {
			fields := strings.Fields(line)
			v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				return nil, err
			}
			now.waiting += v
		}
	}
	l.mu.Lock()
	l.shown = append(l.shown, now)
	l.mu.Unlock()
	return append(buffer[:0], recorder.Body.Bytes()...), nil
}

// ask sends one request and times it.
func (l *live) ask(path string, body any) {
	content, err := json.Marshal(body)
	if err != nil {
		l.t.Error(err)
		return
	}
	one := asked{from: time.Now()}
	recorder := httptest.NewRecorder()
	l.api.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, path, bytes.NewReader(content)))
	one.to = time.Now()
	var answer struct {
		Usage struct {
			Tokens int `json:"completion_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || recorder.Code != http.StatusOK {
		l.t.Errorf("answer %d %q: %v", recorder.Code, recorder.Body, err)
	}
	one.tokens = answer.Usage.Tokens
	l.mu.Lock()
	l.asked = append(l.asked, one)
	l.mu.Unlock()
}

// run has the server work for three windows and a half, under requests that come at random at a rate that changes, and looks at
// every page of the time.
func (l *live) run(server func(context.Context) error, rate func(time.Duration) float64, send func(n int), look func(now time.Time, s node.Server, signals scaling.Pod)) {
	l.worst = make(map[scaling.Name]float64)
	pod := vllmPod(time.Now().Add(-time.Hour))
	e := engine.New(engine.Config{
		Interval: 2 * time.Second, Window: liveWindow, Dialects: dialects(), Logger: slog.New(slog.DiscardHandler),
		Pods: func(time.Time) []node.Pod { return []node.Pod{pod} },
	})
	e.SetFetch(l.fetch)
	ctx, cancel := context.WithCancel(l.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = server(ctx) })
	wg.Go(func() { _ = e.Run(ctx) })
	began, random := time.Now(), rand.New(rand.NewPCG(1, 2))
	var clients sync.WaitGroup
	wg.Go(func() {
		for n := 0; time.Since(began) < 7*liveWindow/2; n++ {
			time.Sleep(time.Duration(random.ExpFloat64() / rate(time.Since(began)) * float64(time.Second)))
			clients.Go(func() { send(n) })
		}
	})
	time.Sleep(time.Second) // Between two pages.
	looked := 0
	for time.Since(began) < 7*liveWindow/2 {
		time.Sleep(2 * time.Second)
		synctest.Wait()
		now := time.Now()
		servers := e.Servers(now)
		if len(servers) != 1 || servers[0].Span != liveWindow {
			continue
		}
		for _, signals := range scaling.Derive(&node.Snapshot{At: now, Pods: []node.Pod{pod}, Servers: servers}, scaling.Targets{}) {
			look(now, servers[0], signals)
			looked++
		}
	}
	clients.Wait()
	cancel()
	wg.Wait()
	l.t.Logf("%d requests, %d windows; off by at most %v", len(l.asked), looked, l.worst)
	if looked < 60 {
		l.t.Errorf("%d pages with a whole window behind them, want 60 and more", looked)
	}
}

// alone is the latency of a request that finds the server idle.
func (l *live) alone(server func(context.Context) error, ask func()) time.Duration {
	ctx, cancel := context.WithCancel(l.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = server(ctx) })
	ask()
	cancel()
	wg.Wait()
	one := l.asked[0]
	l.asked = nil
	return one.to.Sub(one.from)
}

// within returns the requests that ended in the window that ends with a page.
func (l *live) within(page time.Time) (ended []asked, peak float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := page.Add(-liveWindow)
	for _, one := range l.asked {
		if one.to.After(from) && !one.to.After(page) {
			ended = append(ended, one)
		}
	}
	for _, s := range l.shown {
		if s.at.After(from) && !s.at.After(page) {
			peak = max(peak, s.waiting)
		}
	}
	return ended, peak
}

// near says that a signal is what the clients timed, to within a share of it.
func (l *live) near(at time.Time, signals scaling.Pod, name scaling.Name, want, share float64) {
	l.t.Helper()
	got, known := signals.Value(name)
	if want > 0 {
		l.worst[name] = max(l.worst[name], math.Abs(got/want-1))
	}
	if off := got - want; !known || off > share*want+1e-9 || -off > share*want+1e-9 {
		l.t.Errorf("page of %s: %s is %v (known: %v), the clients say %v", at.Format(time.TimeOnly), name, got, known, want)
	}
}

// wave is a rate that is below what the server can do, above it for a while, and below it again.
func wave(low, high float64) func(time.Duration) float64 {
	return func(since time.Duration) float64 {
		if since > liveWindow && since < 3*liveWindow/2 {
			return high
		}
		return low
	}
}

// What the signals say of a Triton server is what its clients timed: their latency, less that of a request that finds the server
// idle, is the time that they waited.
func TestSignalsAgainstTheClientsOfTriton(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		triton := sim.NewTriton(sim.TritonConfig{Models: []sim.TritonModel{{Name: "m", Service: 100 * time.Millisecond}}})
		l := &live{t: t, api: triton.Handler(), metrics: triton.Metrics(), waiting: "nv_inference_pending_request_count"}
		body := map[string]any{
			"inputs": []any{map[string]any{"name": "INPUT", "datatype": "FP32", "shape": []int{1, 1}, "data": []float64{0}}},
		}
		alone := l.alone(triton.Run, func() { l.ask("/v2/models/m/infer", body) })
		l.run(triton.Run, wave(6, 14), func(int) { l.ask("/v2/models/m/infer", body) }, func(_ time.Time, s node.Server, signals scaling.Pod) {
			ended, peak := l.within(s.At)
			var waited time.Duration
			for _, one := range ended {
				waited += one.to.Sub(one.from) - alone
			}
			l.near(s.At, signals, scaling.QueueTime, waited.Seconds()/float64(len(ended)), 0.001)
			l.near(s.At, signals, scaling.Requests, float64(len(ended))/liveWindow.Seconds(), 0.001)
			l.near(s.At, signals, scaling.RequestsWaitingPeak, peak, 0)
		})
	})
}

// What the signals say of a vLLM server is what its clients counted: requests and tokens. A client learns of its tokens at the end;
// they came one by one in the engine's steps before that.
func TestSignalsAgainstTheClientsOfVLLM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tokens, step = 16, 26 * time.Millisecond // About what a step takes with some sequences in it.
		vllm := sim.NewVLLM(sim.VLLMConfig{Model: "m"})
		l := &live{t: t, api: vllm.Handler(), metrics: vllm.Handler(), waiting: "vllm:num_requests_waiting"}
		send := func(n int) {
			l.ask("/v1/completions", map[string]any{"model": "m", "max_tokens": tokens, "prompt": fmt.Sprint(n, " one two three")})
		}
		l.run(vllm.Run, wave(10, 30), send, func(_ time.Time, s node.Server, signals scaling.Pod) {
			ended, peak := l.within(s.At)
			l.near(s.At, signals, scaling.Requests, float64(len(ended))/liveWindow.Seconds(), 0.001)
			l.near(s.At, signals, scaling.RequestsWaitingPeak, peak, 0)
			l.near(s.At, signals, scaling.GenerationTokens, l.generated(s.At, step)/liveWindow.Seconds(), 0.01)
		})
	})
}

// generated is how many tokens came in the window that ends with a page, each request's evenly in the steps before its end.
func (l *live) generated(page time.Time, step time.Duration) (sum float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := page.Add(-liveWindow)
	for _, one := range l.asked {
		began := one.to.Add(-time.Duration(one.tokens) * step)
		inside := min(one.to.Sub(from), page.Sub(began), one.to.Sub(began))
		sum += float64(one.tokens) * max(0, inside.Seconds()) / one.to.Sub(began).Seconds()
	}
	return sum
}
