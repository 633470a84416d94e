package sim

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"
)

// tritonTruth is what the truth log says a Triton page has to show.
func tritonTruth(lines []line, upTo int, names ...string) map[string]float64 {
	want := map[string]float64{}
	add := func(family string, l line, more string, v float64) {
		want[family+"{model="+l.fields["model"]+more+",version=1}"] += v
	}
	for _, name := range names {
		for _, f := range []string{"request_success", "count", "queue_duration_us", "pending_request_count"} {
			want["nv_inference_"+f+"{model="+name+",version=1}"] = 0
		}
	}
	for _, l := range lines[:upTo] {
		switch {
		case l.event == "load":
			want["nv_inference_pending_request_count{model="+l.fields["model"]+",version=1}"] = float64(l.int("waiting"))
		case l.event == "request" && l.fields["outcome"] == "success":
			micros := func(key string) float64 { return float64(l.int(key) / 1000) }
			add("nv_inference_request_success", l, "", 1)
			add("nv_inference_count", l, "", float64(l.int("batch")))
			add("nv_inference_queue_duration_us", l, "", micros("queue_ns"))
			add("nv_inference_compute_input_duration_us", l, "", micros("input_ns"))
			add("nv_inference_compute_infer_duration_us", l, "", micros("infer_ns"))
			add("nv_inference_compute_output_duration_us", l, "", micros("output_ns"))
			add("nv_inference_request_duration_us", l, "", float64((l.int("queue_ns")+l.int("end")-l.int("start"))/1000))
		case l.event == "request":
			want["nv_inference_request_failure{model="+l.fields["model"]+",reason="+l.fields["outcome"]+",version=1}"]++
		}
	}
	return want
}

// startTriton runs a Triton server inside a synctest bubble until the test ends.
func startTriton(t *testing.T, cfg TritonConfig) (*Triton, *logBuffer, *gpu) {
	t.Helper()
	buf := newLogBuffer()
	log := newTruth(buf)
	g := newGPU(node.Device{ID: "GPU-a"}, log, 0, 0)
	cfg.Pod = "ns/p"
	s := newTriton(cfg, log, g.place(process{pid: 1}))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return s, buf, g
}

// ask sends one request past HTTP.
func (t *Triton) ask(ctx context.Context, q request) (int, error) {
	err := t.model(q.model).submit(ctx, &work{service: q.service, key: q.key, batch: q.batch, done: make(chan struct{})})
	switch {
	case errors.Is(err, errQueueFull):
		return 503, nil
	case err != nil:
		return 0, err
	}
	return 200, nil
}

func TestTritonPageIsWhatWasServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, buf, g := startTriton(t, TritonConfig{Histograms: true, Summaries: true, Models: []TritonModel{
			{Name: "a", Service: 80 * time.Millisecond, MaxQueue: 6},
			{Name: "b", Service: 30 * time.Millisecond, Instances: 2, MaxBatch: 4, Delay: 10 * time.Millisecond},
			{Name: "c", Service: 40 * time.Millisecond, Cache: true},
		}})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, m := range s.models {
			c := &client{pod: "ns/p", log: s.log, send: s.ask, demand: newDemand(stream(1, m.cfg.Name), 9,
				infer(m.cfg.Name, m.cfg.Service, m.cfg.Cache))}
			wg.Go(func() { c.run(ctx) })
		}
		from := time.Now()
		var body []byte
		for range 60 {
			time.Sleep(1333 * time.Millisecond)
			var n int
			n, body = s.page()
			lines := buf.lines(t)
			compare(t, parsePage(t, body), tritonTruth(lines, pageLine(t, lines, "ns/p", n), "a", "b", "c"))
		}
		cancel()
		wg.Wait()
		page := parsePage(t, body)
		checkFamilies(t, page.types, tritonFamilies())
		for _, key := range []string{
			"nv_inference_request_failure{model=a,reason=REJECTED,version=1}", "nv_cache_num_hits_per_model{model=c,version=1}",
		} {
			if page.values[key] == 0 {
				t.Errorf("%s never moved: the test shows too little", key)
			}
		}
		if page.values["nv_inference_exec_count{model=b,version=1}"] >= page.values["nv_inference_request_success{model=b,version=1}"] {
			t.Error("nothing was batched")
		}
		checkUnion(t, buf, g, from)
	})
}

// checkUnion works the device's busy time out again from the requests alone.
func checkUnion(t *testing.T, buf *logBuffer, g *gpu, from time.Time) {
	t.Helper()
	time.Sleep(time.Second)
	g.flush(0)
	lines := buf.lines(t)
	var busy, reached int64
	var requests []line
	for _, l := range lines {
		if l.event == "request" && l.fields["outcome"] == "success" && l.int("batch") > 0 {
			requests = append(requests, l)
		}
	}
	// Requests are logged when they end: go through them in the order in which they began.
	for {
		next := -1
		for i, l := range requests {
			if l.fields != nil && (next < 0 || l.int("start") < requests[next].int("start")) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		begin, end := requests[next].int("start"), requests[next].int("end")
		busy += max(0, end-max(begin, reached))
		reached = max(reached, end)
		requests[next].fields = nil
	}
	got := busyBetween(lines, "GPU-a", from.UnixNano(), time.Now().UnixNano())
	if math.Abs(float64(got-busy)) > 1 {
		t.Errorf("the device was busy for %d ns, its requests cover %d ns", got, busy)
	}
}

func TestTritonCancelAndReject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, buf, _ := startTriton(t, TritonConfig{Models: []TritonModel{{Name: "a", Service: time.Second, MaxQueue: 1}}})
		var wg sync.WaitGroup
		ask := func(patience time.Duration) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, _ = s.ask(ctx, request{model: "a", service: time.Second, batch: 3})
			})
			time.Sleep(10 * time.Millisecond)
		}
		ask(time.Minute)            // executes
		ask(100 * time.Millisecond) // waits, and gives up
		ask(time.Minute)            // finds the queue full
		_, body := s.page()
		compare(t, parsePage(t, body), map[string]float64{
			"nv_inference_pending_request_count{model=a,version=1}": 1, "nv_inference_request_success{model=a,version=1}": 0,
		})
		wg.Wait()
		n, body := s.page()
		page, lines := parsePage(t, body), buf.lines(t)
		compare(t, page, tritonTruth(lines, pageLine(t, lines, "ns/p", n), "a"))
		compare(t, page, map[string]float64{
			"nv_inference_request_failure{model=a,reason=REJECTED,version=1}": 1,
			"nv_inference_request_failure{model=a,reason=CANCELED,version=1}": 1,
			"nv_inference_request_success{model=a,version=1}":                 1,
			"nv_inference_count{model=a,version=1}":                           3,
			"nv_inference_compute_infer_duration_us{model=a,version=1}":       1e6,
		})
		if _, ok := page.types["nv_inference_queue_summary_us"]; ok {
			t.Error("summaries are off by default")
		}
	})
}
