package engine_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
