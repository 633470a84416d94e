package collector

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"gpusignal/node"
	"gpusignal/scaling"
)

// Whatever the sources say, the page is one that a registry would let through.
func TestAnySnapshotGivesAConsistentPage(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	current := full()
	c := New(Config{Snapshot: func() *node.Snapshot { return current }, Targets: func() scaling.Targets { return scaling.Targets{} }, Detail: true, DCGM: true, Histogram: true})
	for range 300 {
		current = shaken(r)
		families, err := prometheus.Gatherers{c.Metrics()}.Gather()
		if err != nil {
			t.Fatalf("%v\n%+v", err, current)
		}
		for _, family := range families {
			for _, m := range family.Metric {
				v := m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetSummary().GetSampleSum() + m.GetHistogram().GetSampleSum()
				checkBuckets(t, family.GetName(), m.GetHistogram())
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%s is %v", family.GetName(), m)
				}
			}
		}
	}
}

// checkBuckets holds that bounds and counts ascend, and end at the count of all.
func checkBuckets(t *testing.T, name string, of *dto.Histogram) {
	t.Helper()
	last, bound := uint64(0), math.Inf(-1)
	for _, b := range of.GetBucket() {
		if b.GetCumulativeCount() < last || b.GetCumulativeCount() > of.GetSampleCount() || b.GetUpperBound() <= bound {
			t.Fatalf("%s: %v", name, of)
		}
		last, bound = b.GetCumulativeCount(), b.GetUpperBound()
	}
}

// shaken is the full snapshot with parts repeated, left out and spoilt.
func shaken(r *rand.Rand) *node.Snapshot {
	s := full()
	odd := func() float64 {
		return []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, math.MaxFloat64}[r.IntN(6)]
	}
	s.Devices = some(r, s.Devices)
	s.Totals, s.Accounts, s.Claims, s.Unmapped = some(r, s.Totals), some(r, s.Accounts), some(r, s.Claims), some(r, s.Unmapped)
	s.Pods, s.Servers, s.Health = some(r, s.Pods), some(r, s.Servers), some(r, s.Health)
	for i := range s.Devices {
		if r.IntN(2) == 0 {
			s.Devices[i].Utilization, s.Devices[i].Last.Power = node.Some(odd()), node.Some(odd())
			s.Devices[i].Activity[node.UnitSM], s.Devices[i].Last.Status.SMClock, s.Devices[i].Slowed = node.Some(odd()), node.Some(odd()), odd()
			s.Devices[i].Last.Activity.Value.Span, s.Devices[i].Lacks = time.Duration(r.IntN(2)), node.Features(r.Uint64())
			s.Devices[i].Device.Model = "bad \xff\xfe name \"\n"
		}
	}
	for i := range s.Servers {
		server := &s.Servers[i]
		server.Models = some(r, server.Models)
		for j := range server.Models {
			m := &server.Models[j]
			m.Name += []string{"", "\xff", "\xfe"}[r.IntN(3)]
			m.Running, m.Queue = gaugeAt(odd()), latencyAt(odd(), odd())
			m.Requests = map[string]node.Counter{"success": {Total: odd(), Increase: odd()}, "\xff": {Total: 1}, "\xfe": {Total: 2}}
		}
	}
	return s
}

// some returns things of a list, each any number of times, in any order.
func some[T any](r *rand.Rand, from []T) []T {
	var out []T
	for range r.IntN(2*len(from) + 1) {
		if len(from) > 0 {
			out = append(out, from[r.IntN(len(from))])
		}
	}
	return out
}
