package engine

import "gpusignal/node"

// known says whether a measure may be published at the page p: the pages have told it, and not too long ago.
func (m *model) known(measure Measure, p *page) bool {
	return m.told[measure] && p.at.Sub(m.toldAt[measure]) <= grace
}

func (m *model) opt(measure Measure, p *page) node.Opt[node.Gauge] {
	if !m.known(measure, p) {
		return node.Opt[node.Gauge]{}
	}
	return node.Some(m.levels[measure].gauge())
}

func (m *model) latency(measure Measure, p *page) node.Opt[node.Latency] {
	if !m.known(measure, p) {
		return node.Opt[node.Latency]{}
	}
	l := &m.latencies[measure-Queue]
	out := node.Latency{Sum: l.sum.counter(), Count: l.count.counter(), Mean: l.mean}
	for _, b := range l.buckets {
		n := b.counter()
		out.Buckets = append(out.Buckets, node.Bucket{Upper: b.upper, Increase: n.Increase, Total: n.Total})
	}
	return node.Some(out)
}

// publish the model as it stands at the page p. argument is how many requests a rank runs at once by the server's
// arguments, or all ranks together.
func (m *model) publish(p *page, argument node.Opt[float64], ofAll bool) node.Model {
	out := node.Model{
		Name: m.name, Ranks: m.rankCount,
		Running: m.opt(Running, p), Waiting: m.opt(Waiting, p), Capacity: m.opt(Capacity, p), KVCache: m.opt(KVCache, p),
		RunningEstimated: m.estimated && m.known(Running, p),
		Queue:            m.latency(Queue, p), ComputeInput: m.latency(ComputeInput, p),
		FirstToken: m.latency(FirstToken, p), InterToken: m.latency(InterToken, p),
	}
	switch {
	case m.known(MaxRunning, p):
		out.MaxRunning = node.Some(m.levels[MaxRunning].last)
	case argument.Known && m.told[Running] && ofAll:
		out.MaxRunning = argument
	case argument.Known && m.told[Running]:
		out.MaxRunning = node.Some(argument.Value * float64(m.rankCount))
	}
	if m.known(PromptTokens, p) {
		out.PromptTokens = node.Some(m.tokens[0].counter())
	}
	if m.known(GenerationTokens, p) {
		out.GenerationTokens = node.Some(m.tokens[1].counter())
	}
	if m.known(Requests, p) {
		out.Requests = make(map[string]node.Counter, len(m.requests))
		for name, t := range m.requests {
			out.Requests[name] = t.counter()
		}
	}
	return out
}

// lost names what pages have told since the container started and have not for longer than the grace.
func (m *model) lost(p *page) []string {
	var names []string
	for measure := range measures {
		if measure != Awake && m.told[measure] && !m.known(measure, p) {
			names = append(names, measure.String())
		}
	}
	return names
}

// toldAny says whether the pages have told anything of the model since the container started.
func (m *model) toldAny() bool { return m.told != [measures]bool{} }
