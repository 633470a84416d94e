// Package collector publishes a snapshot of the node, and the signals made of it, as families of metrics. Families are
// built when someone asks, straight into the form that is encoded, without a registry: the registry's checks of every
// series at every scrape would cost several times what all the rest does. What they check is held by construction, and
// by the tests, which put every page through them.
package collector

import (
	"cmp"
	"runtime"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"gpusignal/node"
	"gpusignal/scaling"
)

// Config of a collector.
type Config struct {
	// Snapshot returns the node as it is now.
	Snapshot func() *node.Snapshot
	// Targets returns what counts as full.
	Targets func() scaling.Targets
	// Node is the name of the node.
	Node string
	// Version and Revision of this program.
	Version, Revision string
	// Detail adds series for who looks into a fault: every clock, reason, unit and call.
	Detail bool
	// Histogram adds the distribution of each device's utilisation, and that of each latency of a model server.
	Histogram bool
	// DCGM adds the default set of dcgm-exporter, under its names.
	DCGM bool
}

// Collector makes the families. It is safe for concurrent use.
type Collector struct {
	cfg     Config
	metrics *gatherer
	signals *gatherer
}

// New returns a collector.
func New(cfg Config) *Collector {
	c := &Collector{cfg: cfg}
	build := build{version: cfg.Version, revision: cfg.Revision, goVersion: runtime.Version()}
	c.metrics = &gatherer{cfg: cfg, parts: []part{
		newDevicePart(cfg.Node, cfg.Detail), newContainerPart(), newEnginePart(cfg.Histogram), newSignalPart(), newInfoPart(cfg.Node), newSelfPart(build, cfg.Detail),
	}}
	if cfg.Histogram {
		c.metrics.parts = append(c.metrics.parts, newLevelPart())
	}
	if cfg.Detail {
		c.metrics.parts = append(c.metrics.parts, newCallPart())
	}
	if cfg.DCGM {
		c.metrics.parts = append(c.metrics.parts, newDCGMPart(cfg.Node))
	}
	c.signals = &gatherer{cfg: cfg, parts: []part{newSignalPart()}}
	return c
}

// Metrics gathers every family. Its Gather never fails: what is not known is not there.
func (c *Collector) Metrics() prometheus.Gatherer { return c.metrics }

// Signals gathers the families of signals and their details alone, for those who ask often.
func (c *Collector) Signals() prometheus.Gatherer { return c.signals }

// part is the families that speak of one kind of thing.
type part interface {
	// describe returns every family of the part, whether the node has something to say in it or not.
	describe() []*desc
	// write adds the families' series.
	write(p *page, s *node.Snapshot, pods []scaling.Pod)
}

// gatherer builds the families of its parts. It keeps label pairs between scrapes, and room to work in.
type gatherer struct {
	cfg   Config
	parts []part

	mu     sync.Mutex
	labels labelCache
	sizes  sizes
}

// Gather returns the families of this instant, sorted by name. They are the caller's to keep, but their label pairs are
// shared between scrapes and must not be changed.
func (g *gatherer) Gather() ([]*dto.MetricFamily, error) {
	s := g.cfg.Snapshot()
	return g.families(s, scaling.Derive(s, g.cfg.Targets())), nil
}

// families returns the families of a snapshot and the signals derived from it: the same ones for the same arguments.
func (g *gatherer) families(s *node.Snapshot, pods []scaling.Pod) []*dto.MetricFamily {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.labels.begin()
	p := newPage(&g.labels, g.sizes)
	for _, part := range g.parts {
		part.write(p, s, pods)
	}
	g.labels.sweep()
	g.sizes = p.sizes()
	return p.finish()
}

// describe returns every family that may be gathered, by name.
func (g *gatherer) describe() []*desc {
	var all []*desc
	for _, part := range g.parts {
		all = append(all, part.describe()...)
	}
	slices.SortFunc(all, func(a, b *desc) int { return cmp.Compare(a.name, b.name) })
	return all
}
