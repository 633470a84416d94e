package collector

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"gpusignal/node"
	"gpusignal/scaling"
)

// modelOf is one model of one server, by what is in its labels.
type modelOf struct {
	namespace, pod, engine, model string
	of                            *node.Model
}

// engineRow is the models of one (pod, engine, model): sums over servers, the greatest key-value cache usage.
type engineRow struct {
	labels                         *labelSet
	models                         []modelOf
	running, waiting, kvCache      node.Opt[float64]
	promptTokens, generationTokens node.Opt[float64]
}

// durationFamily is a summary of one duration, or a histogram.
type durationFamily struct {
	desc desc
	of   func(*node.Model) node.Opt[node.Latency]
}

// enginePart is the families of model servers.
type enginePart struct {
	gauges           []family[engineRow]
	requests, tokens desc
	durations        []durationFamily

	labels   *labelNames
	models   []modelOf
	rows     []engineRow
	outcomes []outcome
	upTo     []upTo
}

type outcome struct {
	name  string
	total float64
}

// newEnginePart returns the families of model servers. Durations are sums and counts; histograms have the servers' own buckets too.
func newEnginePart(histograms bool) *enginePart {
	l := newLabelNames("namespace", "pod", "engine", "model")
	kind := dto.MetricType_SUMMARY
	if histograms {
		kind = dto.MetricType_HISTOGRAM
	}
	duration := func(name, help string, of func(*node.Model) node.Opt[node.Latency]) durationFamily {
		return durationFamily{desc{prefix + name, help, kind, l}, of}
	}
	return &enginePart{
		labels: l,
		gauges: []family[engineRow]{
			gaugeOf(l, "engine_requests_running", "Requests that the server is working on, on its newest page; worked out from durations where the page has no count.",
				func(r *engineRow) (float64, bool) { return known(r.running) }),
			gaugeOf(l, "engine_requests_waiting", "Requests that wait in the server, on its newest page.",
				func(r *engineRow) (float64, bool) { return known(r.waiting) }),
			gaugeOf(l, "engine_kv_cache_usage_ratio", "Usage of the key-value cache on the newest page, greatest over the ranks, 0-1.",
				func(r *engineRow) (float64, bool) { return known(r.kvCache) }),
		},
		requests: counterDesc(l.with("outcome"), "engine_requests_total", "Requests that ended since the exporter first saw the server, by outcome; goes on over the server's restarts."),
		tokens:   counterDesc(l.with("kind"), "engine_tokens_total", "Tokens processed since the exporter first saw the server: kind prompt or generation."),
		durations: []durationFamily{
			duration("engine_queue_time_seconds", "Time that requests waited in the queue.", func(m *node.Model) node.Opt[node.Latency] { return m.Queue }),
			duration("engine_compute_input_time_seconds", "Time that the server took to prepare requests' inputs.", func(m *node.Model) node.Opt[node.Latency] { return m.ComputeInput }),
			duration("engine_time_to_first_token_seconds", "Time from a request's arrival to its first token.", func(m *node.Model) node.Opt[node.Latency] { return m.FirstToken }),
			duration("engine_inter_token_latency_seconds", "Time between two tokens of a request.", func(m *node.Model) node.Opt[node.Latency] { return m.InterToken }),
		},
	}
}

func (e *enginePart) describe() []*desc {
	all := describeAll([]*desc{&e.requests, &e.tokens}, e.gauges)
	for i := range e.durations {
		all = append(all, &e.durations[i].desc)
	}
	return all
}

func (e *enginePart) write(p *page, s *node.Snapshot, _ []scaling.Pod) {
	e.collect(p, s)
	writeAll(p, e.gauges, e.rows, func(r *engineRow) *labelSet { return r.labels })
	e.writeRequests(p)
	e.writeTokens(p)
	for i := range e.durations {
		e.writeDuration(p, &e.durations[i])
	}
	clear(e.models)
	clear(e.rows)
}

// collect groups models by their label set.
func (e *enginePart) collect(p *page, s *node.Snapshot) {
	e.models, e.rows = e.models[:0], e.rows[:0]
	for i := range s.Servers {
		server := &s.Servers[i]
		for j := range server.Models {
			m := &server.Models[j]
			e.models = append(e.models, modelOf{
				server.Pod.Namespace, server.Pod.Name, strings.ToValidUTF8(server.Engine, "\uFFFD"), strings.ToValidUTF8(m.Name, "\uFFFD"), m,
			})
		}
	}
	slices.SortStableFunc(e.models, compareModels)
	for i := 0; i < len(e.models); {
		end := i + 1
		for end < len(e.models) && compareModels(e.models[i], e.models[end]) == 0 {
			end++
		}
		m := e.models[i]
		row := engineRow{labels: p.labels.of(e.labels, values{m.namespace, m.pod, m.engine, m.model}), models: e.models[i:end]}
		row.join()
		e.rows = append(e.rows, row)
		i = end
	}
}

