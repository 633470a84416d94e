package scaling

import (
	"maps"
	"slices"
	"time"

	"gpusignal/node"
)

// view is what the servers of one pod say together: sums over servers, models and ranks.
type view struct {
	at      time.Time
	servers []*node.Server // those of which a page has been read
	// fresh says that the newest page of every server is young enough to count, windowed that a whole window lies behind.
	fresh, windowed bool
	// age of the oldest page.
	age time.Duration
	// lost is what pages told and tell no more.
	lost []string

	running, waiting, peak node.Opt[float64]
	// capacity is waiting for capacity in the models that generate tokens.
	capacity node.Opt[float64]
	kvCache  node.Opt[float64]
	// maxRunning and slotsUsed are of the models whose pages tell how many requests they run at once.
	maxRunning, slotsUsed node.Opt[float64]
	// ranks of all servers, and of those that generate tokens.
	ranks, tokenRanks float64
	// rejected and accepted requests over the window, in the models that generate tokens.
	rejected node.Opt[float64]
	accepted float64

	requests, errors               node.Opt[float64] // per second
	promptTokens, generationTokens node.Opt[float64] // per second

	// queueInput is queue time and compute-input time together.
	queue, queueInput, firstToken, interToken latency
}

// readServers adds up what the servers of a pod say.
func readServers(at time.Time, servers []*node.Server) view {
	v := view{at: at, servers: readOnce(servers)}
	if len(v.servers) == 0 {
		return v
	}
	v.fresh, v.windowed = true, true
	for _, server := range v.servers {
		v.fresh = v.fresh && len(server.Models) > 0
		v.windowed = v.windowed && len(server.Models) > 0 && server.Span > 0
		v.age = max(v.age, at.Sub(server.At))
		v.lost = append(v.lost, server.Lost...)
	}
	if !v.windowed {
		return v
	}
	for _, server := range v.servers {
		v.addServer(server)
	}
	v.readLatencies()
	v.forget()
	return v
}

// addServer adds one server. Its models share its ranks: the model with the most tells how many there are.
func (v *view) addServer(server *node.Server) {
	seconds := server.Span.Seconds()
	ranks, tokenRanks := 1, 0
	var ended, failures node.Opt[float64]
	for i := range server.Models {
		m := &server.Models[i]
		ranks = max(ranks, m.Ranks)
		if m.GenerationTokens.Known {
			tokenRanks = max(tokenRanks, m.Ranks, 1)
		}
		v.addLoad(m)
		v.addRequests(m, &ended, &failures)
		if m.PromptTokens.Known {
			accumulate(&v.promptTokens, m.PromptTokens.Value.Increase/seconds)
		}
		if m.GenerationTokens.Known {
			accumulate(&v.generationTokens, m.GenerationTokens.Value.Increase/seconds)
		}
	}
	if ended.Known {
		accumulate(&v.requests, ended.Value/seconds)
	}
	if failures.Known {
		accumulate(&v.errors, failures.Value/seconds)
	}
	v.ranks += float64(ranks)
	v.tokenRanks += float64(tokenRanks)
}

// forget takes away the sums of what one of the servers or models has lost: the sum of the rest is another number.
func (v *view) forget() {
	none := node.Opt[float64]{}
	for _, name := range v.lost {
		switch name {
		case "running":
			v.running = none
		case "waiting":
			v.waiting, v.peak = none, none
		case "kv_cache":
			v.kvCache = none
		case "prompt_tokens":
			v.promptTokens = none
		case "generation_tokens":
			v.generationTokens = none
		case "requests":
			v.requests, v.errors = none, none
		case "queue_time":
			v.queue, v.queueInput = latency{}, latency{}
		case "compute_input_time":
			v.queueInput = latency{}
		case "time_to_first_token":
			v.firstToken = latency{}
		case "inter_token_latency":
			v.interToken = latency{}
		}
	}
}

