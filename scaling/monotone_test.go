package scaling

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gpusignal/node"
)

// loadOf makes a pod under any load that is possible: numbers are finite and not negative, and levels and counts agree.
func (r random) loadOf() node.Server {
	s := tokenServer()
	s.Models = nil
	for i := range 1 + r.IntN(3) {
		m := node.Model{
			Name: string(rune('a' + i)), Ranks: 1 + r.IntN(4), Running: gauge(r.Float64() * 20), Waiting: gauge(r.Float64() * 20),
			KVCache:  gauge(r.Float64()),
			Requests: map[string]node.Counter{"success": {Increase: float64(r.IntN(20))}, "rejected": {Increase: float64(r.IntN(3))}},
			Queue:    r.lasted(20), FirstToken: r.lasted(20), InterToken: r.lasted(500), GenerationTokens: increase(float64(r.IntN(500))),
		}
		if r.yes() {
			m.Capacity = gauge(m.Waiting.Value.Mean * r.Float64())
		}
		if r.yes() {
			m.MaxRunning = node.Some(float64(1 + r.IntN(64)))
		}
		s.Models = append(s.Models, m)
	}
	if r.yes() {
		s.WaitingSince = ago(time.Duration(r.IntN(60)) * time.Second)
		s.EndedAt = ago(time.Duration(r.IntN(120)) * time.Second)
	}
	return s
}

// lasted is a latency of up to so many requests; on every other server none ended.
func (r random) lasted(most int) node.Opt[node.Latency] {
	if r.yes() {
		return latencyOf(0, 0)
	}
	return latencyOf(r.Float64()*20, float64(1+r.IntN(most)))
}

// more of one kind of load, on one of the models.
func (r random) more(s node.Server) (string, node.Server) {
	s.Models = slices.Clone(s.Models)
	m := &s.Models[r.IntN(len(s.Models))]
	by := 0.1 + r.Float64()*10
	kinds := []struct {
		name string
		grow func()
	}{
		{"running", func() { m.Running = gauge(m.Running.Value.Mean + by) }},
		{"waiting", func() {
			m.Waiting = gauge(m.Waiting.Value.Mean + by)
			if m.Capacity.Known {
				m.Capacity = gauge(m.Capacity.Value.Mean + by)
			}
		}},
		{"key-value cache", func() { m.KVCache = gauge(min(1, m.KVCache.Value.Mean+by/10)) }},
		{"refusals", func() {
			m.Requests = map[string]node.Counter{"success": m.Requests["success"], "rejected": {Increase: m.Requests["rejected"].Increase + by}}
		}},
		{"queue time", func() { m.Queue = longer(m.Queue, by) }},
		{"time to first token", func() { m.FirstToken = longer(m.FirstToken, by) }},
		{"inter-token latency", func() { m.InterToken = longer(m.InterToken, by) }},
		{"the wait", func() {
			if !s.WaitingSince.IsZero() {
				s.WaitingSince = s.WaitingSince.Add(-time.Duration(by * float64(time.Second)))
			}
		}},
	}
	k := kinds[r.IntN(len(kinds))]
	k.grow()
	return k.name, s
}

// longer returns a latency of as many requests that took longer in all.
func longer(l node.Opt[node.Latency], by float64) node.Opt[node.Latency] {
	if l.Value.Count.Increase > 0 {
		l.Value.Sum.Increase += by
	}
	return l
}

func everyTarget() Rule {
	return Rule{
		Queue: new(5.0), Concurrency: new(20.0), QueueTime: new(1.0), TimeToFirstToken: new(1.0), InterTokenLatency: new(0.1), GPU: new(0.9),
	}
}

// saturationAt an instant, with a busy GPU beside the servers.
func saturationAt(t *testing.T, servers []node.Server, now time.Time, rules ...Rule) (float64, map[string]float64) {
	t.Helper()
	snap := snapshot(servers...)
	snap.At = now
	snap.Devices = []node.DeviceState{board("GPU-a", 0.5, 100)}
	snap.Accounts = []node.Account{exclusive(chat, "GPU-a", 0.5, 10)}
	pod := one(t, snap, rules...)
	v, ok := pod.Value(Saturation)
	if !ok {
		t.Fatalf("no saturation: %q of %+v", pod.Problems, servers)
	}
	components := make(map[string]float64)
	for _, c := range pod.Components {
		components[c.Name] = c.Value
	}
	return v, components
}

func TestMoreLoadNeverLowersSaturation(t *testing.T) {
	r := random{rand.New(rand.NewPCG(3, 5))}
	for range 4_000 {
		s, beside := r.loadOf(), r.loadOf()
		before, components := saturationAt(t, []node.Server{s, beside}, at, everyTarget())
		what, loaded := r.more(s)
		after, now := saturationAt(t, []node.Server{loaded, beside}, at, everyTarget())
		if after < before-1e-9 {
			t.Fatalf("more %s: saturation %v, before %v\n%+v\n%+v", what, after, before, s, loaded)
		}
		for name, v := range components {
			if now[name] < v-1e-9 {
				t.Fatalf("more %s: %s is %v, before %v\n%+v\n%+v", what, name, now[name], v, s, loaded)
			}
		}
	}
}

// Pages that fail leave the last one as it was, and it grows old: that never makes a pod seem less full.
func TestAnOldPageNeverLowersSaturation(t *testing.T) {
	r := random{rand.New(rand.NewPCG(11, 13))}
	for range 2_000 {
		s, beside := r.loadOf(), r.loadOf()
		before, components := saturationAt(t, []node.Server{s, beside}, at, everyTarget())
		s.Fault = "timeout"
		after, now := saturationAt(t, []node.Server{s, beside}, at.Add(time.Duration(r.IntN(60))*time.Second), everyTarget())
		if after < before-1e-9 {
			t.Fatalf("saturation %v, before %v\n%+v", after, before, s)
		}
		for name, v := range components {
			if now[name] < v-1e-9 {
				t.Fatalf("%s is %v, before %v\n%+v", name, now[name], v, s)
			}
		}
	}
}

// What can be lost is lost whole: none of the readings that a component is worked out from may be left out of it.
func TestALostReadingLeavesNoSaturation(t *testing.T) {
	for _, name := range []string{
		"running", "waiting", "capacity", "kv_cache", "max_running", "generation_tokens", "requests", "queue_time",
		"time_to_first_token", "inter_token_latency",
	} {
		pod := one(t, snapshot(tokenServer(func(s *node.Server) { s.Lost = []string{name} })), everyTarget())
		if v, ok := pod.Value(Saturation); ok {
			t.Errorf("%s is lost: saturation %v, want none", name, v)
		}
	}
	for _, name := range []string{"prompt_tokens", "compute_input_time", "queue_time", "time_to_first_token", "inter_token_latency"} {
		pod := one(t, snapshot(tokenServer(func(s *node.Server) { s.Lost = []string{name} })))
		if _, ok := pod.Value(Saturation); !ok {
			t.Errorf("%s is lost and no component needs it: %q", name, pod.Problems)
		}
	}
}
