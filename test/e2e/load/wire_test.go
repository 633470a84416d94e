package load

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRealServer checks what goes over the wire, and that a connection is used again. Waits have no upper bound here: the
// machine may be busy.
func TestRealServer(t *testing.T) {
	const delay = 5 * time.Millisecond
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Inputs     []struct{ Shape []int }
			Parameters struct {
				Service int64 `json:"service_time_us"`
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Inputs) != 1 || r.Method != "POST" || r.URL.Path != "/v2/models/m/infer" {
			http.Error(w, "not an inference request", http.StatusBadRequest)
			return
		}
		time.Sleep(time.Duration(body.Parameters.Service)*time.Microsecond + delay)
	}))
	var connections atomic.Int64
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	l := New(Config{Request: Infer("m", service)})
	began := time.Now()
	for range 5 { // one after the other
		askOnce(t, l, Target{"a", s.URL})
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	l.SetTargets([]Target{{"b", s.URL}})
	l.SetRate(200)
	for l.Between("b", began, time.Now()).Requests < 20 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	if got := l.Between("", began, time.Now()); got.Failed > 0 || got.MeanWait < delay {
		t.Errorf("%+v, want waits of %v at least", got, delay)
	}
}
