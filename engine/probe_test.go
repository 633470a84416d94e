package engine_test

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/engine"
	"gpusignal/node"
)

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

// How long a start took is known also where the search, and not the worker, saw that the server was not ready.
func TestStartupOfAPodThatIsSearched(t *testing.T) {
	for _, late := range []bool{true, false} {
		bubble(t, engine.Config{}, func(w *wires, e *engine.Engine) {
			c := &counted{}
			c.show(vllmPage(1, 2, 3, 4))
			pod := wiredPod()
			pod.Containers[0].Started = time.Now().Add(-time.Minute)
			if late {
				w.show(true, pod)
				time.Sleep(5 * time.Second)
			}
			defer w.serve(wired, c)()
			w.show(true, pod)
			time.Sleep(30 * time.Second)
			synctest.Wait()
			s := e.Servers(time.Now())
			if len(s) != 1 || s[0].FirstPage.IsZero() {
				t.Fatalf("servers %+v", s)
			}
			want := node.Opt[time.Duration]{}
			if late {
				want = node.Some(s[0].FirstPage.Sub(pod.Containers[0].Started))
			}
			if s[0].Startup != want {
				t.Errorf("seen not to be ready %v: startup %v, want %v", late, s[0].Startup, want)
			}
		})
	}
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
