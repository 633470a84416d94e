package prometheus

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"text/tabwriter"
	"time"
)

// steps is how many steps of load are timed; 0 times none.
var steps = flag.Int("steps", 0, "how many steps of load to time")

// TestStep times how long after a step of load from nothing to full the page first tells of it, asked fifty times a second: by the
// newest reading, before the mean of any window.
func TestStep(t *testing.T) {
	if *steps == 0 {
		t.Skip("it takes minutes: go test ./prometheus -run TestStep -steps 100")
	}
	const apart = 4.0 // seconds, on average
	begin := monotonic() + 10
	var gpus []gpu
	r := rand.New(rand.NewPCG(1, 1))
	for _, window := range []time.Duration{167 * time.Millisecond, time.Second} {
		s := &schedule{}
		for i := range *steps {
			from := begin + apart*float64(i) + r.Float64()
			s.bursts, s.before = append(s.bursts, burst{from, from + 1.5}), append(s.before, 1.5*float64(i))
		}
		gpus = append(gpus, gpu{window: window, load: s})
	}
	page := startDaemon(t, gpus)
	waitFor(t, "the page", time.Minute, func() error { return answers("http://" + page + "/metrics") })
	delays := make([][]time.Duration, len(gpus))
	was := make([]float64, len(gpus))
	end := begin + apart*float64(*steps)
	for tick := time.NewTicker(20 * time.Millisecond); monotonic() < end; <-tick.C {
		for i, now := range readings(t, page) {
			if at := monotonic(); was[i] == 0 && now > 0 {
				delays[i] = append(delays[i], time.Duration((at-gpus[i].load.begun(at))*float64(time.Second)))
			}
			was[i] = now
		}
	}
	out := tabwriter.NewWriter(t.Output(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(out, "driver's window\tsteps\tp50\tp99\tmax")
	for i, g := range gpus {
		slices.Sort(delays[i])
		n := len(delays[i])
		if n < *steps*9/10 {
			t.Errorf("%v: only %d of %d steps were seen", g.window, n, *steps)
		}
		round := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
		fmt.Fprintf(out, "%v\t%d\t%v\t%v\t%v\n", g.window, n, round(delays[i][n/2]), round(delays[i][n*99/100]), round(delays[i][n-1]))
	}
	_ = out.Flush()
}

// begun is when the last burst before an instant began.
func (s *schedule) begun(at float64) float64 {
	var last float64
	for _, b := range s.bursts {
		if b.from <= at {
			last = b.from
		}
	}
	return last
}

// readings are the newest utilisation of each GPU on the page, in percent.
func readings(t *testing.T, page string) map[int]float64 {
	t.Helper()
	resp, err := http.Get("http://" + page + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[int]float64)
	for _, match := range regexp.MustCompile(`(?m)^DCGM_FI_DEV_GPU_UTIL\{.*gpu="(\d+)".*\} (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		index, _ := strconv.Atoi(match[1])
		found[index], _ = strconv.ParseFloat(match[2], 64)
	}
	return found
}
