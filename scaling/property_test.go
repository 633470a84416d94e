package scaling

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// random makes snapshots of anything, numbers that are none included.
type random struct{ *rand.Rand }

func (r random) number() float64 {
	odd := []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1, 0.5}
	if r.IntN(3) == 0 {
		return odd[r.IntN(len(odd))]
	}
	return r.Float64() * 100
}

func (r random) yes() bool { return r.IntN(2) == 0 }

func (r random) time() time.Time {
	if r.IntN(3) == 0 {
		return time.Time{}
	}
	return at.Add(time.Duration(r.IntN(7200)-7000) * time.Second)
}

func opt[T any](r random, v T) node.Opt[T] { return node.Opt[T]{Value: v, Known: r.yes()} }

func (r random) gauge() node.Opt[node.Gauge] {
	return opt(r, node.Gauge{Last: r.number(), Mean: r.number(), Peak: r.number()})
}

func (r random) counter() node.Counter { return node.Counter{Total: r.number(), Increase: r.number()} }

func (r random) latency() node.Opt[node.Latency] {
	l := node.Latency{Sum: r.counter(), Count: r.counter(), Mean: opt(r, r.number())}
	for range r.IntN(4) {
		l.Buckets = append(l.Buckets, node.Bucket{Upper: r.number(), Increase: r.number()})
	}
	return opt(r, l)
}

func (r random) pod() node.PodID {
	return node.PodID{UID: strconv.Itoa(r.IntN(3)), Namespace: "n", Name: "p" + strconv.Itoa(r.IntN(4))}
}

func (r random) snapshot() *node.Snapshot {
	s := &node.Snapshot{At: at}
	id := func() node.DeviceID { return node.DeviceID("GPU-" + strconv.Itoa(r.IntN(4))) }
	for range r.IntN(4) {
		s.Devices = append(s.Devices, node.DeviceState{
			Device: node.Device{ID: id()}, At: r.time(), Utilization: opt(r, r.number()), UtilizationPeak: opt(r, r.number()),
			Last: node.Reading{Memory: opt(r, node.Memory{Total: uint64(r.IntN(2)), Used: r.Uint64()})},
		})
	}
	for range r.IntN(5) {
		s.Accounts = append(s.Accounts, node.Account{
			Container: node.ContainerID{Pod: r.pod(), Name: "c" + strconv.Itoa(r.IntN(2))}, Device: id(),
			Attribution: []node.Attribution{node.Exclusive, node.ByProcess, node.Split}[r.IntN(3)], Opened: r.time(), Booked: r.time(),
			Utilization: opt(r, r.number()), UtilizationPeak: opt(r, r.number()), Memory: opt(r, r.Uint64()),
		})
		s.Claims = append(s.Claims, node.Claim{Container: node.ContainerID{Pod: r.pod(), Name: "c"}, Device: id(), Weight: r.IntN(3)})
	}
	for range r.IntN(4) {
		pod := node.Pod{ID: r.pod(), Phase: []string{"Running", "Failed"}[r.IntN(2)], Annotations: map[string]string{
			"gpusignal/gpu-target": "0.9", "gpusignal/concurrency-target": strconv.FormatFloat(r.number(), 'g', -1, 64),
			"gpusignal/max-running": "4", "gpusignal/queue-time-target": "1", "gpusignal/time-to-first-token-target": "1e-3",
		}}
		if r.IntN(8) == 0 {
			pod.Deleted = r.time()
		}
		pod.Place.Role = []node.Role{"", node.Leader, node.Worker, node.Decode, "", "", ""}[r.IntN(7)]
		s.Pods = append(s.Pods, pod)
	}
	for range r.IntN(5) {
		s.Servers = append(s.Servers, r.server())
	}
	return s
}

func (r random) server() node.Server {
	server := node.Server{
		Pod: r.pod(), Engine: "vllm", At: r.time(), FirstPage: r.time(), WaitingSince: r.time(), InHandSince: r.time(), EndedAt: r.time(),
		ProgressSince: r.time(), BusyAt: r.time(), Span: time.Duration(r.IntN(3)) * 15 * time.Second, Sleeping: r.yes(),
	}
	for range r.IntN(3) {
		input := r.latency()
		input.Value.Sum.Increase = math.Abs(input.Value.Sum.Increase) // else the sum with the queue time could be less than it
		server.Models = append(server.Models, node.Model{
			Name: "m", Ranks: r.IntN(3), Running: r.gauge(), Waiting: r.gauge(), Capacity: r.gauge(), KVCache: r.gauge(), MaxRunning: opt(r, r.number()),
			Requests:     map[string]node.Counter{"success": r.counter(), "rejected": r.counter(), "error": r.counter()},
			PromptTokens: opt(r, r.counter()), GenerationTokens: opt(r, r.counter()),
			Queue: r.latency(), ComputeInput: input, FirstToken: r.latency(), InterToken: r.latency(),
		})
	}
	return server
}

func TestAnySnapshotGivesNumbersOnly(t *testing.T) {
	r := random{rand.New(rand.NewPCG(7, 11))}
	order := make(map[Name]int)
	for i, info := range Names() {
		order[info.Name] = i
	}
	saturated, prepared := 0, 0
	for range 3_000 {
		s := r.snapshot()
		pods := Derive(s, Targets{})
		if again := Derive(s, Targets{}); !cmp.Equal(pods, again) {
			t.Fatalf("the same snapshot gave other signals:\n%s", cmp.Diff(pods, again))
		}
		if !slices.IsSortedFunc(pods, func(a, b Pod) int {
			return strings.Compare(a.Pod.Namespace+"/"+a.Pod.Name, b.Pod.Namespace+"/"+b.Pod.Name)
		}) {
			t.Fatalf("not sorted: %+v", pods)
		}
		for i, pod := range pods {
			if i > 0 && nameOf(pods[i-1].Pod) == nameOf(pod.Pod) {
				t.Fatalf("two pods of one name: %+v", pod)
			}
			last := -1
			for _, v := range pod.Values {
				if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) || v.Value < 0 {
					t.Fatalf("%s is %v: %+v", v.Name, v.Value, s)
				}
				if order[v.Name] <= last {
					t.Fatalf("%s is out of order: %+v", v.Name, pod.Values)
				}
				last = order[v.Name]
			}
			if v, ok := pod.Value(QueueComputeInputTime); ok {
				prepared++
				if queue, _ := pod.Value(QueueTime); v < queue {
					t.Fatalf("queue and compute-input time %v is less than queue time %v: %+v", v, queue, s)
				}
			}
			if v, ok := pod.Value(Saturation); ok {
				saturated++
				if v > Cap || len(pod.Components) == 0 {
					t.Fatalf("saturation %v of %+v", v, pod.Components)
				}
			}
			for _, c := range pod.Components {
				if !publishable(c.Value) || !publishable(c.Input) || !publishable(c.Target) || c.Source == "" || c.Age < 0 {
					t.Fatalf("component %+v", c)
				}
			}
			if pod.Place.Role == node.Worker && (pod.State != "" || len(pod.Components) > 0) {
				t.Fatalf("a worker of a group speaks: %+v", pod)
			}
			if pod.State == Draining && len(pod.Values)+len(pod.Components) > 0 {
				t.Fatalf("draining and not silent: %+v", pod)
			}
		}
	}
	if saturated < 150 || prepared < 150 {
		t.Errorf("only %d saturations and %d compute-input times: the snapshots test too little", saturated, prepared)
	}
}
