package engine_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/engine"
	"gpusignal/node"
	"gpusignal/scaling"
)

const wired = "10.0.0.1:9000"

// counted serves pages that a test sets, and keeps when each was asked for.
type counted struct {
	mu    sync.Mutex
	began time.Time
	page  string
	asked []int // Whole seconds.
}

func (c *counted) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, int(time.Since(c.began)/time.Second))
	fmt.Fprint(w, c.page)
}

// show a page from now on, and count the seconds from now on.
func (c *counted) show(page string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.page, c.asked, c.began = page, nil, time.Now()
}

func (c *counted) when() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

// A pod that answers with something else is asked less and less often, each 30 s at last, and at once when it changes.
func TestProbeBacksOff(t *testing.T) {
	bubble(t, engine.Config{}, func(w *wires, e *engine.Engine) {
		c := &counted{}
		c.show("train_steps 1\n")
		defer w.serve(wired, c)()
		pod := wiredPod()
		w.show(true, pod)
		time.Sleep(125 * time.Second)
		if diff := cmp.Diff([]int{0, 2, 6, 14, 30, 60, 90, 120}, c.when()); diff != "" {
			t.Errorf("asked at (-want +got):\n%s", diff)
		}
		synctest.Wait()
		if s := e.Servers(time.Now()); len(s) != 1 || s[0].Fault != engine.FaultNoEngine || !s[0].Quiet || s[0].URL != "http://"+wired+"/metrics" {
			t.Errorf("servers %+v", s)
		}

		c.show("train_steps 2\n")
		pod.Containers = slices.Clone(pod.Containers)
		pod.Containers[0].Restarts++
		w.show(true, pod)
		time.Sleep(5 * time.Second)
		if diff := cmp.Diff([]int{0, 2}, c.when()); diff != "" {
			t.Errorf("after the container restarted asked at (-want +got):\n%s", diff)
		}

		c.show(vllmPage(1, 2, 3, 4))
		pod.Ready = true
		w.show(true, pod)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		// Found, read at once, and read on at the interval. It is never probed again.
		if diff := cmp.Diff([]int{0, 0, 2, 4}, c.when()); diff != "" {
			t.Errorf("after it got ready asked at (-want +got):\n%s", diff)
		}
		if s := e.Servers(time.Now()); len(s) != 1 || s[0].Engine != "vllm" || s[0].Pages != 3 {
			t.Errorf("servers %+v", s)
		}
	})
}

// Into silence a pod is asked each 10 s at last: a server that loads is silent.
func TestProbeOfASilentPod(t *testing.T) {
	bubble(t, engine.Config{}, func(w *wires, _ *engine.Engine) {
		pod := wiredPod()
		pod.HostNetwork = true // So that no well-known port is asked for.
		w.show(true, pod)
		time.Sleep(45 * time.Second)
		if diff := cmp.Diff([]int{0, 2, 6, 14, 24, 34, 44}, w.since()); diff != "" {
			t.Errorf("asked at (-want +got):\n%s", diff)
		}
	})
}

