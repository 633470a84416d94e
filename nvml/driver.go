//go:build cgo && linux

package nvml

import (
	"errors"
	"log/slog"
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

	// enumerating is held by Devices and Close. It guards the fields up to the next empty line.
	enumerating turn
	file        *dl.DynamicLibrary // the library, once it is mapped
	symbols     map[string]bool    // what the library has, of what was looked up
	opened      bool               // Init succeeded
	version     string             // of the kernel driver
	byIndex     map[int]*board     // the boards by NVML's index in this life of the library
	refused     map[int]gonvml.Return

	// listening is held during a native wait for events, and while the event set is made or freed.
	listening turn

	// stale asks the next Devices to open the library again; deaf asks it for a new event set.
	stale, deaf atomic.Bool
	done        chan struct{} // closed by Close
	closing     sync.Once

	mu     sync.RWMutex // guards what follows; never held during a native call
	units  map[node.DeviceID]*unit
	set    gonvml.EventSet // nil while there is none
	owners map[gonvml.Device]node.DeviceID
}

// New returns a driver. It opens nothing: Devices does.
func New(cfg Config) *Driver {
	library := cfg.library()
	return &Driver{
		library:     library,
		log:         cfg.Logger,
		lib:         gonvml.New(gonvml.WithLibraryPath(library)),
		patience:    time.Second,
		enumerating: newTurn(),
		listening:   newTurn(),
		symbols:     map[string]bool{},
		byIndex:     map[int]*board{},
		refused:     map[int]gonvml.Return{},
		done:        make(chan struct{}),
		units:       map[node.DeviceID]*unit{},
		owners:      map[gonvml.Device]node.DeviceID{},
	}
}

// Devices opens the library when it is not open and lists the GPUs, each followed by its MIG instances. A GPU that has
// fallen away, or whose calls do not come back, stays on the list while the library is open: reading it tells why.
// Errors wrap node.ErrNoDriver and node.ErrDriverMismatch where these are the reason.
func (d *Driver) Devices() ([]node.Device, error) {
	if !d.enumerating.take(d.patience) {
		return nil, errors.New("enumerate devices: an earlier enumeration has not come back from the driver")
	}
	defer d.enumerating.give()
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
	}
	d.free()
	d.mu.Lock()
	d.units = map[node.DeviceID]*unit{}
	d.mu.Unlock()
	clear(d.byIndex)
	clear(d.refused)
	if d.has("nvmlShutdown") {
		if ret := d.lib.Shutdown(); ret != gonvml.SUCCESS {
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
	u := d.units[id]
	if u == nil {
		return nil, errors.New("not among the devices that were enumerated")
	}
	return u, nil
}
