package e2e

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gpusignal/test/e2e/prometheus"
)

// comparison is a value that the custom metrics API returned of a pod, beside what the clients timed themselves.
type comparison struct {
	pod      string
	from, to time.Time // the window of both
	served   time.Duration
	timed    time.Duration
	requests int
	// age of the page behind the value when the API returned it.
	age time.Duration
}

func (c comparison) String() string {
	return fmt.Sprintf("%s %s–%s: API %v, clients %v over %d requests (%+.1f %%)", c.pod, c.from.Format("15:04:05.000"), c.to.Format("15:04:05.000"),
		c.served.Round(100*time.Microsecond), c.timed.Round(100*time.Microsecond), c.requests, 100*c.error())
}

// error is relative to what the clients timed.
func (c comparison) error() float64 { return float64(c.served-c.timed) / float64(c.timed) }

// agreement collects comparisons, and samples for which there are none.
type agreement struct {
	compared []comparison
	// unmatched are values of the API that no sample has.
	unmatched []string
	// untold are samples that were taken while the daemon read a page: which of two pages is behind them is not known. Stalled are
	// those in whose window the machine lost more than a hundredth of the time.
	untold, stalled map[sample]bool
}

// sample of a pod's signal.
type sample struct {
	pod string
	at  time.Time
}

// compare asks the API and, for each pod, finds the sample behind its value in Prometheus, the page behind the sample in what the
// daemon said, and the clients' waiting over the same window: the one that ended with that page.
func (s *scene) compare() {
	asked := time.Now()
	values, err := s.customMetrics()
	if err != nil {
		return // Before the metric is served.
	}
	for pod, served := range values {
		samples, err := s.Query(fmt.Sprintf(`gpusignal_queue_compute_input_time_mean_seconds{namespace="models", pod=%q}[30s]`, pod))
		if err != nil {
			s.unmatched = append(s.unmatched, fmt.Sprintf("%s %v: %v", pod, served, err))
			continue
		}
		if len(samples) != 1 || !s.match(pod, served, asked, samples[0].Values) {
			s.unmatched = append(s.unmatched, fmt.Sprintf("%s %v: in no sample of %v", pod, served, samples))
		}
	}
}

// match the newest sample of a value; the API rounds to thousandths of a microsecond. It says whether there is one.
func (s *scene) match(pod string, served time.Duration, asked time.Time, samples []prometheus.Point) bool {
	for _, point := range slices.Backward(samples) {
		if math.Abs(point.Value*1e9-float64(served)) > 2 {
			continue
		}
		page, next := s.pages.around(pod, point.At)
		const close = 200 * time.Millisecond
		if page.IsZero() || point.At.Sub(page) < close || !next.IsZero() && next.Sub(point.At) < close {
			s.untold[sample{pod, point.At}] = true
			return true
		}
		s.add(comparison{pod: pod, from: page.Add(-window), to: page, served: served, age: asked.Sub(page)})
		return true
	}
	return false
}

// add a comparison for the window that ended with a page, once.
func (s *scene) add(c comparison) {
	for _, other := range s.compared {
		if c.pod == other.pod && c.to.Equal(other.to) {
			return
		}
	}
	if s.stalls.in(c.from, c.to) > window/100 {
		s.stalled[sample{c.pod, c.to}] = true
		return
	}
	before, after := s.pages.around(c.pod, c.from)
	if before.IsZero() {
		s.untold[sample{c.pod, c.to}] = true
		return
	}
	// The daemon sees counters at its pages alone. The window begins between two of them: of what ended between these it counts
	// the share of the time that lies in the window.
	edge, whole := s.load.Between(c.pod, before, after), s.load.Between(c.pod, after, c.to)
	share := float64(after.Sub(c.from)) / float64(after.Sub(before))
	partly, wholly := share*float64(edge.Requests-edge.Failed), float64(whole.Requests-whole.Failed)
	if partly+wholly == 0 {
		return
	}
	seconds := (partly*edge.MeanWait.Seconds() + wholly*whole.MeanWait.Seconds()) / (partly + wholly)
	c.timed, c.requests = time.Duration(seconds*float64(time.Second)), whole.Requests
	s.compared = append(s.compared, c)
}

// judge says whether the API agreed with the clients: within 10 % wherever they waited longer than the autoscaler's target, all
// values together, and each by itself but for one and a tenth of them; and below it within 5 ms in the median. The clients' waiting
// has the way to the server and back and the server's writing of the answer in it, together some 3 ms, and whatever the machine
// lets them wait for: the server hears of none of it.
func (s *scene) judge() {
	s.t.Helper()
	var above, apart, stale int
	var served, timed time.Duration
	var differences []time.Duration
	saw := make(map[string]bool)
	for _, c := range s.compared {
		if c.age > 2*(engineInterval+scrapeInterval) {
			stale++
			s.t.Logf("%v old: %v", c.age, c)
		}
		if c.timed < target {
			differences = append(differences, c.served-c.timed)
			continue
		}
		s.t.Log(c)
		above++
		served, timed, saw[c.pod] = served+c.served, timed+c.timed, true
		if math.Abs(c.error()) > 0.1 {
			apart++
		}
	}
	slices.Sort(differences)
	together := float64(served-timed) / float64(max(timed, 1))
	s.t.Logf("above the target of %v: %d values of %d pods, together %+.1f %% from the clients' own timing, %d of them more than 10 %%",
		target, above, len(saw), 100*together, apart)
	if math.Abs(together) > 0.1 || apart > 1+above/10 || above < 5 || len(saw) < 2 {
		s.t.Error("the API does not agree with the clients, or there are fewer than 5 values of 2 pods to say so")
	}
	if len(differences) > 0 {
		median := differences[len(differences)/2]
		s.t.Logf("below it: %d values, %v from the clients' in the median, %v to %v", len(differences), median, differences[0], differences[len(differences)-1])
		if median.Abs() > 5*time.Millisecond {
			s.t.Error("below the target, the API does not agree with the clients")
		}
	}
	s.t.Logf("not compared: %d values because the machine lost more than 1 %% of the window, %d because a page was read as the sample was taken", len(s.stalled), len(s.untold))
	s.t.Logf("%d values that no sample has; %d stale", len(s.unmatched), stale)
	if stale > 0 || 20*len(s.unmatched) > len(s.compared) {
		s.t.Errorf("stale values, or values that no sample has: %s", strings.Join(s.unmatched, "; "))
	}
}

// nanoseconds reads a value of the custom metrics API in microseconds.
func nanoseconds(text string) (time.Duration, error) {
	v, err := quantity(text)
	return time.Duration(math.Round(v * float64(time.Microsecond))), err
}

// quantity reads a value of the custom metrics API, such as 83120, 83120400m or 84k.
func quantity(text string) (float64, error) {
	scale := 1.0
	for suffix, by := range map[string]float64{"u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			text, scale = number, by
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("read the quantity %q: %w", text, err)
	}
	return v * scale, nil
}
