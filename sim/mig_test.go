package sim

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"

	"github.com/google/go-cmp/cmp"
)

const everything = node.WantMemory | node.WantUtilization | node.WantRing | node.WantCounters | node.WantActivity |
	node.WantStatus | node.WantProcesses

// A divided GPU tells what is the board's, and its instances what is theirs.
func TestDividedGPU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buf := newLogBuffer()
		g := newGPU(node.Device{ID: "GPU-a", Minor: 3, Model: "H100"}, newTruth(buf), 0, 0)
		g.divide(stream(1, "mig"), mixed())
		first, second, third := g.instances[0], g.instances[1], g.instances[2]
		d := &Driver{gpus: []*gpu{g}}
		first.place(process{pid: 1, memory: 5 * gib}).execute(30 * time.Second)
		second.place(process{pid: 2, memory: 2 * gib}).execute(10 * time.Second)
		for one := range d.all() {
			one.read(everything)
		}
		const span = 40 * time.Second
		time.Sleep(span)
		for one := range d.all() { // The busy lines.
			one.flush(0)
		}

		board := g.read(everything)
		if board.Memory.Known || board.Utilization.Known || board.Ring.Known || board.Activity.Known || board.Processes.Known || board.Status.Encoder.Known {
			t.Errorf("the board tells what is its instances': %+v", board)
		}
		watts, bytes := func(g *gpu) float64 { return g.kernels.watts }, func(g *gpu) float64 { return g.kernels.sent }
		sum := func(of func(*gpu) float64) float64 { return 30*of(first) + 10*of(second) }
		if got, want := float64(board.Energy.Value)/1e6, idleWatts*span.Seconds()+sum(watts); math.Abs(got-want) > 1e-3*want {
			t.Errorf("the board drew %.0f J, want %.0f", got, want)
		}
		if got, want := float64(board.Counters.PCIeTx.Value.Value), sum(bytes); math.Abs(got-want) > 1e-3*want {
			t.Errorf("the board sent %.0f bytes, want %.0f", got, want)
		}
		if !board.Status.Known || !board.Temperature.Known || board.Lacks&notOfBoard() != notOfBoard() {
			t.Errorf("of the board: %+v, lacks %v", board.Status, board.Lacks.Labels())
		}

		for i, want := range []struct {
			busy float64
			node []node.Process
		}{{30, []node.Process{{PID: 1, Memory: 5 * gib}}}, {10, []node.Process{{PID: 2, Memory: 2 * gib}}}, {0, []node.Process{}}} {
			r := g.instances[i].read(everything)
			if got := r.Activity.Value.Units[node.UnitGraphics].Value * r.Activity.Value.Span.Seconds(); math.Abs(got-want.busy) > 0.11 {
				t.Errorf("instance %d was busy for %.2f s, want %.2f", i, got, want.busy)
			}
			if logged := float64(busyBetween(buf.lines(t), string(g.instances[i].device.ID), 0, 1<<62)) / 1e9; logged != want.busy {
				t.Errorf("instance %d was busy for %v s by the log, want %v", i, logged, want.busy)
			}
			if diff := cmp.Diff(node.Some(want.node), r.Processes); diff != "" {
				t.Errorf("processes of instance %d, without shares (-want +got):\n%s", i, diff)
			}
			if r.Utilization.Known || r.Ring.Known || r.Power.Known || r.Energy.Known || r.Status.Known || r.Counters != (node.Counters{}) || r.ProcessSpan.Known || len(r.Calls) != 4 {
				t.Errorf("instance %d tells what is the board's: %+v", i, r)
			}
		}
		devices, _ := d.Devices()
		if got := third.read(node.WantMemory).Memory.Value; len(devices) != 4 || devices[3].Label() != "3:13" || devices[3].Parent != "GPU-a" || got.Total != 9856<<20 || got.Used != 0 {
			t.Errorf("devices %+v, memory of the last %+v", devices, got)
		}
	})
}
