package engine

import (
	"math"
	"testing"
	"time"

	"gpusignal/node"
)

// toy is a dialect with every kind of candidate.
func toy() Dialect {
	return Dialect{
		Name: "toy", Port: 1, Model: []string{"model"}, Ranks: []string{"rank"},
		Marks: []Mark{{Prefix: "a"}, {Prefix: "c"}, {Prefix: "g"}, {Prefix: "h"}, {Prefix: "u"}, {Prefix: "l"}, {Prefix: "r"}},
		Readings: map[Measure][]Candidate{
			Waiting:      {{Kind: Gauge, Of: []Series{{Name: "g"}}}},
			Running:      {{Kind: Little, Of: []Series{{Name: "l"}, {Name: "c"}}}},
			KVCache:      {{Kind: Ratio, Of: []Series{{Name: "u", Label: "k", Value: "1"}, {Name: "u", Label: "k", Value: "2"}}}},
			PromptTokens: {{Kind: Counter, Of: []Series{{Name: "a"}}}},
			FirstToken:   {{Kind: Histogram, Of: []Series{{Name: "h"}}}},
			Queue:        {{Kind: Quotient, Of: []Series{{Name: "c"}, {Name: "a"}}, Scale: 1e-6}},
			Requests: {{Kind: Outcome, Outcomes: []Outcomes{
				{Of: Series{Name: "r"}, Label: "k", By: map[string]string{"1": "success", "2": "rejected"}, Otherwise: "error"},
				{Of: Series{Name: "h_count"}, Label: "k", By: map[string]string{"5xx": Answered5xx}},
			}}},
		},
	}
}

func checkReads(t *testing.T, pages [][]byte) {
	t.Helper()
	s := newServer([]*plan{newPlan(toy())}, 15*time.Second, 2*time.Second)
	at := time.Unix(1700000000, 0)
	totals := make(map[string]float64)
	for _, body := range pages {
		at = at.Add(2 * time.Second)
		_ = s.read(body, at) // Its fault is the page's own affair.
		var out node.Server
		s.write(&out, map[string]float64{"toy": 4})
		for _, m := range out.Models {
			gauges := []node.Opt[node.Gauge]{m.Running, m.Waiting, m.Capacity, m.KVCache}
			for _, g := range gauges {
				checkValues(t, g.Value.Last, g.Value.Mean, g.Value.Peak)
			}
			count := func(name string, c node.Counter) {
				checkValues(t, c.Total, c.Increase)
				if c.Total < totals[m.Name+"\x00"+name] {
					t.Fatalf("%q of %q fell to %g", name, m.Name, c.Total)
				}
				totals[m.Name+"\x00"+name] = c.Total
			}
			count("prompt", m.PromptTokens.Value)
			for name, c := range m.Requests {
				count("requests "+name, c)
			}
			for name, l := range map[string]node.Opt[node.Latency]{"queue": m.Queue, "first": m.FirstToken} {
				count(name+" sum", l.Value.Sum)
				count(name+" count", l.Value.Count)
				checkValues(t, l.Value.Mean.Value)
				for _, b := range l.Value.Buckets {
					checkValues(t, b.Increase, b.Total)
				}
			}
		}
	}
}

func checkValues(t *testing.T, values ...float64) {
	t.Helper()
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < -1e-3 {
			t.Fatalf("published %g", v)
		}
	}
}
