package collector

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"gpusignal/node"
	"gpusignal/scaling"
)

// build is what this program is.
type build struct{ version, revision, goVersion string }

// sourceRow is one source of the exporter.
type sourceRow struct {
	at     time.Time
	health *node.SourceHealth
	labels *labelSet
}

// endpointRow is the metrics pages of one (pod, engine): the oldest and the slowest where there are several, up while all
// of them are, and their fetches summed.
type endpointRow struct {
	namespace, pod, engine string
	labels                 *labelSet
	age, took              node.Opt[float64]
	up                     bool
	pages, failures        uint64
	merged                 int
}

// faultRow is how often a source failed for one reason.
type faultRow struct {
	labels *labelSet
	count  uint64
}

// count is how many things have one reason.
type count struct {
	reason string
	n      int
}

// selfPart is the families of the exporter itself.
type selfPart struct {
	build               build
	info                desc
	unmapped, endpoints desc
	guests, slowed      desc
	podsSource, mapping desc
	sources             []family[sourceRow]
	faults              []family[faultRow]
	pages               []family[endpointRow]

	sourceLabels, faultLabels, pageLabels *labelNames
	sourceRows                            []sourceRow
	faultRows                             []faultRow
	pageRows                              []endpointRow
	counts                                []count
}

// newSelfPart returns the families of the exporter itself; with detail also how long its sources take.
func newSelfPart(b build, detail bool) *selfPart {
	source, pageLabels := newLabelNames("source"), newLabelNames("namespace", "pod", "engine")
	fault := source.with("reason")
	e := &selfPart{
		build: b, sourceLabels: source, faultLabels: fault, pageLabels: pageLabels,
		info: gaugeDesc(newLabelNames("version", "revision", "goversion"), "exporter_build_info",
			"Which exporter this is; always 1."),
		unmapped: gaugeDesc(newLabelNames("reason"), "exporter_unmapped_devices",
			"Devices whose owner is not known, and claims without a device, by reason: conflict, divided, kubelet_restarted, pod_ended, "+
				"source_down, unclaimed, unknown_id."),
		podsSource: gaugeDesc(source, "exporter_pods_source",
			"Where pods come from: of kubelet (its pods-api socket), api (the API server) and names (allocations alone) one is 1."),
		mapping: gaugeDesc(newLabelNames(), "exporter_mapping_age_seconds",
			"Time since the kubelet last confirmed the claim that it confirmed the longest ago."),
		guests: counterDesc(newLabelNames(), "exporter_unclaimed_containers_total",
			"Containers that were seen to use a device without a claim on it, told by their processes, which are read where several containers share it; absent without hostPID."),
		endpoints: gaugeDesc(newLabelNames("reason"), "exporter_endpoints",
			"Metrics pages of model servers by how their last reading went, ok or what was wrong, and pods with a GPU of which no page is read."),
		slowed: gaugeDesc(newLabelNames(), "exporter_endpoints_slowed",
			"Metrics pages that are read less often than asked, at least each 10 s, because reading one takes more than 2 % of the time."),
		sources: []family[sourceRow]{
			gaugeOf(source, "exporter_source_up", "Whether a source of the exporter works.",
				func(r *sourceRow) (float64, bool) { return truth(r.health.Up), true }),
			gaugeOf(source, "exporter_source_age_seconds", "Time since the source's last attempt that worked.",
				func(r *sourceRow) (float64, bool) { return age(r.at, r.health.Success) }),
			counterOf(source, "exporter_source_attempts_total", "Attempts of the source.",
				func(r *sourceRow) (float64, bool) { return float64(r.health.Attempts), true }),
			counterOf(source, "exporter_source_failures_total", "Attempts of the source that failed.",
				func(r *sourceRow) (float64, bool) { return float64(r.health.Failures), true }),
		},
		faults: []family[faultRow]{
			counterOf(fault, "exporter_source_faults_total", "Attempts of the source that failed, by reason; a reason is there once it has come.",
				func(r *faultRow) (float64, bool) { return float64(r.count), true }),
		},
		pages: []family[endpointRow]{
			gaugeOf(pageLabels, "exporter_endpoint_age_seconds", "Age of the newest good metrics page of the pod's model server.",
				func(r *endpointRow) (float64, bool) { return known(r.age) }),
			gaugeOf(pageLabels, "exporter_endpoint_duration_seconds", "How long the last reading of the model server's metrics page took, request to last byte.",
				func(r *endpointRow) (float64, bool) { return known(r.took) }),
			gaugeOf(pageLabels, "exporter_endpoint_up", "Whether the newest reading of the pod's metrics page went well; of several pages, of all of them.",
				func(r *endpointRow) (float64, bool) { return truth(r.up), true }),
			counterOf(pageLabels, "exporter_endpoint_pages_total", "Good readings of the pod's metrics page.",
				func(r *endpointRow) (float64, bool) { return float64(r.pages), true }),
			counterOf(pageLabels, "exporter_endpoint_failures_total", "Readings of the pod's metrics page that failed.",
				func(r *endpointRow) (float64, bool) { return float64(r.failures), true }),
			gaugeOf(pageLabels, "exporter_endpoint_merged_models", "Models of the pod's server that were too many to tell apart and are summed in the model _other, at least; absent where there are none.",
				func(r *endpointRow) (float64, bool) { return float64(r.merged), r.merged > 0 }),
		},
	}
	if detail {
		e.sources = append(e.sources, gaugeOf(source, "exporter_source_duration_seconds", "How long the source's last attempt took.",
			func(r *sourceRow) (float64, bool) { return r.health.Took.Seconds(), r.health.Attempts > 0 }))
	}
	return e
}

