package load

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func answer(r *http.Request) (int, error) { return 200, sleep(r.Context(), service) }

func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := start(t, Config{Hold: true, Seed: 5, MaxInFlight: 3}, answer)
		l.SetClients(2)
		l.SetRate(100)
		began := time.Now()
		time.Sleep(time.Second)
		l.SetRate(0)
		held := l.Held()
		checkCount(t, "held in a second, besides 2 of clients", held-2, 100)
		if got := l.InHand("", time.Now().Add(-time.Millisecond), time.Now()); got < float64(held)-2 || got > float64(held) {
			t.Errorf("%v requests in hand while %d are held", got, held)
		}
		l.SetClients(0)
		time.Sleep(time.Minute)
		if l.Held() != held || l.Arrived() != held || l.Between("", began, time.Now()) != (Stats{}) {
			t.Errorf("a minute on %d of %d are held, %+v ended", l.Held(), l.Arrived(), l.Between("", began, time.Now()))
		}
		l.SetTargets(nil)
		if l.Held() != held {
			t.Errorf("%d of %d are held after a list of no targets", l.Held(), held)
		}
		l.SetTargets([]Target{{"a", "http://a"}})
		sent := time.Now()
		time.Sleep(service)
		synctest.Wait()
		s := l.Between("a", began, time.Now())
		if s.Requests != held || s.Failed > 0 || l.Dropped() != 0 || l.Held() != 0 || l.GiveUp() != 0 {
			t.Errorf("%+v, want %d answered; %d were dropped, %d are held", s, held, l.Dropped(), l.Held())
		}
		// Their waits are from the arrivals, but the target had them only once they were sent.
		if s.MaxWait != 61*time.Second || s.MeanWait < time.Minute || s.MeanWait > s.MaxWait {
			t.Errorf("waits of %v, %v at most; want 61s at most", s.MeanWait, s.MaxWait)
		}
		if before, after := l.InHand("a", began, sent), l.InHand("a", sent, time.Now()); before != 0 || after != float64(held) {
			t.Errorf("the target had %v and %v in hand, want 0 and %d", before, after, held)
		}
	})
}

func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Config{Hold: true, Seed: 6}, answer)
		l.SetClients(1)
		l.SetRate(100)
		began := time.Now()
		time.Sleep(time.Second)
		l.SetRate(0)
		held := l.Held()
		if n := l.GiveUp(); n != held || l.Held() != 0 {
			t.Errorf("%d of %d were given up, %d are held", n, held, l.Held())
		}
		time.Sleep(pause)
		synctest.Wait()
		if l.Held() != 1 {
			t.Errorf("%d are held, want that of the client, which has asked again", l.Held())
		}
		l.SetTargets([]Target{{"a", "http://a"}})
		l.SetClients(0)
		time.Sleep(service)
		synctest.Wait()
		if s := l.Between("", began, time.Now()); s.Requests != 1 || s.Failed > 0 || l.GaveUp() != held {
			t.Errorf("%+v, %d were given up; want 1 answered and %d", s, l.GaveUp(), held)
		}
		// Those that are held at the end were never asked, and targets that come later find none of them.
		l.SetTargets(nil)
		l.SetRate(100)
		time.Sleep(time.Second)
		before := l.Held()
		stop()
		if before == 0 || l.Held() != 0 {
			t.Errorf("%d are held before the end, %d after it", before, l.Held())
		}
		l.SetTargets([]Target{{"a", "http://a"}})
		if s := l.Between("", began, time.Now()); s.Requests != 1 || l.Held() != 0 || l.InHand("", began, time.Now()) > service.Seconds() {
			t.Errorf("at the end %+v, %d are held", s, l.Held())
		}
	})
}

// TestHoldBesideSlowTargets holds requests while as many as may be are under way to targets that have gone.
func TestHoldBesideSlowTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := start(t, Config{Hold: true, MaxInFlight: 1}, func(r *http.Request) (int, error) { return 200, sleep(r.Context(), time.Hour) })
		l.SetTargets([]Target{{"a", "http://a"}})
		l.SetClients(1)
		synctest.Wait()
		l.SetTargets(nil)
		l.SetRate(100)
		time.Sleep(time.Second)
		if l.Held() == 0 || l.Dropped() != 0 || l.Held() != l.Arrived()-1 {
			t.Errorf("%d of %d are held, %d were dropped", l.Held(), l.Arrived()-1, l.Dropped())
		}
	})
}
