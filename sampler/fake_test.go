package sampler

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"
)

const (
	gpu0 = node.DeviceID("GPU-0")
	gpu1 = node.DeviceID("GPU-1")
)

// fake is a driver of func fields. Those that are nil do what an idle one does.
type fake struct {
	devices func() ([]node.Device, error)
	read    func(node.DeviceID, node.Want) (node.Reading, error)
	events  func(time.Duration) ([]node.Event, error)
}

func (f *fake) Devices() ([]node.Device, error) {
	if f.devices == nil {
		return []node.Device{{ID: gpu0, Minor: 0}}, nil
	}
	return f.devices()
}

func (f *fake) Read(id node.DeviceID, want node.Want) (node.Reading, error) {
	if f.read == nil {
		return reading(want, 0), nil
	}
	return f.read(id, want)
}

func (f *fake) Events(timeout time.Duration) ([]node.Event, error) {
	if f.events == nil {
		time.Sleep(timeout)
		return nil, nil
	}
	return f.events(timeout)
}

// reading answers a want: 10 bytes in use, the given utilisation, 300 W.
func reading(want node.Want, utilization float64) node.Reading {
	r := node.Reading{At: time.Now()}
	if want&node.WantMemory != 0 {
		r.Memory = node.Some(node.Memory{Total: 100, Used: 10})
	}
	if want&node.WantUtilization != 0 {
		r.Utilization = node.Some(utilization)
	}
	if want&node.WantCounters != 0 {
		r.Power = node.Some(300.0)
	}
	if want&node.WantProcesses != 0 {
		r.Processes = node.Some([]node.Process{{PID: 7}})
	}
	return r
}

// rig is a sampler that runs in a bubble of time.
type rig struct {
	*Sampler
	cancel context.CancelFunc
	ended  chan error

	mu   sync.Mutex
	uses map[node.DeviceID][]node.Use
}

// start runs a sampler until the test ends. Every goroutine that is left then fails the test: a bubble must be empty.
func start(t *testing.T, driver *fake, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{ended: make(chan error, 1), uses: make(map[node.DeviceID][]node.Use)}
	cfg := Config{
		Driver: driver, Window: 3 * time.Second, Logger: slog.New(slog.DiscardHandler),
		Book: func(u node.Use) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.uses[u.Device] = append(r.uses[u.Device], u)
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	r.Sampler = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- r.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

// pass lets time pass, and a little more, so that what is due at that instant is done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) booked(id node.DeviceID) []node.Use {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]node.Use(nil), r.uses[id]...)
}

// state of one device now.
func (r *rig) state(t *testing.T, id node.DeviceID) node.DeviceState {
	t.Helper()
	for _, d := range r.Devices(time.Now()) {
		if d.Device.ID == id {
			return d
		}
	}
	t.Fatalf("device %q is not there", id)
	return node.DeviceState{}
}
