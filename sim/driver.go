package sim

import (
	"fmt"
	"iter"
	"time"

	"gpusignal/node"
)

// Driver stands in for the GPU driver. It is safe for concurrent use.
type Driver struct {
	gpus   []*gpu
	events chan node.Event
}

// Devices are the GPUs of the node, by minor number, each with its MIG instances behind it.
func (d *Driver) Devices() ([]node.Device, error) {
	var out []node.Device
	for g := range d.all() {
		out = append(out, g.device)
	}
	return out, nil
}

// all GPUs, each with its MIG instances behind it.
func (d *Driver) all() iter.Seq[*gpu] {
	return func(yield func(*gpu) bool) {
		for _, g := range d.gpus {
			if !yield(g) {
				return
			}
			for _, instance := range g.instances {
				if !yield(instance) {
					return
				}
			}
		}
	}
}

// Read takes the wanted parts of a reading. Memory is of the instant; the rest changes every 100 ms, and utilisation is a
// mean over the 1/6 s before that. Processes have PIDs above any that a kernel gives; whose they are stands in Node.Proc.
func (d *Driver) Read(id node.DeviceID, want node.Want) (node.Reading, error) {
	for g := range d.all() {
		if g.device.ID == id {
			return g.read(want), nil
		}
	}
	return node.Reading{}, fmt.Errorf("read device %q: the simulated node has none of that name: %w", id, node.ErrDeviceLost)
}

// Events waits for events, for timeout at most, and returns none when there were none.
func (d *Driver) Events(timeout time.Duration) ([]node.Event, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case first := <-d.events:
		out := []node.Event{first}
		for {
			select {
			case e := <-d.events:
				out = append(out, e)
			default:
				return out, nil
			}
		}
	case <-timer.C:
		return nil, nil
	}
}

// raise reports an XID error; when nobody has listened for long, the oldest make room.
func (d *Driver) raise(g *gpu, xid int) {
	event := node.Event{Device: g.device.ID, XID: xid, At: time.Now()}
	g.log.event("xid", "gpu", string(g.device.ID), "xid", xid)
	for {
		select {
		case d.events <- event:
			return
		default:
		}
		select {
		case <-d.events:
		default:
		}
	}
}
