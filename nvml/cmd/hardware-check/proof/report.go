package proof

import (
	"encoding/json"
	"time"
)

// Status of a check. What could not be tried has not passed, and says why.
type Status string

// The statuses.
const (
	Passed Status = "passed"
	Failed Status = "failed"
	NotRun Status = "not run"
)

// Report is what was found. Its JSON is kept in docs/hardware for each kind of GPU.
type Report struct {
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`
	Revision string    `json:"revision,omitempty"`
	// Plan is the name of the plan, and Durations what its steps took.
	Plan      string    `json:"plan"`
	Durations Durations `json:"durations"`
	// Rehearsal says that this was the stub library, which is no GPU: a check can fail on it, and none can pass.
	Rehearsal bool  `json:"rehearsal"`
	GPU       *GPU  `json:"gpu,omitempty"`
	Counts    Count `json:"counts"`
	// Checks are in the order in which they were made.
	Checks []Check `json:"checks"`
	// Probe is the report of the probe: what each call of the driver gives, and how long it takes.
	Probe json.RawMessage `json:"probe,omitempty"`
}

// Count of checks by status.
type Count struct {
	Passed int `json:"passed"`
	Failed int `json:"failed"`
	NotRun int `json:"not_run"`
}

// GPU that was measured. MIG and persistence mode are nil where the driver does not tell.
type GPU struct {
	Index       int    `json:"index"`
	UUID        string `json:"uuid"`
	Name        string `json:"name"`
	PCI         string `json:"pci"`
	Driver      string `json:"driver"`
	MIG         *bool  `json:"mig,omitempty"`
	Persistence *bool  `json:"persistence,omitempty"`
}

// Check is one thing that has to be so.
type Check struct {
	// Part is what it belongs to: probe, truth, shares, harm, daemon, machine.
	Part   string `json:"part"`
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Reason says why it was not run, or what failed.
	Reason string `json:"reason,omitempty"`
	// Values are what was measured, whatever came of it; each name ends in its unit.
	Values []Value `json:"values,omitempty"`
}

// Value is one number of a check.
type Value struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// rehearsed is why a check that held on the stub library has not passed.
const rehearsed = "rehearsed on the stub library, which is no GPU; it held"

// unpromised is why a figure has no verdict.
const unpromised = "measured; nothing is promised of it"

// add enters a check. On the stub one that held is not run, for it says nothing of a GPU, and one that is of time or cost is not judged.
func (r *Report) add(c Check, of kind) {
	switch {
	case r.Rehearsal && c.Status == Passed:
		c.Status, c.Reason = NotRun, rehearsed
	case r.Rehearsal && c.Status == Failed && of == cost:
		c.Status, c.Reason = NotRun, "the stub library is no GPU: what it costs says nothing ("+c.Reason+")"
	}
	switch c.Status {
	case Passed:
		r.Counts.Passed++
	case Failed:
		r.Counts.Failed++
	default:
		r.Counts.NotRun++
	}
	r.Checks = append(r.Checks, c)
}

// kind of a check: what is right holds on any library, what is a cost only on a real one.
type kind bool

const (
	right kind = false
	cost  kind = true
)

// judge is the status of a check that has to hold, and the reason where it does not.
func judge(holds bool, reason string) (Status, string) {
	if holds {
		return Passed, ""
	}
	return Failed, reason
}
