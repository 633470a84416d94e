package engine_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/engine"
	"gpusignal/node"
	"gpusignal/scaling"
	"gpusignal/web"
)

// A daemon that starts beside a server is not ready before the server's saturation is there, unless the server does not answer or
// takes too long for it. Its GPU has a full window after 16 s.
func TestReadyWithTheSignalsOfServers(t *testing.T) {
	const never = time.Hour
	for name, tt := range map[string]struct {
		took, opens time.Duration // How long the page takes, and when it can be read first.
		search      bool          // The pod does not name its page.
		ready       int           // Whole seconds from the start.
		last        string        // What is waited for last.
		signals     bool          // They are there then.
	}{
		"a page that is named":           {ready: 17, last: "window of ml/a", signals: true},
		"a page that is found":           {search: true, ready: 17, last: "window of ml/a", signals: true},
		"a slow page that is named":      {took: 4 * time.Second, ready: 25, last: "window of ml/a", signals: true},
		"a slow page that is found":      {took: 4 * time.Second, search: true, ready: 29, last: "window of ml/a", signals: true},
		"a page that never comes":        {took: never, ready: 16, last: "window of GPU 0"},
		"none is ever found":             {took: never, search: true, ready: 16, last: "window of GPU 0"},
		"it loads for minutes":           {opens: never, ready: 16, last: "window of GPU 0"},
		"it loads while the daemon does": {opens: 14 * time.Second, ready: 30, last: "window of ml/a"},
		"it has loaded just in time":     {opens: 10 * time.Second, ready: 27, last: "window of ml/a", signals: true},
		"it is found when it has loaded": {opens: 4 * time.Second, search: true, ready: 23, last: "window of ml/a", signals: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, engine.Config{}, func(w *wires, e *engine.Engine) {
				page := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
					select {
					case <-time.After(tt.took):
						fmt.Fprint(out, vllmPage(1, 2, 3, 4))
					case <-r.Context().Done():
					}
				})
				sources := starting(w, e)
				h := web.New(web.Config{
					Snapshot: func() *node.Snapshot { return sources.Snapshot(time.Now()) }, Started: w.began, Window: 15 * time.Second,
				}).Handler(http.NotFoundHandler(), http.NotFoundHandler())
				if tt.search {
					w.show(true, wiredPod())
				} else {
					w.show(true, wiredPod("gpusignal/port", "9000"))
				}
				stop, last := func() {}, ""
				defer func() { stop() }()
				for open := false; ; time.Sleep(time.Second) {
					if !open && time.Since(w.began) >= tt.opens {
						open, stop = true, w.serve(wired, page)
					}
					synctest.Wait()
					got := httptest.NewRecorder()
					h.ServeHTTP(got, httptest.NewRequest(http.MethodGet, "/-/ready", nil))
					if got.Code == http.StatusOK || time.Since(w.began) > time.Minute {
						break
					}
					last = got.Body.String()
				}
				if got := int(time.Since(w.began) / time.Second); got != tt.ready || !strings.Contains(last, tt.last) {
					t.Errorf("ready after %d s, want %d; before that: %s", got, tt.ready, last)
				}
				if got := saturated(sources.Snapshot(time.Now())); got != tt.signals {
					t.Errorf("ready, and the server has a saturation: %v", got)
				}
			})
		})
	}
}

// starting are the sources of a daemon that began with the wires: an engine, and a GPU.
func starting(w *wires, e *engine.Engine) *node.Sources {
	return &node.Sources{
		Servers: e.Servers, ServerGrace: time.Minute, DeviceGrace: time.Minute,
		Devices: func(at time.Time) []node.DeviceState {
			return []node.DeviceState{{
				Device: node.Device{ID: "GPU-0"}, At: at, Last: node.Reading{Utilization: node.Some(0.5)},
				Utilization: node.Opt[float64]{Value: 0.5, Known: at.Sub(w.began) >= 16*time.Second},
			}}
		},
		Health: []func(time.Time) []node.SourceHealth{func(time.Time) []node.SourceHealth {
			return []node.SourceHealth{{Source: "nvml", Up: true}, {Source: "kubelet", Up: true}, {Source: "pods", Up: true}}
		}},
	}
}

// saturated says whether a pod has a saturation.
func saturated(s *node.Snapshot) bool {
	for _, pod := range scaling.Derive(s, scaling.Targets{}) {
		if _, ok := pod.Value(scaling.Saturation); ok {
			return true
		}
	}
	return false
}
