package scaling

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func TestQueueTime(t *testing.T) {
	ended := func(sum, count float64) func(*node.Server) {
		return model(func(m *node.Model) { m.Queue = latencyOf(sum, count) })
	}
	waiting := func(since, endedAt time.Duration) func(*node.Server) {
		return func(s *node.Server) { s.WaitingSince, s.EndedAt = ago(since), ago(endedAt) }
	}
	idle := func(s *node.Server) { s.InHandSince = time.Time{} }
	two := tokenServer(ended(0, 0), waiting(40*time.Second, 30*time.Second), func(s *node.Server) { s.URL = "second" })
	for _, test := range []struct {
		name    string
		servers []node.Server
		want    float64
	}{
		{"ended", []node.Server{tokenServer(ended(3, 6))}, 0.5},
		{"sums, not means of means", []node.Server{tokenServer(ended(10, 1)), tokenServer(ended(0, 99))}, 0.1},
		{"idle", []node.Server{tokenServer(ended(0, 0), idle)}, 0},
		{"none waits", []node.Server{tokenServer(ended(0, 0))}, 0},
		{"waits since before the last ended", []node.Server{tokenServer(ended(0, 0), waiting(50*time.Second, 20*time.Second))}, 20},
		{"waits since after the last ended", []node.Server{tokenServer(ended(0, 0), waiting(12*time.Second, 20*time.Second))}, 12},
		{"waits and ends", []node.Server{tokenServer(ended(3, 6), waiting(50*time.Second, time.Second))}, 0.5},
		{"one server ends, another hangs", []node.Server{tokenServer(ended(3, 6)), two}, 30},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := one(t, snapshot(test.servers...))
			got, ok := pod.Value(QueueTime)
			if !ok || math.Abs(got-test.want) > 1e-9 {
				t.Errorf("got %v (%v), want %v", got, ok, test.want)
			}
		})
	}
}

func TestQueueAndComputeInputTime(t *testing.T) {
	told := func(queue, input, count float64) node.Model {
		m := node.Model{Ranks: 1, Queue: latencyOf(queue, count), ComputeInput: latencyOf(input, count)}
		m.ComputeInput.Value.Mean = node.Some(7.0) // of requests that ended before the window
		return m
	}
	queueAlone, inputAlone := told(3, 0, 6), told(0, 3, 6)
	queueAlone.ComputeInput, inputAlone.Queue = node.Opt[node.Latency]{}, node.Opt[node.Latency]{}
	server := func(models ...node.Model) node.Server {
		return tokenServer(func(s *node.Server) { s.Models = models })
	}
	hangs := server(told(0, 0, 0))
	hangs.WaitingSince, hangs.EndedAt = ago(40*time.Second), ago(30*time.Second)
	idle := server(told(0, 0, 0))
	idle.InHandSince = time.Time{}
	absent := node.Opt[float64]{}
	for _, test := range []struct {
		name    string
		servers []node.Server
		want    node.Opt[float64]
	}{
		{"ended", []node.Server{server(told(3, 1.5, 6))}, node.Some(0.75)},
		{"sums over models, not means of means", []node.Server{server(told(10, 2, 1), told(0, 0, 99))}, node.Some(0.12)},
		{"sums over servers", []node.Server{server(told(10, 2, 1)), server(told(0, 0, 99))}, node.Some(0.12)},
		{"idle", []node.Server{idle}, node.Some(0.0)},
		{"runs, and none waits or ends", []node.Server{server(told(0, 0, 0))}, node.Some(0.0)},
		{"waits, and none ends", []node.Server{hangs}, node.Some(30.0)},
		{"one server ends, another hangs", []node.Server{server(told(3, 1.5, 6)), hangs}, node.Some(30.0)},
		{"queue time alone is told", []node.Server{server(queueAlone)}, absent},
		{"compute-input time alone is told", []node.Server{server(inputAlone)}, absent},
		{"one model of two tells its queue time alone", []node.Server{server(told(3, 1.5, 6), queueAlone)}, absent},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := one(t, snapshot(test.servers...))
			var got node.Opt[float64]
			got.Value, got.Known = pod.Value(QueueComputeInputTime)
			if diff := cmp.Diff(test.want, got, near); diff != "" {
				t.Errorf("seconds (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFirstTokenWhileNoneComes(t *testing.T) {
	none := model(func(m *node.Model) {
		m.FirstToken = node.Some(node.Latency{Mean: node.Some(0.3), Buckets: buckets(1, 0, math.Inf(1), 0)})
		m.InterToken = node.Some(node.Latency{Mean: node.Some(0.02)})
	})
	flat := model(func(m *node.Model) { m.GenerationTokens = increase(0) })
	for _, test := range []struct {
		name              string
		change            func(*node.Server)
		wantFirst, wantIn float64
	}{
		{"nothing in hand", func(s *node.Server) { s.InHandSince = time.Time{} }, 0, 0},
		{"a long answer flows", func(*node.Server) {}, 0.3, 0.02},
		{"requests wait behind a long answer", func(s *node.Server) { s.WaitingSince, s.EndedAt = ago(8*time.Second), ago(time.Minute) }, 8, 0.02},
		{"nothing moves", func(s *node.Server) { flat(s); s.EndedAt, s.ProgressSince = ago(time.Minute), ago(25*time.Second) }, 25, 25},
		{"nothing has moved yet", func(s *node.Server) { flat(s); s.InHandSince = ago(100 * time.Millisecond) }, 0.3, 0.1},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := values(one(t, snapshot(tokenServer(none, test.change))))
			want := map[Name]float64{FirstTokenMean: test.wantFirst, FirstTokenP95: test.wantFirst, InterTokenMean: test.wantIn}
			for name, v := range want {
				if math.Abs(got[name]-v) > 1e-9 {
					t.Errorf("%s is %v, want %v", name, got[name], v)
				}
			}
			if _, ok := got[InterTokenP95]; ok {
				t.Error("a percentile without buckets")
			}
		})
	}
}
