package e2e

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// comparison is a value that the custom metrics API returned of a pod, beside what the clients timed themselves.
type comparison struct {
	pod      string
	from, to time.Time // the window of both
	served   time.Duration
	timed    time.Duration
	requests int
}

func (c comparison) String() string {
	return fmt.Sprintf("%s %s–%s: API %v, clients %v over %d requests (%+.1f %%)", c.pod, c.from.Format("15:04:05.000"), c.to.Format("15:04:05.000"),
		c.served.Round(100*time.Microsecond), c.timed.Round(100*time.Microsecond), c.requests, 100*c.error())
}

// error is relative to what the clients timed.
func (c comparison) error() float64 { return float64(c.served-c.timed) / float64(c.timed) }

// compare asks the API and, for each pod, finds the sample behind its value in Prometheus, the page behind the sample in what the
// daemon said, and the clients' waiting over the same window: the one that ended with that page.
func (s *scene) compare() {
	values, err := s.customMetrics()
	if err != nil {
		return // Before the metric is served.
	}
	for pod, served := range values {
		samples, err := s.Query(fmt.Sprintf(`gpusignal_queue_compute_input_time_mean_seconds{namespace="models", pod=%q}[30s]`, pod))
		if err != nil || len(samples) != 1 {
			continue
		}
		// The newest sample of the value.
		for _, sample := range slices.Backward(samples[0].Values) {
			if time.Duration(math.Round(sample.Value*1e9))/1000 != served/1000 {
				continue
			}
			if page, ok := s.watcher.page(pod, sample.At); ok {
				s.add(pod, page, served)
			}
			break
		}
	}
}

// add a comparison for the window that ended with a page, once.
func (s *scene) add(pod string, page time.Time, served time.Duration) {
	for _, c := range s.compared {
		if c.pod == pod && c.to.Equal(page) {
			return
		}
	}
	c := comparison{pod: pod, from: page.Add(-window), to: page, served: served}
	before, after, ok := s.watcher.around(pod, c.from)
	if !ok {
		return
	}
	// The daemon sees counters at its pages alone. The window begins between two of them: of what ended between these it counts
	// the share of the time that lies in the window.
	edge, whole := s.load.Between(pod, before, after), s.load.Between(pod, after, c.to)
	share := float64(after.Sub(c.from)) / float64(after.Sub(before))
	requests := share*float64(edge.Requests) + float64(whole.Requests)
	if requests == 0 {
		return
	}
	waited := share*float64(edge.Requests)*edge.MeanWait.Seconds() + float64(whole.Requests)*whole.MeanWait.Seconds()
	c.timed, c.requests = time.Duration(waited/requests*float64(time.Second)), whole.Requests
	s.compared = append(s.compared, c)
}

// judge says whether the API agreed with the clients: within 10 % wherever they waited longer than the autoscaler's target, and
// within 5 ms, about what the way to the server and back takes here, below it.
func (s *scene) judge() {
	s.t.Helper()
	var above int
	for _, c := range s.compared {
		if c.timed < target {
			if d := c.served - c.timed; d < -5*time.Millisecond || d > 5*time.Millisecond {
				s.t.Errorf("below the target, more than 5 ms apart: %v", c)
			}
			continue
		}
		above++
		s.t.Log(c)
		if math.Abs(c.error()) > 0.1 {
			s.t.Errorf("more than 10 %% apart: %v", c)
		}
	}
	s.t.Logf("%d values of the API compared with the clients' own timing, %d of them above the target of %v", len(s.compared), above, target)
	if above < 3 {
		s.t.Errorf("only %d values above the target: too few to say that the API agrees with the clients", above)
	}
}

// microseconds reads a value of the custom metrics API, a quantity such as 83120, 83120400m or 84k.
func microseconds(quantity string) (time.Duration, error) {
	scale := 1.0
	for suffix, by := range map[string]float64{"u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6} {
		if number, ok := strings.CutSuffix(quantity, suffix); ok {
			quantity, scale = number, by
		}
	}
	v, err := strconv.ParseFloat(quantity, 64)
	if err != nil {
		return 0, fmt.Errorf("read the quantity %q: %w", quantity, err)
	}
	return time.Duration(v * scale * float64(time.Microsecond)), nil
}