// A network that does not know the way is no server that refuses; before the first answer a page is unread.
func TestUnreachable(t *testing.T) {
	bubble(t, engine.Config{}, func(w *wires, e *engine.Engine) {
		w.mu.Lock()
		w.fails = syscall.EHOSTUNREACH
		w.mu.Unlock()
		w.show(false, wiredPod("gpusignal/port", "9000"))
		time.Sleep(time.Second)
		synctest.Wait()
		if s := e.Servers(time.Now()); len(s) != 1 || s[0].Fault != engine.FaultUnreachable || !strings.Contains(s[0].Detail, "network policies") {
			t.Errorf("servers %+v", s)
		}
		w.mu.Lock()
		w.fails = nil
		w.mu.Unlock()
		hang := make(chan struct{})
		defer w.serve("10.0.0.1:9001", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))()
		w.show(false, wiredPod("gpusignal/port", "9001"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := e.Servers(time.Now()); len(s) != 1 || s[0].Fault != engine.FaultUnread || s[0].Detail == "" {
			t.Errorf("servers %+v", s)
		}
		close(hang)
	})
}

// Ports whose packets are dropped hold a search up for a second each, and hide no page behind them.
func TestProbePastDroppedPackets(t *testing.T) {
	bubble(t, engine.Config{}, func(w *wires, e *engine.Engine) {
		c := &counted{}
		c.show(vllmPage(1, 2, 3, 4))
		w.mu.Lock()
		w.drops = true
		w.mu.Unlock()
		pod := wiredPod("prometheus.io/scrape", "true", "prometheus.io/port", "1", "prometheus.kserve.io/port", "2")
		defer w.serve(wired, c)()
		w.show(true, pod)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if s := e.Servers(time.Now()); len(s) != 1 || s[0].Fault != "" {
			t.Errorf("servers %+v, want the page at the third place", s)
		}
		time.Sleep(5 * time.Second)
		if diff := cmp.Diff([]int{2, 2, 4, 6}, c.when()); diff != "" {
			t.Errorf("asked at (-want +got):\n%s", diff)
		}
		w.show(true, func() node.Pod { p := wiredPod("gpusignal/port", "1"); p.ID.UID = "b"; return p }())
		time.Sleep(7 * time.Second)
		synctest.Wait()
		if s := e.Servers(time.Now()); len(s) != 1 || s[0].Fault != engine.FaultTimeout || s[0].Took != 5*time.Second {
			t.Errorf("servers %+v, want a worker to wait its whole deadline", s)
		}
	})
}

// Once one page of the pod is found, its other declared ports are asked on until they answer as an engine, the found one is
// not, and no well-known one is.
func TestProbeWaitsForTheOtherRank(t *testing.T) {
	rank := func(rank string) string {
		return "vllm:num_requests_waiting{model_name=\"m\",engine=\"" + rank + "\"} 3\n"
	}
	bubble(t, engine.Config{}, func(w *wires, e *engine.Engine) {
		first, second := &counted{}, &counted{}
		first.show(rank("0"))
		second.show("")
		defer w.serve(wired, first)()
		defer w.serve("10.0.0.1:9001", second)()
		another := &counted{}
		another.show("node_load1 1\n")
		defer w.serve("10.0.0.1:9002", another)()
		pod := wiredPod("prometheus.io/scrape", "true", "prometheus.io/port", "9002")
		pod.Containers[0].Ports = append(pod.Containers[0].Ports, node.Port{Name: "http", Number: 9001})
		w.show(true, pod)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := e.Servers(time.Now()); len(s) != 1 || s[0].Fault != "" {
			t.Fatalf("servers %+v", s)
		}
		if n := len(first.when()); n != 31 { // By the probe, and 30 times by the worker.
			t.Errorf("the first was asked %d times in a minute", n)
		}
		if diff := cmp.Diff([]int{0, 2, 6, 14, 30}, second.when()); diff != "" {
			t.Errorf("the second was asked at (-want +got):\n%s", diff)
		}
		if n := len(another.when()); n != 1 {
			t.Errorf("the annotated port, which is no engine's, was asked %d times", n)
		}
		if dialed := slices.Compact(w.to()); len(dialed) != 3 {
			t.Errorf("connections to %v", dialed)
		}
		second.show(rank("1"))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if s := e.Servers(time.Now()); len(s) != 2 || s[0].Fault != "" || s[1].Fault != "" {
			t.Errorf("servers %+v, want both ranks", s)
		}
		second.show(rank("1"))
		time.Sleep(time.Minute)
		if n := len(second.when()); n != 30 {
			t.Errorf("the second was asked %d times in a minute, by its worker alone", n)
		}
	})
}

// Of the well-known ports one that is an engine's is enough: the others are not the pod's word.
func TestProbeOfWellKnownPorts(t *testing.T) {
	bubble(t, engine.Config{}, func(w *wires, e *engine.Engine) {
		first, second := &counted{}, &counted{}
		first.show(vllmPage(1, 2, 3, 4))
		second.show("nv_inference_request_success{model=\"m\",version=\"1\"} 4\n")
		defer w.serve("10.0.0.1:8000", first)()
		defer w.serve("10.0.0.1:8002", second)()
		pod := wiredPod()
		pod.Containers[0].Ports = nil
		w.show(true, pod)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := e.Servers(time.Now()); len(s) != 1 || s[0].Engine != "vllm" {
			t.Errorf("servers %+v", s)
		}
		if n := len(second.when()); n > 0 {
			t.Errorf("the other port was asked %d times", n)
		}
	})
}

// What a pod's sources forget for a while is not lost: while only names are known, what was found is read on.
func TestFoundPageOutlivesItsSources(t *testing.T) {
	bubble(t, engine.Config{}, func(w *wires, e *engine.Engine) {
		c := &counted{}
		c.show(vllmPage(1, 2, 3, 4))
		defer w.serve(wired, c)()
		w.show(true, wiredPod())
		time.Sleep(5 * time.Second)
		synctest.Wait()
		before := e.Servers(time.Now())
		w.show(false, node.Pod{ID: wiredPod().ID})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := e.Servers(time.Now()); len(s) != 1 || s[0].Pages != before[0].Pages+5 || s[0].FirstPage != before[0].FirstPage {
			t.Errorf("servers %+v, before %+v", s, before)
		}
		w.show(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := e.Servers(time.Now()); len(s) != 0 {
			t.Errorf("servers %+v of no pod", s)
		}
	})
}

// A server that takes 4 s for its page while its queue grows: it is read each 10 s, and the signal stays and rises.
func TestSlowPageWhileTheQueueGrows(t *testing.T) {
	bubble(t, engine.Config{}, func(w *wires, e *engine.Engine) {
		began := time.Now()
		defer w.serve(wired, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(4 * time.Second)
			fmt.Fprint(w, vllmPage(8, time.Since(began).Seconds(), 0, 0)) // One request more each second.
		}))()
		pod := wiredPod("gpusignal/port", "9000")
		w.show(false, pod)
		time.Sleep(40 * time.Second)
		sources := node.Sources{
			Servers: e.Servers, ServerGrace: time.Minute,
			Pods: func(time.Time) []node.Pod { return []node.Pod{pod} },
		}
		last := map[scaling.Name]float64{}
		for range 12 {
			time.Sleep(10 * time.Second)
			synctest.Wait()
			s := sources.Snapshot(time.Now())
			if got := s.Servers[0]; got.Fault != "" || got.Slowed != 5 || s.At.Sub(got.At) > 10*time.Second {
				t.Fatalf("server %+v, its page is %v old", got, s.At.Sub(got.At))
			}
			signals := scaling.Derive(s, scaling.Targets{})[0]
			for _, name := range []scaling.Name{scaling.RequestsWaiting, scaling.Saturation} {
				v, ok := signals.Value(name)
				if !ok || v <= last[name] && v < scaling.Cap {
					t.Errorf("%v after the start: %s is %g (there: %v), before %g", time.Since(began), name, v, ok, last[name])
				}
				last[name] = v
			}
		}
		if last[scaling.Saturation] != scaling.Cap {
			t.Errorf("saturation %g at the end, want the cap", last[scaling.Saturation])
		}
	})
}