func (e *selfPart) describe() []*desc {
	all := []*desc{&e.info, &e.unmapped, &e.guests, &e.endpoints, &e.slowed, &e.podsSource, &e.mapping}
	return describeAll(describeAll(describeAll(all, e.sources), e.faults), e.pages)
}

func (e *selfPart) write(p *page, s *node.Snapshot, _ []scaling.Pod) {
	p.begin(&e.info)
	p.put(p.labels.of(e.info.labels, values{e.build.version, e.build.revision, e.build.goVersion}), 1)
	p.end()
	e.collectSources(p, s)
	writeAll(p, e.sources, e.sourceRows, func(r *sourceRow) *labelSet { return r.labels })
	writeAll(p, e.faults, e.faultRows, func(r *faultRow) *labelSet { return r.labels })
	e.writeMapping(p)
	e.writeUnmapped(p, s)
	if s.Guests.Known {
		p.begin(&e.guests)
		p.put(p.labels.of(e.guests.labels, values{}), float64(s.Guests.Value))
		p.end()
	}
	e.writeEndpoints(p, s)
	e.collectPages(p, s)
	writeAll(p, e.pages, e.pageRows, func(r *endpointRow) *labelSet { return r.labels })
	clear(e.sourceRows)
	clear(e.pageRows)
}

// collectSources makes a row for each source. Of two with one name the first counts.
func (e *selfPart) collectSources(p *page, s *node.Snapshot) {
	e.sourceRows, e.faultRows = e.sourceRows[:0], e.faultRows[:0]
	for i := range s.Health {
		health := &s.Health[i]
		if slices.ContainsFunc(e.sourceRows, func(r sourceRow) bool { return r.health.Source == health.Source }) {
			continue
		}
		e.sourceRows = append(e.sourceRows, sourceRow{at: s.At, health: health, labels: p.labels.of(e.sourceLabels, values{health.Source})})
		for _, fault := range health.Faults {
			e.faultRows = append(e.faultRows, faultRow{p.labels.of(e.faultLabels, values{health.Source, fault.Reason}), fault.Count})
		}
	}
}

// writeMapping says where pods come from, and how old the mapping of devices to pods is.
func (e *selfPart) writeMapping(p *page) {
	p.begin(&e.podsSource)
	for _, row := range e.sourceRows {
		if row.health.Via == "" {
			continue
		}
		for _, via := range []string{"api", "kubelet", "names"} {
			p.put(p.labels.of(e.podsSource.labels, values{via}), truth(via == row.health.Via))
		}
	}
	p.end()
	p.begin(&e.mapping)
	for _, row := range e.sourceRows {
		if v, ok := age(row.at, row.health.Confirmed); ok {
			p.put(p.labels.of(e.mapping.labels, values{}), v)
		}
	}
	p.end()
}

