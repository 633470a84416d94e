//go:build !cgo || !linux

package nvml

import (
	"fmt"
	"sync"
	"time"

	"gpusignal/node"
)

// Driver of a binary that was built without cgo, or not for Linux: it has no device.
type Driver struct {
	once sync.Once
	done chan struct{}
}

// New returns a driver. It opens nothing.
func New(Config) *Driver { return &Driver{done: make(chan struct{})} }

// Devices returns an error that wraps node.ErrNoDriver.
func (d *Driver) Devices() ([]node.Device, error) {
	return nil, fmt.Errorf("enumerate devices: %w: built without cgo, which NVML needs: use a linux build with CGO_ENABLED=1", node.ErrNoDriver)
}

// Read returns an error that wraps node.ErrNoDriver.
func (d *Driver) Read(id node.DeviceID, _ node.Want) (node.Reading, error) {
	return node.Reading{}, fmt.Errorf("read device %q: %w: built without cgo", id, node.ErrNoDriver)
}

// Events returns nothing once the timeout has passed, or the driver was closed.
func (d *Driver) Events(timeout time.Duration) ([]node.Event, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil, nil
	case <-d.done:
		return nil, errClosed
	}
}

// Calls are none.
func (d *Driver) Calls() [node.FeatureCount]node.CallStats {
	return [node.FeatureCount]node.CallStats{}
}

// Close ends the waits of Events.
func (d *Driver) Close() error {
	d.once.Do(func() { close(d.done) })
	return nil
}