// The slower a page, the less often it is read, at most 2 % of the time, but each 10 s at least; and that is told.
func TestSlowedIsTold(t *testing.T) {
	for took, want := range map[time.Duration]float64{
		10 * time.Millisecond: 1, 40 * time.Millisecond: 1, 100 * time.Millisecond: 2.5, time.Second: 5, 4 * time.Second: 5, time.Hour: 5,
	} {
		bubble(t, engine.Config{}, func(w *wires, e *engine.Engine) {
			c := &counted{}
			c.show(vllmPage(1, 2, 3, 4))
			defer w.serve(wired, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-time.After(took):
				case <-r.Context().Done():
				}
				c.ServeHTTP(w, r)
			}))()
			w.show(false, wiredPod("gpusignal/port", "9000"))
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if s := e.Servers(time.Now())[0]; s.Slowed != want {
				t.Errorf("a page of %v: slowed %g times, want %g", took, s.Slowed, want)
			}
			if n, most := len(c.when()), int(120/(2*want))+1; n > most || n < most-2 {
				t.Errorf("a page of %v was read %d times in two minutes, want %d", took, n, most)
			}
		})
	}
}

// A server that sends a byte a second is cut off after 5 s, and asked again 10 s after it was asked before.
func TestTrickle(t *testing.T) {
	bubble(t, engine.Config{}, func(w *wires, e *engine.Engine) {
		var asked []time.Time
		var sent atomic.Int32
		defer w.serve(wired, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, time.Now())
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte("#")); err != nil {
					return
				}
				sent.Add(1)
				w.(http.Flusher).Flush()
				time.Sleep(time.Second)
			}
		}))()
		w.show(false, wiredPod("gpusignal/port", "9000"))
		time.Sleep(29 * time.Second)
		synctest.Wait()
		s := e.Servers(time.Now())[0]
		if s.Fault != engine.FaultTimeout || s.Took != 5*time.Second || s.Failures != 3 {
			t.Errorf("server %+v", s)
		}
		if len(asked) != 3 || asked[1].Sub(asked[0]) != 10*time.Second || sent.Load() > 18 {
			t.Errorf("asked at %v, %d bytes sent", asked, sent.Load())
		}
	})
}

// No page has two requests in hand, whoever asks: the probe, the worker, the configuration, and the pod's successor.
func TestOneRequestInHand(t *testing.T) {
	var most, now atomic.Int32
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			before := most.Load()
			if n <= before || most.CompareAndSwap(before, n) {
				break
			}
		}
		select {
		case <-time.After(3 * time.Second):
		case <-r.Context().Done():
		}
		fmt.Fprint(w, vllmPage(1, 2, 3, 4))
	})
	static, err := engine.NewEndpoint("http://"+wired+"/metrics", "", "ml", "a")
	if err != nil {
		t.Fatal(err)
	}
	var given atomic.Bool
	bubble(t, engine.Config{Static: func() []engine.Endpoint {
		if given.Load() {
			return []engine.Endpoint{static}
		}
		return nil
	}}, func(w *wires, e *engine.Engine) {
		defer w.serve(wired, handler)()
		w.show(true, wiredPod())
		time.Sleep(31 * time.Second)
		given.Store(true)
		time.Sleep(31 * time.Second)
		next := wiredPod()
		next.ID.UID = "another"
		given.Store(false)
		w.show(true, next)
		time.Sleep(31 * time.Second)
		w.show(true, wiredPod("gpusignal/port", "9000"))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if s := e.Servers(time.Now()); len(s) != 1 || s[0].Pages < 2 {
			t.Errorf("servers %+v", s)
		}
		if most.Load() != 1 {
			t.Errorf("%d requests in hand at a time", most.Load())
		}
	})
}