// addLoad adds what one model has in hand.
func (v *view) addLoad(m *node.Model) {
	if m.Running.Known {
		accumulate(&v.running, m.Running.Value.Mean)
	}
	if m.Waiting.Known {
		accumulate(&v.waiting, m.Waiting.Value.Mean)
		accumulate(&v.peak, m.Waiting.Value.Peak)
	}
	if m.GenerationTokens.Known {
		if m.Capacity.Known {
			accumulate(&v.capacity, m.Capacity.Value.Mean)
		} else if m.Waiting.Known {
			accumulate(&v.capacity, m.Waiting.Value.Mean)
		}
	}
	if m.KVCache.Known {
		v.kvCache = node.Some(max(v.kvCache.Value, m.KVCache.Value.Mean))
	}
	if m.MaxRunning.Known && m.MaxRunning.Value > 0 && m.Running.Known && m.Waiting.Known {
		accumulate(&v.maxRunning, m.MaxRunning.Value)
		accumulate(&v.slotsUsed, m.Running.Value.Mean+m.Waiting.Value.Mean)
	}
}

// addRequests adds the requests of one model that ended in the window, in a fixed order, so that sums are the same each time.
func (v *view) addRequests(m *node.Model, ended, failures *node.Opt[float64]) {
	for _, outcome := range slices.Sorted(maps.Keys(m.Requests)) {
		counter := m.Requests[outcome]
		accumulate(ended, counter.Increase)
		if failed(outcome) {
			accumulate(failures, counter.Increase)
		}
		switch {
		case !m.GenerationTokens.Known:
		case outcome == "rejected":
			accumulate(&v.rejected, counter.Increase)
		default:
			v.accepted += counter.Increase
		}
	}
}

// failed says that an outcome is the server's failure: not a success, not its client's choice or fault, and not one that
// the server does not tell.
func failed(outcome string) bool {
	switch outcome {
	case "success", "cancelled", "canceled", "aborted", "abort", "invalid", "unknown":
		return false
	default:
		return true
	}
}

// accumulate adds to a sum that is known once anything was added to it.
func accumulate(sum *node.Opt[float64], v float64) {
	sum.Known = true
	sum.Value += v
}

// state of the servers; empty where it is not known any more.
func (v *view) state() State {
	if len(v.servers) == 0 {
		return Loading
	}
	if !v.fresh {
		return ""
	}
	asleep := true
	for _, server := range v.servers {
		asleep = asleep && server.Sleeping
		if !server.InHandSince.IsZero() && v.at.Sub(latest(server.ProgressSince, server.InHandSince)) > stuckAfter {
			return Stuck
		}
	}
	if asleep {
		return Sleeping
	}
	return Ready
}

// idle is how long the server with the least has had nothing to do.
func (v *view) idle() time.Duration {
	var least time.Duration
	for i, server := range v.servers {
		idle := max(0, v.at.Sub(latest(server.BusyAt, server.FirstPage)))
		if !server.InHandSince.IsZero() {
			idle = 0
		}
		if i == 0 || idle < least {
			least = idle
		}
	}
	return least
}

// startup is how long the slowest of the servers took; not known where that of one is not.
func (v *view) startup() (longest node.Opt[float64]) {
	for _, server := range v.servers {
		if !server.Startup.Known {
			return node.Opt[float64]{}
		}
		longest = node.Some(max(longest.Value, server.Startup.Value.Seconds()))
	}
	return longest
}

// latest returns the later of two instants.
func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// signals adds the signals of the pod's servers, in the order of Names.
func (v *view) signals(out *Pod) {
	if v.windowed {
		out.addKnown(RequestsRunning, v.running)
		out.addKnown(RequestsWaiting, v.waiting)
		out.addKnown(RequestsWaitingPeak, v.peak)
		out.addKnown(Requests, v.requests)
		out.addKnown(RequestErrors, v.errors)
		out.addKnown(QueueTime, v.queue.mean)
		out.addKnown(QueueComputeInputTime, v.queueInput.mean)
		out.addKnown(PromptTokens, v.promptTokens)
		out.addKnown(GenerationTokens, v.generationTokens)
		out.addKnown(KVCacheUsage, v.kvCache)
		out.addKnown(FirstTokenMean, v.firstToken.mean)
		out.addKnown(FirstTokenP95, v.firstToken.p95)
		out.addKnown(InterTokenMean, v.interToken.mean)
		out.addKnown(InterTokenP95, v.interToken.p95)
	}
	if v.fresh {
		out.add(Idle, v.idle().Seconds())
	}
	out.addKnown(Startup, v.startup())
}
