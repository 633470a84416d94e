//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/dl"
	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// Driver talks to the GPUs of this machine through NVML. Its methods may be called at the same time; calls on one physical
// GPU and its MIG instances take turns.
type Driver struct {
	library string
	log     *slog.Logger
	lib     gonvml.Interface
	// patience is how long anyone waits for a call of someone else to come back from the driver.
	patience time.Duration
	// limit is how long anyone waits for an enumeration: to open a library takes seconds where nothing keeps the GPUs awake.
	limit time.Duration
	// now allows overriding the current time, by which readings are told apart.
	now func() time.Time

	// enumerating is held by Devices and Close. It guards the fields up to the next empty line.
	enumerating turn
	file        *dl.DynamicLibrary // the library, once it is mapped
	opened      bool               // Init succeeded
	version     string             // of the kernel driver
	byIndex     map[int]*board     // the boards by NVML's index in this life of the library
	refused     map[int]gonvml.Return
	kept        bool // the set of events must not be freed: a registration in it has not come back
	lost        lost
	renewal     renewal

	symbols symbols
	aside   aside

	// listening is held during a native wait for events, and while the event set is made or freed.
	listening turn

	// stale asks the next Devices to open the library again, if that is due; deaf asks it for a new event set.
	stale, deaf atomic.Bool
	done        chan struct{} // closed by Close
	closing     sync.Once

	mu     sync.RWMutex // guards what follows; never held during a native call
	units  map[node.DeviceID]*unit
	set    gonvml.EventSet // nil while there is none
	owners map[gonvml.Device]node.DeviceID
}

// symbols are what the library has, of what was looked up.
type symbols struct {
	mu    sync.Mutex
	known map[string]bool
}

// New returns a driver. It opens nothing: Devices does.
func New(cfg Config) *Driver {
	library := cfg.library()
	return &Driver{
		library:     library,
		log:         cfg.Logger,
		lib:         gonvml.New(gonvml.WithLibraryPath(library)),
		patience:    time.Second,
		limit:       10 * time.Second,
		now:         time.Now,
		enumerating: newTurn(),
		listening:   newTurn(),
		symbols:     symbols{known: map[string]bool{}},
		byIndex:     map[int]*board{},
		refused:     map[int]gonvml.Return{},
		lost:        lost{pause: lostFirst},
		done:        make(chan struct{}),
		units:       map[node.DeviceID]*unit{},
		owners:      map[gonvml.Device]node.DeviceID{},
	}
}

// Devices opens the library when it is not open and lists the GPUs, each followed by its MIG instances. A GPU that has
// fallen away, or whose calls do not come back, stays on the list: reading it tells why. When the driver does not come back in
// time there is an error, and the next Devices waits for it. Errors wrap node.ErrNoDriver and node.ErrDriverMismatch where
// these are the reason.
func (d *Driver) Devices() ([]node.Device, error) {
	if !d.enumerating.take(d.patience) {
		return nil, errors.New("enumerate devices: an earlier enumeration has not come back from the driver")
	}
	var devices []node.Device
	var err error
	done := make(chan struct{})
	go func() {
		devices, err = d.list()
		d.enumerating.give()
		close(done)
	}()
	timer := time.NewTimer(d.limit)
	defer timer.Stop()
	select {
	case <-done:
		return devices, err
	case <-timer.C:
		return nil, fmt.Errorf("enumerate devices: the driver has not come back within %v", d.limit)
	}
}

// list opens the library when it is not open, and asks it for its devices. The caller holds the turn to enumerate.
func (d *Driver) list() ([]node.Device, error) {
	d.revive()
	if err := d.open(); err != nil {
		return nil, err
	}
	devices, err := d.enumerate()
	if err != nil {
		return nil, err
	}
	d.listen()
	return devices, nil
}

// Close ends the waits of Events and shuts the library down. While a call has not come back from the driver the library
// is left as it is, and an error says so.
func (d *Driver) Close() error {
	var err error
	d.closing.Do(func() {
		close(d.done)
		if !d.enumerating.take(d.patience) {
			err = errors.New("close driver: an enumeration has not come back from the driver: leaving the library open")
			return
		}
		defer d.enumerating.give()
		if d.opened && !d.shut() {
			err = errors.New("close driver: a call has not come back from the driver: leaving the library open")
		}
	})
	return err
}

func (d *Driver) closed() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// boards in the order of their index.
func (d *Driver) boards() []*board {
	var out []*board
	for i := 0; len(out) < len(d.byIndex); i++ {
		if b := d.byIndex[i]; b != nil {
			out = append(out, b)
		}
	}
	return out
}

// shut ends this life of the library: every handle is void after it. It returns false, and leaves everything as it is,
// when a call has not come back.
func (d *Driver) shut() bool {
	deadline := time.Now().Add(d.patience)
	var held []turn
	defer func() {
		for _, t := range held {
			t.give()
		}
	}()
	take := func(t turn) bool {
		if !t.take(time.Until(deadline)) {
			return false
		}
		held = append(held, t)
		return true
	}
	boards := d.boards()
	for _, b := range boards {
		if !take(b.turn) {
			return false
		}
	}
	if !take(d.listening) {
		return false
	}
	for _, b := range boards {
		b.gone = true
		for _, u := range b.units {
			d.free(u)
		}
	}
	d.freeSet()
	d.mu.Lock()
	d.mourn(boards)
	d.units = map[node.DeviceID]*unit{}
	d.mu.Unlock()
	clear(d.byIndex)
	clear(d.refused)
	if d.has("nvmlShutdown") {
		if ret := d.timed(nil, node.FeatureInit, d.lib.Shutdown); ret != gonvml.SUCCESS {
			d.log.Debug("Shutting NVML down failed", "err", text(ret))
		}
	}
	d.opened = false
	return true
}

// unit by its id.
func (d *Driver) unit(id node.DeviceID) (*unit, error) {
	if d.closed() {
		return nil, errClosed
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if u := d.units[id]; u != nil {
		return u, nil
	}
	if slices.ContainsFunc(d.lost.missing, func(device node.Device) bool { return device.ID == id }) {
		return nil, fmt.Errorf("%w: it is not among the devices of this node any more", node.ErrDeviceLost)
	}
	return nil, errors.New("not among the devices that were enumerated")
}
