package sim

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"

	"github.com/google/go-cmp/cmp"
)

// inContainer is a process of a container of that name.
func inContainer(pid int, name string) process {
	return process{pid: pid, container: node.ContainerID{Pod: node.PodID{Namespace: "ns", Name: "p"}, Name: name}}
}

// causedBetween is the busy time that each container caused on a device between two instants, by the log.
func causedBetween(lines []line, gpu string, from, to int64) map[string]float64 {
	out := map[string]float64{}
	for _, l := range lines {
		if l.event != "busy" || l.fields["gpu"] != gpu {
			continue
		}
		busy := max(0, min(l.int("to"), to)-max(l.int("from"), from))
		all := strings.Split(l.fields["by"], ",")
		for _, name := range all {
			out[name] += float64(busy) / float64(len(all))
		}
	}
	return out
}

// A line of the log names who had work all that time.
func TestBusyLinesTellWhoRan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buf := newLogBuffer()
		g := newGPU(node.Device{ID: "GPU-a"}, newTruth(buf), 0, 0)
		a, b, other := g.place(inContainer(1, "a")), g.place(inContainer(2, "b")), g.place(process{pid: 3})
		began := time.Now()
		at := func(ms int) { time.Sleep(time.Until(began.Add(time.Duration(ms) * time.Millisecond))) }
		a.execute(40 * time.Millisecond)
		at(10)
		b.execute(60 * time.Millisecond)
		b.execute(20 * time.Millisecond) // within what it does already
		at(20)
		a.execute(30 * time.Millisecond) // longer than what it does already
		at(100)
		other.execute(700 * time.Millisecond)
		at(350)
		g.flush(cut)
		at(400)
		g.halt()
		var got []string
		for _, l := range buf.lines(t) {
			if l.event == "busy" {
				ms := func(key string) int64 { return (l.int(key) - began.UnixNano()) / 1e6 }
				got = append(got, fmt.Sprint(ms("from"), "-", ms("to"), " ", l.fields["by"]))
			}
		}
		want := []string{"0-10 ns/p/a", "10-50 ns/p/a,ns/p/b", "50-70 ns/p/b", "100-350 -", "350-400 -"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

// The shares that the driver tells, times what its ring says ran, are what each container caused by the log.
func TestSharesAgreeWithTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buf := newLogBuffer()
		g := newGPU(node.Device{ID: "GPU-a"}, newTruth(buf), 37*time.Millisecond, 0)
		name := map[int]string{1: "ns/p/heavy", 2: "ns/q/light", 3: "ns/p/idle"}
		heavy, light := g.place(inContainer(1, "heavy")), inContainer(2, "light")
		light.container.Pod.Name = "q"
		var wg sync.WaitGroup
		for i, p := range []*process{heavy, g.place(light)} {
			g.place(inContainer(3, "idle")).leave() // comes and goes
			wg.Go(func() {
				r := stream(1, p.name())
				for range 900 {
					p.execute(between(r, 5*time.Millisecond, time.Duration(80-50*i)*time.Millisecond))
					time.Sleep(between(r, time.Millisecond, 150*time.Millisecond))
				}
			})
		}
		g.place(inContainer(3, "idle"))
		time.Sleep(500 * time.Millisecond)
		if r := g.read(node.WantRing | node.WantProcesses); r.ProcessSpan.Known || r.Processes.Value[0].Share != 0 {
			t.Errorf("the first reading tells shares: %+v", r)
		}
		from, _ := g.edges()
		caused := map[string]float64{}
		for range 10 {
			time.Sleep(5 * time.Second)
			r := g.read(node.WantRing | node.WantProcesses)
			sum := 0.0
			for _, p := range r.Processes.Value {
				sum += p.Share
				caused[name[p.PID]] += p.Share * float64(r.Ring.Value.Busy)
			}
			if math.Abs(sum-1) > 1e-9 || len(r.Processes.Value) != 3 || r.ProcessSpan != node.Some(5*time.Second) {
				t.Errorf("shares of %+v in %v add up to %v", r.Processes.Value, r.ProcessSpan, sum)
			}
		}
		to, _ := g.edges()
		if r := g.read(node.WantProcesses); r.Processes.Value[0].Share != 0 || r.ProcessSpan != node.Some[time.Duration](0) {
			t.Errorf("nothing is new, and there are shares: %+v", r)
		}
		wg.Wait()
		g.halt()
		want := causedBetween(buf.lines(t), "GPU-a", from.UnixNano(), to.UnixNano())
		for _, n := range name {
			// A driver's whole percent: half of one, of each reading of 5 s.
			if off := math.Abs(caused[n] - want[n]); off > 0.005*50e9/2 {
				t.Errorf("%s caused %.3f s by the driver, %.3f s by the log", n, caused[n]/1e9, want[n]/1e9)
			}
		}
		if want["ns/p/heavy"] < 1.3*want["ns/q/light"] || want["ns/q/light"] < 2e9 || caused["ns/p/idle"] != 0 {
			t.Errorf("the loads show too little: %v", want)
		}
	})
}

// A process that has ended has its share of the time before, and no memory. What is asked for after long is of a short time only:
// since the ring was read before.
func TestShareOfAProcessThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGPU(node.Device{ID: "GPU-a"}, nil, 0, 0)
		ends, stays := g.place(process{pid: 1}), g.place(process{pid: 2, memory: gib})
		g.read(node.WantRing)
		time.Sleep(time.Second)
		stays.execute(time.Second)
		ends.execute(time.Second)
		time.Sleep(2 * time.Second)
		ends.leave()
		want := []node.Process{{PID: 1, Share: 0.5}, {PID: 2, Share: 0.5, Memory: gib}}
		r := g.read(node.WantRing | node.WantProcesses)
		if diff := cmp.Diff(want, r.Processes.Value); diff != "" || r.ProcessSpan != node.Some(3*time.Second) {
			t.Errorf("processes of %v (-want +got):\n%s", r.ProcessSpan, diff)
		}
		ends.execute(20 * time.Second)
		time.Sleep(19 * time.Second)
		g.read(node.WantRing)
		time.Sleep(2 * time.Second)
		stays.execute(time.Second)
		time.Sleep(time.Second)
		want = []node.Process{{PID: 1, Share: 0.5}, {PID: 2, Share: 0.5, Memory: gib}}
		r = g.read(node.WantRing | node.WantProcesses)
		if diff := cmp.Diff(want, r.Processes.Value); diff != "" || r.ProcessSpan != node.Some(3*time.Second) {
			t.Errorf("processes of %v, after long (-want +got):\n%s", r.ProcessSpan, diff)
		}
	})
}