// join adds up the row's models.
func (r *engineRow) join() {
	for i := range r.models {
		m := r.models[i].of
		if m.Running.Known {
			accumulate(&r.running, m.Running.Value.Last)
		}
		if m.Waiting.Known {
			accumulate(&r.waiting, m.Waiting.Value.Last)
		}
		if m.KVCache.Known {
			r.kvCache = node.Some(max(r.kvCache.Value, m.KVCache.Value.Last))
		}
		if m.PromptTokens.Known {
			accumulate(&r.promptTokens, m.PromptTokens.Value.Total)
		}
		if m.GenerationTokens.Known {
			accumulate(&r.generationTokens, m.GenerationTokens.Value.Total)
		}
	}
}

// duration adds up one duration of the row's models.
func (r *engineRow) duration(of func(*node.Model) node.Opt[node.Latency]) (sum, count float64, ok bool) {
	for i := range r.models {
		if l := of(r.models[i].of); l.Known {
			sum, count, ok = sum+l.Value.Sum.Total, count+l.Value.Count.Total, true
		}
	}
	return sum, count, ok
}

func (e *enginePart) writeDuration(p *page, f *durationFamily) {
	p.begin(&f.desc)
	for i := range e.rows {
		row := &e.rows[i]
		sum, count, ok := row.duration(f.of)
		switch {
		case !ok:
		case f.desc.kind == dto.MetricType_SUMMARY:
			p.putSummary(row.labels, sum, count)
		default:
			e.upTo = row.buckets(e.upTo[:0], f.of)
			p.putHistogram(row.labels, sum, count, e.upTo)
		}
	}
	p.end()
}

// buckets adds up the buckets of one duration of the row's models. There are none where a model has others than the first, or none:
// what cannot be added would be a distribution of some requests only.
func (r *engineRow) buckets(room []upTo, of func(*node.Model) node.Opt[node.Latency]) []upTo {
	first := true
	for i := range r.models {
		l := of(r.models[i].of)
		if !l.Known {
			continue
		}
		for j, b := range l.Value.Buckets {
			switch {
			case first:
				room = append(room, upTo{b.Upper, b.Total})
			case j < len(room) && room[j].upper == b.Upper:
				room[j].count += b.Total
			default:
				return nil
			}
		}
		if len(l.Value.Buckets) != len(room) {
			return nil
		}
		first = false
	}
	return room
}

func (e *enginePart) writeRequests(p *page) {
	p.begin(&e.requests)
	for i := range e.rows {
		e.sumOutcomes(e.rows[i].models)
		for _, o := range e.outcomes {
			p.put(p.labels.child(e.requests.labels, e.rows[i].labels, o.name), o.total)
		}
	}
	p.end()
}

// sumOutcomes adds up the requests of models by outcome, ordered by it.
func (e *enginePart) sumOutcomes(models []modelOf) {
	e.outcomes = e.outcomes[:0]
	for i := range models {
		for name, requests := range models[i].of.Requests {
			name := strings.ToValidUTF8(name, "\uFFFD")
			at := slices.IndexFunc(e.outcomes, func(o outcome) bool { return o.name == name })
			if at < 0 {
				at, e.outcomes = len(e.outcomes), append(e.outcomes, outcome{name: name})
			}
			e.outcomes[at].total += requests.Total
		}
	}
	slices.SortFunc(e.outcomes, func(a, b outcome) int { return strings.Compare(a.name, b.name) })
}

func (e *enginePart) writeTokens(p *page) {
	p.begin(&e.tokens)
	for i := range e.rows {
		row := &e.rows[i]
		if row.generationTokens.Known {
			p.put(p.labels.child(e.tokens.labels, row.labels, "generation"), row.generationTokens.Value)
		}
		if row.promptTokens.Known {
			p.put(p.labels.child(e.tokens.labels, row.labels, "prompt"), row.promptTokens.Value)
		}
	}
	p.end()
}

func compareModels(a, b modelOf) int {
	if c := strings.Compare(a.namespace, b.namespace); c != 0 {
		return c
	}
	if c := strings.Compare(a.pod, b.pod); c != 0 {
		return c
	}
	if c := strings.Compare(a.engine, b.engine); c != 0 {
		return c
	}
	return strings.Compare(a.model, b.model)
}

// accumulate adds to a sum that is known once anything was added to it.
func accumulate(sum *node.Opt[float64], v float64) {
	sum.Known = true
	sum.Value += v
}
