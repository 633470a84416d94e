package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gpusignal/test/e2e/books"
)

// watch reads the daemon's page of metrics each second, and holds every page against those before it.
type watch struct {
	t       *testing.T
	address string
	stop    func()

	mu   sync.Mutex
	last books.Page
	// wrong counts what is wrong with the pages.
	wrong int
	// same are the series that every page has to have, and no other ones, nil where that is not asked; alike counts the pages that
	// have them.
	same  []string
	alike int
}

// watchMetrics begins to watch, until stop is called or the test ends.
func watchMetrics(t *testing.T, address string) *watch {
	t.Helper()
	w := &watch{t: t, address: address}
	stop, done := make(chan struct{}), make(chan struct{})
	w.stop = sync.OnceFunc(func() { close(stop); <-done })
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for kept := (books.Books{}); ; {
			w.look(&kept)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() {
		w.stop()
		if t.Failed() {
			t.Logf("the daemon's last page:\n%s", told(w.newest()))
		}
	})
	return w
}

// look at a page. What is wrong is told ten times.
func (w *watch) look(kept *books.Books) {
	page, err := scrape(w.address)
	wrong := []error{err}
	if err == nil {
		wrong = kept.Enter(page)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.last = page
		if difference := difference(w.same, page.Identities()); difference == "" {
			w.alike++
		} else if w.same != nil {
			wrong = append(wrong, fmt.Errorf("the series are not the same: %s", difference))
		}
	}
	for _, err := range wrong {
		if w.wrong++; w.wrong <= 10 {
			w.t.Errorf("the daemon's page at %v: %v", time.Now().Format("15:04:05.000"), err)
		}
	}
}

// scrape the daemon at an address.
func scrape(address string) (books.Page, error) {
	client, asked := http.Client{Timeout: 5 * time.Second}, time.Now()
	resp, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		return books.Page{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return books.Page{}, fmt.Errorf("read /metrics: %s", resp.Status)
	}
	return books.Parse(asked, resp.Body)
}

// told is what a page tells of GPUs and of who holds them.
func told(p books.Page) string {
	var lines []string
	for _, series := range p.Series {
		name := strings.TrimPrefix(series.Name, "gpusignal_")
		switch {
		case strings.HasPrefix(name, "container_gpu_") && !strings.Contains(name, "observed"), strings.HasPrefix(name, "gpu_"),
			name == "device_busy_seconds_total", name == "device_unowned_busy_seconds_total", name == "exporter_source_up":
			lines = append(lines, series.String())
		}
	}
	return strings.Join(lines, "\n")
}

// newest page.
func (w *watch) newest() books.Page {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// next page that is asked for after now.
func (w *watch) next() books.Page {
	w.t.Helper()
	for asked := time.Now(); time.Since(asked) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if p := w.newest(); p.At.After(asked) {
			return p
		}
	}
	w.t.Fatal("the daemon gives no page")
	return books.Page{}
}

// pin the series: from now on every page has to have those of the newest, and no other ones.
func (w *watch) pin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.same, w.alike = w.last.Identities(), 0
}

// unpin them, and return how many pages had them.
func (w *watch) unpin() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.same = nil
	return w.alike
}

// span is what counters did between two pages.
type span struct{ from, to books.Page }

// over a time from now on.
func (w *watch) over(d time.Duration) span {
	w.t.Helper()
	from := w.next()
	time.Sleep(d)
	return span{from, w.next()}
}

// grew says by how much the series of a name, with labels given in pairs, grew together.
func (s span) grew(name string, labels ...string) float64 {
	return s.to.Sum(name, labels...) - s.from.Sum(name, labels...)
}

// difference of two sets of series, empty where they are the same.
func difference(want, got []string) string {
	var all []string
	for _, s := range want {
		if !slices.Contains(got, s) {
			all = append(all, "-"+s)
		}
	}
	for _, s := range got {
		if !slices.Contains(want, s) {
			all = append(all, "+"+s)
		}
	}
	return strings.Join(all, " ")
}
