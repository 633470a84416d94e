//go:build cgo && linux

package nvml

import (
	"fmt"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// enumerate asks the library for its GPUs and what is on them.
func (d *Driver) enumerate() ([]node.Device, error) {
	count, ret := d.lib.DeviceGetCount()
	if ret != gonvml.SUCCESS {
		return nil, d.fault("count devices", ret)
	}
	if count == 0 {
		return nil, fmt.Errorf("enumerate devices: %w: %q has no device: give the container some (NVIDIA_VISIBLE_DEVICES=all)",
			node.ErrNoDriver, d.library)
	}
	deadline := time.Now().Add(d.patience)
	for index := range count {
		if err := d.visit(index, deadline); err != nil {
			return nil, err
		}
	}
	units := map[node.DeviceID]*unit{}
	var devices []node.Device
	for _, b := range d.boards() {
		for _, u := range b.units {
			units[u.device.ID] = u
			devices = append(devices, u.device)
		}
	}
	d.mu.Lock()
	d.units = units
	d.mu.Unlock()
	return devices, nil
}

// visit looks at the GPU of an index. What is known of a GPU stays when it cannot be looked at.
func (d *Driver) visit(index int, deadline time.Time) error {
	b := d.byIndex[index]
	if b == nil {
		b = &board{turn: newTurn()}
	}
	if !b.turn.take(time.Until(deadline)) {
		return nil
	}
	defer b.turn.give()
	handle, ret := d.lib.DeviceGetHandleByIndex(index)
	var uuid string
	if ret == gonvml.SUCCESS {
		uuid, ret = handle.GetUUID()
	}
	if ret == gonvml.ERROR_LIB_RM_VERSION_MISMATCH || ret == gonvml.ERROR_UNINITIALIZED || ret == gonvml.ERROR_DRIVER_NOT_LOADED {
		return d.fault(fmt.Sprintf("open device %d", index), ret)
	}
	if ret != d.refused[index] {
		d.refused[index] = ret
		if ret != gonvml.SUCCESS {
			d.log.Warn("A device cannot be opened", "index", index, "err", text(ret))
		}
	}
	if ret != gonvml.SUCCESS {
		return nil
	}
	d.byIndex[index] = b
	d.describe(b, index, node.DeviceID(uuid), handle)
	return nil
}

// describe fills a board whose turn is held.
func (d *Driver) describe(b *board, index int, id node.DeviceID, handle gonvml.Device) {
	var gpu *unit
	if len(b.units) > 0 && b.units[0].device.ID == id {
		gpu = b.units[0]
	} else {
		gpu = &unit{board: b, device: d.identify(index, id, handle)}
		d.fit(gpu)
		b.units, b.heard = nil, false
	}
	gpu.handle = handle
	mig := d.migOn(handle)
	if mig != gpu.mig {
		// Much of what a GPU cannot tell with MIG on it tells with MIG off.
		gpu.mig = mig
		d.fit(gpu)
	}
	known := b.units
	b.units = []*unit{gpu}
	if mig {
		b.units = append(b.units, d.instances(gpu, known)...)
	}
}

// identify asks a GPU what does not change while the library is open.
func (d *Driver) identify(index int, id node.DeviceID, handle gonvml.Device) node.Device {
	device := node.Device{ID: id, Index: index, Minor: index, Driver: d.version}
	if d.has("nvmlDeviceGetMinorNumber") {
		if minor, ret := handle.GetMinorNumber(); ret == gonvml.SUCCESS {
			device.Minor = minor
		}
	}
	if d.has("nvmlDeviceGetName") {
		if name, ret := handle.GetName(); ret == gonvml.SUCCESS {
			device.Model = name
		}
	}
	if d.hasAny("nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo") {
		if pci, ret := handle.GetPciInfo(); ret == gonvml.SUCCESS {
			// NVML writes 00000000:3B:00.0, the kernel 0000:3b:00.0.
			device.PCIAddress = fmt.Sprintf("%04x:%02x:%02x.0", pci.Domain, pci.Bus, pci.Device)
		}
	}
	return device
}
