package scaling

import (
	"slices"
	"time"

	"gpusignal/node"
)

// latency is what the servers of a pod say of one duration, in seconds.
type latency struct{ mean, p95 node.Opt[float64] }

// readLatencies reads every duration. A server tells one only when a request (or a token) ends, so while there is work
// and none ends the answer is a lower bound that grows, never the last value repeated as new.
func (v *view) readLatencies() {
	v.queue = v.latency(func(m *node.Model) node.Opt[node.Latency] { return m.Queue }, v.queueFloor)
	v.queueInput = v.latencyOfQueueAndInput()
	v.firstToken = v.latency(func(m *node.Model) node.Opt[node.Latency] { return m.FirstToken }, v.firstTokenFloor)
	v.interToken = v.latency(func(m *node.Model) node.Opt[node.Latency] { return m.InterToken }, v.interTokenFloor)
}

// latency joins one duration over servers and models: the sum of times over the sum of requests of the window, and at
// least the floor of each server on which none ended. A server on which none ended and that has nothing in hand says 0.
func (v *view) latency(of func(*node.Model) node.Opt[node.Latency], floor func(*node.Server, node.Opt[float64]) float64) latency {
	var sum, count, least float64
	var known bool
	var histograms histograms
	for _, server := range v.servers {
		var serverKnown bool
		var ended float64
		var last node.Opt[float64]
		for i := range server.Models {
			l := of(&server.Models[i])
			if !l.Known {
				continue
			}
			serverKnown = true
			sum += l.Value.Sum.Increase
			ended += l.Value.Count.Increase
			histograms.add(l.Value.Buckets)
			if l.Value.Mean.Known {
				last = node.Some(max(last.Value, l.Value.Mean.Value))
			}
		}
		if serverKnown && ended <= 0 && !server.InHandSince.IsZero() {
			least = max(least, floor(server, last))
		}
		known = known || serverKnown
		count += ended
	}
	if !known {
		return latency{}
	}
	out := latency{mean: node.Some(least)}
	if count > 0 {
		out.mean.Value = max(least, sum/count)
	}
	if len(histograms) > 0 {
		out.p95 = node.Some(max(least, histograms.quantile(0.95)))
	}
	return out
}

// latencyOfQueueAndInput is the queue time with the compute-input time added, per request that left the queue. It is not
// known where a model tells its queue time alone: that of the rest is another number.
func (v *view) latencyOfQueueAndInput() latency {
	for _, server := range v.servers {
		if slices.ContainsFunc(server.Models, func(m node.Model) bool { return m.Queue.Known && !m.ComputeInput.Known }) {
			return latency{}
		}
	}
	return v.latency(func(m *node.Model) node.Opt[node.Latency] {
		both := m.Queue
		both.Value.Sum.Increase += m.ComputeInput.Value.Sum.Increase
		both.Value.Buckets = nil // they are of the queue time alone
		return both
	}, v.queueFloor)
}

// queueFloor is how long requests have waited on a server on which none left the queue in the window: since they began
// to, or since the last one ended.
func (v *view) queueFloor(server *node.Server, _ node.Opt[float64]) float64 {
	if server.WaitingSince.IsZero() {
		return 0
	}
	return v.since(server.WaitingSince, server.EndedAt)
}

// firstTokenFloor is how long the first token has been waited for, and at least the last mean: by those that wait, or,
// where none waits, by those that run without any progress. A long answer that is being generated waits for nothing.
func (v *view) firstTokenFloor(server *node.Server, last node.Opt[float64]) float64 {
	if !server.WaitingSince.IsZero() {
		return max(last.Value, v.since(server.WaitingSince, server.EndedAt))
	}
	return v.interTokenFloor(server, last)
}

// interTokenFloor is how long the next token has been waited for, and at least the last mean. While tokens come, on a
// server that counts gaps only when a request ends, it is the last mean alone.
func (v *view) interTokenFloor(server *node.Server, last node.Opt[float64]) float64 {
	for i := range server.Models {
		if tokens := server.Models[i].GenerationTokens; tokens.Known && tokens.Value.Increase > 0 {
			return last.Value
		}
	}
	return max(last.Value, v.since(server.InHandSince, latest(server.EndedAt, server.ProgressSince)))
}

// since returns the seconds since the later of two instants.
func (v *view) since(a, b time.Time) float64 { return max(0, v.at.Sub(latest(a, b)).Seconds()) }

// histograms are sums of histograms, one for each layout of buckets.
type histograms [][]node.Bucket

// add adds a histogram to the one of its layout. One without buckets is none.
func (h *histograms) add(buckets []node.Bucket) {
	if len(buckets) == 0 {
		return
	}
	for _, sum := range *h {
		if slices.EqualFunc(sum, buckets, func(a, b node.Bucket) bool { return a.Upper == b.Upper }) {
			for i := range sum {
				sum[i].Increase += buckets[i].Increase
			}
			return
		}
	}
	*h = append(*h, slices.Clone(buckets))
}

// quantile returns the greatest quantile over the layouts, 0 where nothing was observed: histograms of different layouts
// cannot be added.
func (h histograms) quantile(q float64) float64 {
	var greatest float64
	for _, buckets := range h {
		if v, ok := quantile(q, buckets); ok {
			greatest = max(greatest, v)
		}
	}
	return greatest
}
