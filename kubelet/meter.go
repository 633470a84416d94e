package kubelet

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"

	"gpusignal/node"
)

// fault is why a source does not work: a kind from a small set, to tell a change of state, and a detail with the way out,
// for people.
type fault struct{ kind, detail string }

// meter counts the attempts of one source and logs each change of its state once.
type meter struct {
	log *slog.Logger
	// what is the source's name in the log.
	what string

	mu     sync.Mutex
	health node.SourceHealth
	kind   string
}

// newMeter returns the meter of a source that has not been asked yet.
func newMeter(log *slog.Logger, what string) *meter {
	return &meter{log: log, what: what, health: node.SourceHealth{Detail: what + " has not answered yet"}}
}

// ok notes an attempt that worked.
func (m *meter) ok(at time.Time, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.health.Up {
		m.log.Info("source is up", "api", m.what)
	}
	m.kind = ""
	m.health.Up, m.health.Detail = true, ""
	m.health.Success, m.health.Took = at, took
	m.health.Attempts++
}

// fail notes an attempt that did not work.
func (m *meter) fail(took time.Duration, f fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.health.Up || m.kind != f.kind {
		m.log.Warn("source is down", "api", m.what, "reason", f.kind, "detail", f.detail)
	}
	m.kind = f.kind
	m.health.Up, m.health.Detail = false, f.detail
	m.health.Took = took
	m.health.Attempts++
	m.health.Failures++
	m.health.Faults = countFault(m.health.Faults, f.kind, 1)
}

// countFault adds to the count of a reason. Earlier slices stay as they are: they have been handed out.
func countFault(faults []node.Fault, reason string, n uint64) []node.Fault {
	faults = slices.Clone(faults)
	at, there := slices.BinarySearchFunc(faults, reason, func(f node.Fault, r string) int { return cmp.Compare(f.Reason, r) })
	if !there {
		faults = slices.Insert(faults, at, node.Fault{Reason: reason})
	}
	faults[at].Count += n
	return faults
}

// read returns what the meter shows.
func (m *meter) read() node.SourceHealth {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.health
}
