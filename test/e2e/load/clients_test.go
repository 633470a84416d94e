package load

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd counts the requests that each host has in hand.
type crowd struct {
	mu        sync.Mutex
	now, most map[string]int
}

func newCrowd() *crowd { return &crowd{now: map[string]int{}, most: map[string]int{}} }

func (c *crowd) add(host string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now[host] += n
	c.most[host] = max(c.most[host], c.now[host])
}

// of returns how many a host has now and had at most.
func (c *crowd) of(host string) (now, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now[host], c.most[host]
}

// take makes a server that answers after a time.
func (c *crowd) take(d time.Duration) server {
	return func(r *http.Request) (int, error) {
		c.add(r.URL.Host, 1)
		defer c.add(r.URL.Host, -1)
		return 200, sleep(r.Context(), d)
	}
}

func TestClientsUseServersEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		l, _ := start(t, Config{Seed: 3}, c.take(time.Second))
		l.SetTargets([]Target{{"a", "http://a"}, {"b", "http://b"}, {"c", "http://c"}})
		l.SetClients(12)
		began := time.Now()
		time.Sleep(10*time.Second + time.Millisecond)
		for _, name := range []string{"a", "b", "c"} {
			_, most := c.of(name)
			if s := l.Between(name, began, time.Now()); s.Requests != 40 || most != 4 {
				t.Errorf("%s answered %d requests, %d at once at most; want 40 and 4", name, s.Requests, most)
			}
		}
		if s := l.Between("", began, time.Now()); s.Requests != 120 || s.Failed > 0 || l.Arrived() != 132 {
			t.Errorf("%+v, %d arrived; want 120 and 132", s, l.Arrived())
		}
		underWay := func() (sum int) {
			for _, name := range []string{"a", "b", "c"} {
				now, _ := c.of(name)
				sum += now
			}
			return sum
		}
		l.SetClients(3)
		time.Sleep(500 * time.Millisecond)
		if n := underWay(); n != 12 {
			t.Errorf("%d requests under way, want the 12 that were", n)
		}
		time.Sleep(time.Second)
		if n := underWay(); n != 3 {
			t.Errorf("%d requests of 3 clients", n)
		}
		l.SetClients(-1)
		time.Sleep(time.Second)
		quiet := time.Now()
		time.Sleep(time.Hour)
		if s := l.Between("", quiet, time.Now()); s != (Stats{}) {
			t.Errorf("without clients: %+v", s)
		}
	})
}

func TestClientsJoinTheLeastBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		l, _ := start(t, Config{}, c.take(time.Hour))
		l.SetTargets([]Target{{"a", "http://a"}})
		l.SetClients(4)
		synctest.Wait()
		l.SetTargets([]Target{{"a", "http://a"}, {"b", "http://b"}, {"c", "http://c"}})
		l.SetClients(10)
		synctest.Wait()
		for name, want := range map[string]int{"a": 4, "b": 3, "c": 3} {
			if now, _ := c.of(name); now != want {
				t.Errorf("%s has %d requests, want %d", name, now, want)
			}
		}
	})
}

func TestClientsPauseAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := start(t, Config{}, func(*http.Request) (int, error) { return 503, nil })
		l.SetClients(2)
		began := time.Now()
		time.Sleep(time.Second + pause/2)
		if l.Arrived() != 0 || l.Dropped() != 0 {
			t.Errorf("without targets %d requests were asked, %d dropped", l.Arrived(), l.Dropped())
		}
		l.SetTargets([]Target{{"a", "http://a"}})
		time.Sleep(time.Second)
		if s := l.Between("a", began, time.Now()); s.Requests != 20 || s.Failed != 20 {
			t.Errorf("%+v in a second, want 20 failed requests", s)
		}
	})
}

// TestClientsBesideArrivals finds all that either asks.
func TestClientsBesideArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := start(t, Config{Seed: 4}, func(r *http.Request) (int, error) { return 200, sleep(r.Context(), service) })
		l.SetTargets([]Target{{"a", "http://a"}})
		l.SetClients(2)
		l.SetRate(50)
		began := time.Now()
		time.Sleep(20*time.Second + service/2)
		checkCount(t, "besides 2000 of clients", l.Between("a", began, time.Now()).Requests-2000, 1000)
	})
}
