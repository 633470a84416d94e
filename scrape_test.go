package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
)

// startSimulated runs a daemon on a simulated node until stop is called, which fails the test if it ended badly.
func startSimulated(t *testing.T, args ...string) (d *daemon, address string, stop func()) {
	t.Helper()
	return startHere(t, "", append([]string{"--simulate"}, args...)...)
}

// startHere runs a daemon in this process until stop is called, which fails the test if it ended badly. Processes are looked up in
// proc, which may be empty.
func startHere(t *testing.T, proc string, args ...string) (d *daemon, address string, stop func()) {
	t.Helper()
	var out, said lockedBuffer
	opts, _, err := parseFlags(args, &out, &said)
	if err != nil {
		t.Fatal(err)
	}
	opts.proc = proc
	if d, err = newDaemon(opts, newLogger(&said, "info", "logfmt")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.serveOn(ctx, []net.Listener{l}) }()
	return d, l.Addr().String(), func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the daemon ended with %v; it said:\n%s", err, said.String())
		}
	}
}

// scrape is a page and when it was made.
type scrape struct {
	at       time.Time
	families families
}

// cut is the instant that an age on the page points at.
func (s scrape) cut(family string, pairs ...string) time.Time {
	age, _ := s.families.value(family, pairs...)
	return s.at.Add(-time.Duration(age * float64(time.Second)))
}

// booked is the instant up to which a page tells what a device did.
func (s scrape) booked(gpu string) time.Time {
	return s.cut("gpusignal_device_booking_age_seconds", "gpu_uuid", gpu).Add(-ringAge)
}

// series on a page, as Prometheus counts them.
func (f families) series() (total int) {
	for _, family := range f {
		for _, m := range family.GetMetric() {
			total++
			if summary := m.GetSummary(); summary != nil {
				total += 1 + len(summary.GetQuantile())
			}
		}
	}
	return total
}

// sharp is how long a scrape may take whose instant is compared with the log.
const sharp = 50 * time.Millisecond

// pageAt makes a page that is as wanted, at an instant that is known well: without HTTP, and written down after.
func pageAt(t *testing.T, d *daemon, wanted func(families) bool) scrape {
	t.Helper()
	var at time.Time
	page := until(t, wanted, func() families {
		before := time.Now()
		all, err := d.collector.Metrics().Gather()
		took := time.Since(before)
		if err != nil {
			t.Fatal(err)
		}
		if took > sharp {
			return nil // made at an instant that is not known well enough
		}
		at = before.Add(took / 2)
		var text bytes.Buffer
		for _, family := range all {
			if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
				t.Fatal(err)
			}
		}
		return parsePage(t, &text)
	})
	return scrape{at, page}
}

// pageWith reads /metrics once the named families are there.
func pageWith(t *testing.T, address string, names ...string) families {
	t.Helper()
	return until(t, func(page families) bool { return page.have(names...) }, func() families {
		return parsePage(t, strings.NewReader(get(t, address, "/metrics")))
	})
}

// until makes pages until one is as wanted.
func until(t *testing.T, wanted func(families) bool, make func() families) families {
	t.Helper()
	var last families
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if last = make(); wanted(last) {
			return last
		}
	}
	t.Fatalf("the page never became what was waited for; the last one has %d families", len(last))
	return nil
}

// have says that the families are all there.
func (f families) have(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return f[name] == nil })
}

func get(t *testing.T, address, path string) string {
	t.Helper()
	status, body := fetch(t, address, path)
	if status != http.StatusOK {
		t.Fatalf("GET %s: %d: %s", path, status, body)
	}
	return body
}

func fetch(t *testing.T, address, path string) (status int, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return resp.StatusCode, string(content)
}
