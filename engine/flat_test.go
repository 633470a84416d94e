package engine_test

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// flat lists every number that is Known of a server's models, by "model reading". The model's name is left out where there
// is only one.
func flat(s node.Server) map[string]float64 {
	out := make(map[string]float64)
	for _, m := range s.Models {
		prefix := m.Name + " "
		if len(s.Models) == 1 {
			prefix = ""
		}
		flatModel(out, prefix, m)
	}
	return out
}

func flatModel(out map[string]float64, prefix string, m node.Model) {
	out[prefix+"ranks"] = float64(m.Ranks)
	for name, g := range map[string]node.Opt[node.Gauge]{
		"running": m.Running, "waiting": m.Waiting, "capacity": m.Capacity, "kv": m.KVCache,
	} {
		if g.Known {
			out[prefix+name] = g.Value.Last
		}
	}
	if m.MaxRunning.Known {
		out[prefix+"max"] = m.MaxRunning.Value
	}
	count := func(name string, c node.Counter) { out[prefix+name] = c.Total }
	for name, c := range map[string]node.Opt[node.Counter]{"prompt": m.PromptTokens, "generation": m.GenerationTokens} {
		if c.Known {
			count(name, c.Value)
		}
	}
	for outcome, c := range m.Requests {
		count("requests "+outcome, c)
	}
	for name, l := range map[string]node.Opt[node.Latency]{
		"queue": m.Queue, "input": m.ComputeInput, "first": m.FirstToken, "inter": m.InterToken,
	} {
		if !l.Known {
			continue
		}
		count(name+" sum", l.Value.Sum)
		count(name+" count", l.Value.Count)
		if l.Value.Mean.Known {
			out[prefix+name+" mean"] = l.Value.Mean.Value
		}
		for _, b := range l.Value.Buckets {
			if b.Increase != 0 {
				out[prefix+name+" le "+strconv.FormatFloat(b.Upper, 'g', -1, 64)] = b.Increase
			}
		}
	}
}

// near compares numbers to nine digits.
func near() cmp.Option {
	return cmp.Comparer(func(a, b float64) bool {
		return a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b))
	})
}

func check(t *testing.T, what string, s node.Server, want map[string]float64) {
	t.Helper()
	if diff := cmp.Diff(want, flat(s), near()); diff != "" {
		t.Errorf("%s (-want +got):\n%s\nfault %q: %s\nhas %v", what, diff, s.Fault, s.Detail,
			slices.Sorted(maps.Keys(flat(s))))
	}
}
