package main

import "time"

// Report is what a run found. Its JSON is kept in docs/hardware for each kind of GPU. A part that was not measured is left out,
// and GPU.NotRun says why; no number stands for "unknown". Names of numbers end in their unit: _us, _ms, _s, _bytes, _percent;
// a ratio is of 1.
type Report struct {
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"` // how long the run took
	Revision string    `json:"revision,omitempty"`
	Host     Host      `json:"host"`
	Library  Library   `json:"library"`
	GPUs     []GPU     `json:"gpus"`
	// Hung are calls that speak of no GPU and did not come back.
	Hung []string `json:"hung,omitempty"`
}

// Spread of values: their number, the least and greatest, the mean, the median and the 99th of a hundred, by nearest rank.
type Spread struct {
	N    int     `json:"n"`
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// Host is the machine around the GPUs.
type Host struct {
	Kernel string `json:"kernel,omitempty"`
	CPUs   int    `json:"cpus"`
	// Module is the first line of /proc/driver/nvidia/version.
	Module string `json:"module,omitempty"`
}

// Library is NVML as it was opened.
type Library struct {
	Path    string  `json:"path"`
	NVML    string  `json:"nvml,omitempty"`   // version of the library
	Driver  string  `json:"driver,omitempty"` // version of the kernel driver
	CUDA    string  `json:"cuda,omitempty"`   // the newest CUDA that the driver serves
	Devices int     `json:"devices"`
	InitMS  float64 `json:"init_ms"` // how long nvmlInit took
	// Missing are the functions that gpusignal looks up and the library lacks; of versions of one call only the newest is used.
	Missing []string `json:"missing"`
}

// GPU is what was measured of one GPU.
type GPU struct {
	Index      int    `json:"index"`
	UUID       string `json:"uuid,omitempty"`
	Name       string `json:"name,omitempty"`
	PCI        string `json:"pci,omitempty"`
	Capability string `json:"capability,omitempty"` // CUDA's, such as 9.0
	// MIG says whether it is on; Persistence whether persistence mode is.
	MIG         *bool  `json:"mig,omitempty"`
	Persistence *bool  `json:"persistence,omitempty"`
	Error       string `json:"error,omitempty"` // why it could not be opened
	// Hung is the call that did not come back: nothing was asked of this GPU after it.
	Hung string `json:"hung,omitempty"`
	// NotRun says of each part that was not measured why, and Lacks what the GPU does not tell.
	NotRun map[string]string `json:"not_run,omitempty"`
	Lacks  []Lack            `json:"lacks"`

	Calls    []Call    `json:"calls,omitempty"`
	Rounds   *Rounds   `json:"rounds,omitempty"`
	Ring     *Ring     `json:"ring,omitempty"`
	GPM      *GPM      `json:"gpm,omitempty"`
	Memory   *Memory   `json:"memory,omitempty"`
	Load     *Load     `json:"load,omitempty"`
	Readings *Readings `json:"readings,omitempty"`
}

// Lack is something that a GPU does not tell: a call, or one field of a batch.
type Lack struct {
	What  string `json:"what"`
	Code  int    `json:"code"` // of nvmlReturn_t
	Error string `json:"error"`
}

// Call is one call that gpusignal makes, made again and again, one at a time, in turn with the others.
type Call struct {
	Name    string `json:"name"`    // of nvml.h, and what it is asked for
	Feature string `json:"feature"` // what gpusignal makes of it
	// Took is how long the calls took that worked, NOT_FOUND ("nothing new") among them.
	Took *Spread `json:"took_us,omitempty"`
	// Failed counts the calls that did not, with the last of their codes. A call that is not supported is made once.
	Failed int `json:"failed,omitempty"`
	Code   int `json:"code,omitempty"`
	// NothingNew counts answers of NOT_FOUND.
	NothingNew int  `json:"nothing_new,omitempty"`
	Missing    bool `json:"missing,omitempty"` // the library lacks the function
}

// Rounds are whole rounds of readings by gpusignal's own driver package, of the GPU and its MIG instances.
type Rounds struct {
	Devices int     `json:"devices"`
	Rounds  []Round `json:"rounds"`
	// Features is how long the calls took by what they were made for, as gpusignal keeps them.
	Features []FeatureTime `json:"features"`
	// Lacks are the features that gpusignal gave up.
	Lacks []string `json:"lacks"`
	// WallShare is the share of wall time that the calls take at gpusignal's default intervals, from the means of the rounds: ticks
	// at 10 Hz, the slow parts each second, status each 10 s. gpusignal reads less often above 0.005.
	WallShare *float64 `json:"wall_share,omitempty"`
}

// Round is one kind of round.
type Round struct {
	Name   string  `json:"name"`
	Parts  string  `json:"parts"`
	Took   *Spread `json:"took_us,omitempty"`
	Failed int     `json:"failed,omitempty"`
	Error  string  `json:"error,omitempty"` // of the last that failed
}

// FeatureTime is how long calls took for one feature.
type FeatureTime struct {
	Feature string  `json:"feature"`
	Took    *Spread `json:"took_us"`
}

// Ring is what GetSamples holds and how it fills.
type Ring struct {
	// Kinds of samples, each read whole: with lastSeen 0.
	Kinds []RingKind `json:"kinds"`
	// Clock names the clocks that were within a second of the newest stamp of utilisation, or, with "nearest: ", the one that was
	// nearest. Ages are by how much each clock was ahead of that stamp.
	Clock string             `json:"clock,omitempty"`
	Ages  map[string]float64 `json:"ages_s,omitempty"`
	// Follow is what came of utilisation when it was read once a second since the newest stamp.
	Follow Follow `json:"follow"`
}

// RingKind is one kind of samples, read whole once.
type RingKind struct {
	Kind    string `json:"kind"`
	Code    int    `json:"code,omitempty"`
	Entries int    `json:"entries"`
	// Zero counts stamps of 0, Over values above 100 (of percentages), Unsorted entries older than the one before, Repeated entries
	// with the stamp of another. What follows is of the others.
	Zero     int `json:"zero"`
	Over     int `json:"over"`
	Unsorted int `json:"unsorted"`
	Repeated int `json:"repeated"`
	// Span is from the oldest to the newest stamp, Spacing from one to the next.
	Span    float64 `json:"span_s"`
	Spacing *Spread `json:"spacing_ms,omitempty"`
}

// Follow is what a reader finds who comes back each second.
type Follow struct {
	Reads      int `json:"reads"`
	NothingNew int `json:"nothing_new"` // answers of NOT_FOUND, or of no entry
	Failed     int `json:"failed,omitempty"`
	Code       int `json:"code,omitempty"`
	// New is the number of entries that came in one read, Old counts entries at or before the stamp asked for.
	New *Spread `json:"new,omitempty"`
	Old int     `json:"old"`
	// Newest is how old the newest entry was at each read, by the clock found.
	Newest *Spread `json:"newest_age_ms,omitempty"`
	// Back counts reads whose newest stamp lay before the last read's.
	Back int `json:"back"`
}

// GPM is what hardware counters tell between two samples: Hopper and later.
type GPM struct {
	Supported bool `json:"supported"`
	Code      int  `json:"code,omitempty"`
	// Sample is how long taking a sample took, Metrics working the metrics out of two.
	Sample    *Spread     `json:"sample_us,omitempty"`
	Metrics   *Spread     `json:"metrics_us,omitempty"`
	Intervals []GPMWindow `json:"intervals,omitempty"`
}

// GPMWindow is a run of equal intervals.
type GPMWindow struct {
	Interval float64     `json:"interval_ms"`
	Windows  int         `json:"windows"`
	Failed   int         `json:"failed,omitempty"`
	Code     int         `json:"code,omitempty"`
	Metrics  []GPMMetric `json:"metrics"`
}

// GPMMetric is one metric over the windows: percent, or MiB/s for traffic.
type GPMMetric struct {
	ID        int     `json:"id"`
	Name      string  `json:"name"`
	Values    *Spread `json:"values,omitempty"`
	Deviation float64 `json:"deviation"`
	Zeros     int     `json:"zeros"`
	NotFinite int     `json:"not_finite"` // NaN and infinite
	Code      int     `json:"code,omitempty"`
	Refused   int     `json:"refused"` // windows in which the metric had an error of its own
}

// Memory is how soon NVML's used memory follows an allocation.
type Memory struct {
	StepBytes uint64 `json:"step_bytes"`
	// Allocated and Freed are from the return of CUDA's call to the end of the first reading that shows it, read without a pause.
	Allocated *Spread `json:"allocated_us,omitempty"`
	Freed     *Spread `json:"freed_us,omitempty"`
	// Steps that were made, Unseen those that no reading showed within a second, Late those seen after more than 10 ms: a reader at
	// 100 Hz would have missed them once.
	Steps  int `json:"steps"`
	Unseen int `json:"unseen"`
	Late   int `json:"late"`
}

// Load is how utilisation follows kernels of known length.
type Load struct {
	// First is from the start of a kernel to the first reading above 0, Full to the first of at least 95 %, Gone from its end to the
	// first of 0, read every 2 ms.
	Steps  int     `json:"steps"`
	Unseen int     `json:"unseen"`
	First  *Spread `json:"first_ms,omitempty"`
	Full   *Spread `json:"full_ms,omitempty"`
	Gone   *Spread `json:"gone_ms,omitempty"`
	// Duty is a load of bursts: the share of time in which a kernel ran, and what each source made of it.
	Duty *Duty `json:"duty,omitempty"`
}

// Duty holds shares of the same time, 0–1.
type Duty struct {
	Seconds float64 `json:"seconds"`
	OnMS    float64 `json:"on_ms"`
	OffMS   float64 `json:"off_ms"`
	True    float64 `json:"true_ratio"`
	// Live is the mean of live readings at 10 Hz, Ring the integral of the ring by its stamps, GPM its graphics activity.
	Live *float64 `json:"live_ratio,omitempty"`
	Ring *float64 `json:"ring_ratio,omitempty"`
	GPM  *float64 `json:"gpm_ratio,omitempty"`
}

// Readings is how often the driver renews each reading.
type Readings struct {
	// Load says under what: "irregular bursts", or "none" where CUDA could not be had; on an idle GPU many readings never change.
	Load     string    `json:"load"`
	Readings []Reading `json:"readings"`
}

// Reading is one reading, read in turn with the others without a pause.
type Reading struct {
	Name  string `json:"name"`
	Unit  string `json:"unit"`
	Code  int    `json:"code,omitempty"`
	Reads int    `json:"reads"`
	// Every is the time from one read to the next: no change can be told apart below it.
	Every *Spread `json:"every_ms,omitempty"`
	// Distinct counts different values, Changes reads that differed from the one before. Without a change there is no Renewed.
	Distinct int `json:"distinct"`
	Changes  int `json:"changes"`
	// Renewed is the time from one change to the next.
	Renewed *Spread `json:"renewed_ms,omitempty"`
	Least   float64 `json:"least"`
	Most    float64 `json:"most"`
}
