// Package sampler reads the devices: one clock, one goroutine for each physical GPU. It keeps what a device showed within
// the signal window, and turns readings into intervals of use.
package sampler

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"gpusignal/node"
)

// Driver is what the sampler reads devices through. Any of its methods may never return.
type Driver interface {
	// Devices lists the physical GPUs and their MIG instances; it opens the driver when it is not open.
	Devices() ([]node.Device, error)
	// Read takes the wanted parts of a reading of one device.
	Read(id node.DeviceID, want node.Want) (node.Reading, error)
	// Events waits for events, at most for the timeout.
	Events(timeout time.Duration) ([]node.Event, error)
}

// Config of a sampler.
type Config struct {
	Driver Driver
	// Interval between readings of memory and utilisation, and SlowInterval between those of everything else and between
	// bookings. 0 stands for 100 ms and 1 s. A board whose driver takes too much time is read less often.
	Interval, SlowInterval time.Duration
	// Window is the signal window. 0 stands for 15 s.
	Window time.Duration
	// Shared says that several containers hold the device, so that its processes are worth reading. It may be nil.
	Shared func(node.DeviceID) bool
	// Owner says whose a process of the host is, and when it started; it is asked in the tick that read the process, because
	// processes end. Sees says that it can tell at all just now. Both are nil where the PIDs of the host are not visible: then no
	// processes are read, and what is shared is booked without them.
	Owner func(pid int) (owner node.ContainerID, started time.Time, known bool)
	Sees  func() bool
	// Book takes each interval of use, once, in order for each device. It may be nil.
	Book func(node.Use)
	// Calls sums up the calls of the driver that no reading tells of. It may be nil.
	Calls  func() [node.FeatureCount]node.CallStats
	Logger *slog.Logger
}

// Sampler reads devices on a clock and keeps what they said.
type Sampler struct {
	driver   Driver
	interval time.Duration
	slow     time.Duration
	window   time.Duration
	shared   func(node.DeviceID) bool
	owner    func(pid int) (node.ContainerID, time.Time, bool)
	sees     func() bool
	book     func(node.Use)
	aside    func() [node.FeatureCount]node.CallStats
	log      *slog.Logger

	crew   *crew
	roll   *roll
	events *events
	view   atomic.Pointer[view]
	ended  chan error // a driver error that ends Run
}

// New returns a sampler. It starts nothing: Run does.
func New(cfg Config) *Sampler {
	s := &Sampler{
		driver:   cfg.Driver,
		interval: cmp.Or(cfg.Interval, 100*time.Millisecond),
		slow:     cmp.Or(cfg.SlowInterval, time.Second),
		window:   cmp.Or(cfg.Window, 15*time.Second),
		shared:   cfg.Shared,
		owner:    cfg.Owner,
		sees:     cfg.Sees,
		book:     cfg.Book,
		aside:    cfg.Calls,
		log:      cfg.Logger,
		crew:     newCrew(),
		ended:    make(chan error, 1),
	}
	if s.shared == nil || s.owner == nil || s.sees == nil {
		s.shared = func(node.DeviceID) bool { return false }
	}
	if s.book == nil {
		s.book = func(node.Use) {}
	}
	if s.aside == nil {
		s.aside = func() (none [node.FeatureCount]node.CallStats) { return none }
	}
	s.roll, s.events = newRoll(s), newEvents()
	s.view.Store(&view{})
	return s
}

// deadline is how long a call may stay in the driver before it counts as hung, and how long a number lives without a
// successor: three slow intervals, at least 5 s.
func (s *Sampler) deadline() time.Duration { return graceOf(s.slow) }

// Run samples until the context ends, and then returns nil, or until the driver says that it does not fit its library:
// then the error wraps node.ErrDriverMismatch. It waits for everything it started, except for calls that the driver does
// not return from.
func (s *Sampler) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	s.crew.start(ctx, s.roll.call, s.roll.run)
	s.crew.start(ctx, s.events.call, s.listen)
	s.crew.start(ctx, nil, s.clock)

	var err error
	select {
	case <-ctx.Done():
	case err = <-s.ended:
	}
	stop()
	if left := s.crew.wait(s.deadline()); left > 0 {
		s.log.Warn("Left calls behind that the driver does not return from", "calls", left)
	}
	return err
}

// end makes Run return the error. Only the first counts.
func (s *Sampler) end(err error) {
	select {
	case s.ended <- err:
	default:
	}
}

// clock offers every board a tick and waits for none of them.
func (s *Sampler) clock(ctx context.Context) {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-ticker.C:
			for _, b := range s.view.Load().boards {
				b.offer(at)
			}
		}
	}
}

// view is the devices as they were last enumerated.
type view struct {
	devices []target // by minor number, each GPU before its instances
	boards  []*board
	ever    []*device // that were there at any time, in no order
}

// Devices returns the state of every enumerated device, by minor number. The caller may keep it.
func (s *Sampler) Devices(at time.Time) []node.DeviceState {
	v := s.view.Load()
	seen := s.events.seen()
	out := make([]node.DeviceState, len(v.devices))
	for i, t := range v.devices {
		state := t.state(at)
		state.Device = t.info
		state.Missed = t.board.missed.Load()
		state.XIDs, state.Events = seen[t.info.ID].xids, seen[t.info.ID].kinds
		state.Busy, state.Slowed = t.board.budget.told()
		if t.info.Parent != "" {
			state.Busy = node.Opt[float64]{} // It is the board's, and told of it once.
		}
		if t.board.call.hung(at, s.deadline()) {
			state.Down = downHung
		}
		out[i] = state
	}
	return out
}

// List returns the enumerated devices, by minor number.
func (s *Sampler) List() []node.Device {
	v := s.view.Load()
	out := make([]node.Device, len(v.devices))
	for i, t := range v.devices {
		out[i] = t.info
	}
	return out
}

// compareDevices orders by minor number, each GPU before its instances.
func compareDevices(a, b node.Device) int {
	if c := cmp.Compare(a.Minor, b.Minor); c != 0 {
		return c
	}
	if (a.Parent == "") != (b.Parent == "") {
		return cmp.Compare(a.Parent, b.Parent)
	}
	if c := cmp.Compare(a.GPUInstance, b.GPUInstance); c != 0 {
		return c
	}
	return cmp.Compare(a.ComputeInstance, b.ComputeInstance)
}
