package node

import (
	"slices"
	"time"
)

// SourceHealth is how one source fares. Source is its name in series: "nvml", "kubelet", "pods", "engine".
type SourceHealth struct {
	Source string
	Up     bool
	// Detail says, for people, what is wrong and the way out.
	Detail string
	// Success is when the last attempt that worked ended, zero before the first.
	Success time.Time
	// Took is how long the last attempt took.
	Took time.Duration
	// Attempts and Failures since the process started.
	Attempts, Failures uint64
	// Faults are the failures by reason, sorted by it; only reasons that there have been.
	Faults []Fault
	// Via is which of its ways the source takes now ("kubelet", "api", "names"), empty where it has only one.
	Via string
	// Confirmed is when the oldest part of what the source tells was last confirmed, zero where it has no parts.
	Confirmed time.Time
}

// Fault is how often a source failed for one reason.
type Fault struct {
	Reason string
	Count  uint64
}

// Snapshot is the node at one instant. It is put together when someone asks and never changed after.
type Snapshot struct {
	At      time.Time
	Devices []DeviceState
	// Calls of the driver by feature, over every device that was ever there.
	Calls    [FeatureCount]CallStats
	Totals   []Total
	Accounts []Account
	// Guests counts the containers that were seen to use a device without a claim on it; not Known where processes are not visible.
	Guests   Opt[uint64]
	Claims   []Claim
	Unmapped []Unmapped
	Pods     []Pod
	Servers  []Server
	Health   []SourceHealth
}

// Sources are the functions a snapshot is put together from. Each returns at once, from memory, a value that nobody
// changes any more. A nil function is a source that this node does not have.
type Sources struct {
	Devices func(at time.Time) []DeviceState
	// Calls sums up the calls of the driver, so that they never go back.
	Calls func() [FeatureCount]CallStats
	// Use reads totals and accounts at one instant, so that they add up.
	Use     func(at time.Time) ([]Total, []Account)
	Guests  func() uint64
	Claims  func(at time.Time) ([]Claim, []Unmapped)
	Pods    func(at time.Time) []Pod
	Servers func(at time.Time) []Server
	Health  []func(at time.Time) []SourceHealth

	// DeviceGrace is how long a device reading lives without a successor: three slow intervals, at least
	// 12 s, because a loaded driver is read less often.
	DeviceGrace time.Duration
	// ServerGrace is how long a server's last page lives: 60 s.
	ServerGrace time.Duration
}

// Snapshot joins the sources as they stand at the instant at, and drops what is stale by then.
func (s *Sources) Snapshot(at time.Time) *Snapshot {
	snap := &Snapshot{At: at}
	if s.Devices != nil {
		snap.Devices = slices.Clone(s.Devices(at))
		for i := range snap.Devices {
			snap.Devices[i] = freshDevice(snap.Devices[i], at, s.DeviceGrace)
		}
	}
	if s.Calls != nil {
		snap.Calls = s.Calls()
	}
	if s.Use != nil {
		totals, accounts := s.Use(at)
		snap.Totals, snap.Accounts = totals, slices.Clone(accounts)
		for i := range snap.Accounts {
			snap.Accounts[i] = freshAccount(snap.Accounts[i], at, s.DeviceGrace)
		}
	}
	if s.Guests != nil {
		snap.Guests = Some(s.Guests())
	}
	if s.Claims != nil {
		snap.Claims, snap.Unmapped = s.Claims(at)
	}
	if s.Pods != nil {
		snap.Pods = s.Pods(at)
	}
	if s.Servers != nil {
		snap.Servers = slices.Clone(s.Servers(at))
		for i := range snap.Servers {
			snap.Servers[i] = freshServer(snap.Servers[i], at, s.ServerGrace)
		}
	}
	for _, health := range s.Health {
		snap.Health = append(snap.Health, health(at)...)
	}
	return snap
}

// freshDevice drops the numbers of a device whose last reading is older than the grace; what it is, what it counted and
// why it is down stays.
func freshDevice(d DeviceState, at time.Time, grace time.Duration) DeviceState {
	if !d.At.IsZero() && at.Sub(d.At) <= grace {
		return d
	}
	d.Utilization, d.UtilizationPeak, d.MemoryPeak, d.Last = Opt[float64]{}, Opt[float64]{}, Opt[uint64]{}, Reading{}
	d.Activity, d.Refresh, d.Busy = [Units]Opt[float64]{}, Opt[time.Duration]{}, Opt[float64]{}
	if d.Down == "" && !d.At.IsZero() {
		d.Down = "stale"
	}
	return d
}

// freshAccount drops the gauges of an account that nothing was booked to within the grace, and those of utilisation when none of it
// was observed within the grace; its counters stay.
func freshAccount(a Account, at time.Time, grace time.Duration) Account {
	if at.Sub(a.Booked) > grace {
		a.Memory = Opt[uint64]{}
	}
	if at.Sub(a.Watched) > grace || at.Sub(a.Booked) > grace {
		a.Utilization, a.UtilizationPeak = Opt[float64]{}, Opt[float64]{}
	}
	return a
}

// freshServer drops what a server's pages said when the newest is older than the grace; that it exists stays.
func freshServer(s Server, at time.Time, grace time.Duration) Server {
	if !s.At.IsZero() && at.Sub(s.At) > grace {
		s.Models, s.Span = nil, 0
	}
	return s
}
