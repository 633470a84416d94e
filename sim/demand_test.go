package sim

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// draw takes the first n requests of a demand, with the times they are sent at.
func draw(seed int64, name string, n int) (times []time.Duration, requests []request) {
	d := newDemand(stream(seed, name), 2, chat("m", []string{"a", "b"}))
	for range n {
		at, q := d.next()
		times, requests = append(times, at), append(requests, q)
	}
	return times, requests
}

func TestSameSeedSameRequests(t *testing.T) {
	times, requests := draw(7, "client 0", 500)
	again, same := draw(7, "client 0", 500)
	if diff := cmp.Diff(times, again); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(requests, same, cmp.AllowUnexported(request{})); diff != "" {
		t.Error(diff)
	}
	for _, other := range []struct {
		seed int64
		name string
	}{{8, "client 0"}, {7, "client 1"}} {
		if _, q := draw(other.seed, other.name, 500); cmp.Equal(requests, q, cmp.AllowUnexported(request{})) {
			t.Errorf("seed %d, %s has the same requests", other.seed, other.name)
		}
	}
}

func TestDemandBreathes(t *testing.T) {
	times, _ := draw(3, "client 0", 4000)
	var longest time.Duration
	busiest := 0
	for i := range times {
		if i > 0 {
			if times[i] < times[i-1] {
				t.Fatalf("request %d is sent before the one before it", i)
			}
			longest = max(longest, times[i]-times[i-1])
		}
		n := 0
		for j := i; j < len(times) && times[j]-times[i] < 5*time.Second; j++ {
			n++
		}
		busiest = max(busiest, n)
	}
	mean := float64(len(times)) / times[len(times)-1].Seconds()
	if math.Abs(mean-2) > 0.6 || longest < 8*time.Second || busiest < 30 {
		t.Errorf("mean %.2f/s, longest pause %v, most in 5 s %d: want about 2/s with pauses and bursts", mean, longest, busiest)
	}
}