// writeUnmapped counts devices without an owner. Once a source tells of claims, none is an explicit 0.
func (e *selfPart) writeUnmapped(p *page, s *node.Snapshot) {
	e.counts = e.counts[:0]
	if hasSource(s, "kubelet") {
		e.counts = append(e.counts, count{reason: "source_down"}, count{reason: "unclaimed"}, count{reason: "unknown_id"})
	}
	for i := range s.Unmapped {
		e.count(s.Unmapped[i].Reason)
	}
	e.writeCounts(p, &e.unmapped)
}

// writeEndpoints counts metrics pages by what became of them, and those that are slow.
func (e *selfPart) writeEndpoints(p *page, s *node.Snapshot) {
	e.counts = e.counts[:0]
	slowed := 0.0
	for i := range s.Servers {
		server := &s.Servers[i]
		if server.Slowed > 1 {
			slowed++
		}
		switch {
		case server.Fault != "":
			e.count(server.Fault)
		case server.At.IsZero():
			e.count(node.Unread)
		default:
			e.count("ok")
		}
	}
	e.writeCounts(p, &e.endpoints)
	p.begin(&e.slowed)
	if hasSource(s, "engine") {
		p.put(p.labels.of(e.slowed.labels, values{}), slowed)
	}
	p.end()
}

// hasSource says whether the node has a source of that name.
func hasSource(s *node.Snapshot, name string) bool {
	return slices.ContainsFunc(s.Health, func(h node.SourceHealth) bool { return h.Source == name })
}

func (e *selfPart) count(reason string) {
	for i := range e.counts {
		if e.counts[i].reason == reason {
			e.counts[i].n++
			return
		}
	}
	e.counts = append(e.counts, count{reason, 1})
}

func (e *selfPart) writeCounts(p *page, d *desc) {
	slices.SortFunc(e.counts, func(a, b count) int { return strings.Compare(a.reason, b.reason) })
	p.begin(d)
	for _, c := range e.counts {
		p.put(p.labels.of(d.labels, values{c.reason}), float64(c.n))
	}
	p.end()
}

// collectPages makes a row for each (pod, engine), but for pods that are only asked whether they have a page. Before the first
// good page the engine is the one that was announced.
func (e *selfPart) collectPages(p *page, s *node.Snapshot) {
	e.pageRows = e.pageRows[:0]
	for i := range s.Servers {
		server := &s.Servers[i]
		if server.Quiet {
			continue
		}
		row := endpointRow{
			namespace: server.Pod.Namespace, pod: server.Pod.Name,
			engine: strings.ToValidUTF8(cmp.Or(server.Engine, server.Announced), "\uFFFD"),
			up:     server.Fault == "", pages: server.Pages, failures: server.Failures, merged: server.Merged,
		}
		row.age.Value, row.age.Known = age(s.At, server.At)
		row.took = node.Opt[float64]{Value: server.Took.Seconds(), Known: server.Pages+server.Failures > 0}
		e.pageRows = append(e.pageRows, row)
	}
	slices.SortFunc(e.pageRows, comparePages)
	kept := e.pageRows[:0]
	for _, row := range e.pageRows {
		if n := len(kept); n > 0 && comparePages(kept[n-1], row) == 0 {
			last := &kept[n-1]
			last.age, last.took = greater(last.age, row.age), greater(last.took, row.took)
			last.up = last.up && row.up
			last.pages, last.failures, last.merged = last.pages+row.pages, last.failures+row.failures, last.merged+row.merged
			continue
		}
		row.labels = p.labels.of(e.pageLabels, values{row.namespace, row.pod, row.engine})
		kept = append(kept, row)
	}
	e.pageRows = kept
}

func comparePages(a, b endpointRow) int {
	if c := strings.Compare(a.namespace, b.namespace); c != 0 {
		return c
	}
	if c := strings.Compare(a.pod, b.pod); c != 0 {
		return c
	}
	return strings.Compare(a.engine, b.engine)
}

// greater returns the greater of two values, the known one where only one is.
func greater(a, b node.Opt[float64]) node.Opt[float64] {
	if !a.Known || b.Known && b.Value > a.Value {
		return b
	}
	return a
}
