//go:build cgo && linux

package nvml

import (
	"fmt"
	"slices"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// enumerate asks the library for its GPUs and what is on them.
func (d *Driver) enumerate() ([]node.Device, error) {
	count, ret := listed(d, nil, d.lib.DeviceGetCount)
	if ret != gonvml.SUCCESS {
		d.renewal = renewal{} // That is the library itself, not one device.
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
	devices = append(devices, d.stillMissing()...)
	d.mu.Unlock()
	return devices, nil
}

// sighting is what a look at a GPU came to.
type sighting struct {
	ret   gonvml.Return
	units []*unit // the GPU and its MIG instances
}

// visit looks at the GPU of an index. What is known of a GPU stays when it cannot be looked at.
func (d *Driver) visit(index int, deadline time.Time) error {
	b := d.byIndex[index]
	if b == nil {
		b = &board{turn: newTurn()}
		d.byIndex[index] = b
	}
	base, known, seen := node.Device{Index: index, Minor: index, Driver: d.version}, b.units, &sighting{}
	if !b.turn.take(time.Until(deadline)) || !d.attempt(b, func() { *seen = d.look(b, base, known) }) {
		return nil
	}
	ret := seen.ret
	switch ret {
	case gonvml.ERROR_LIB_RM_VERSION_MISMATCH, gonvml.ERROR_DRIVER_NOT_LOADED:
		return d.fault(fmt.Sprintf("open device %d", index), ret)
	case gonvml.ERROR_UNINITIALIZED:
		d.stale.Store(true) // The library has just counted its devices, so this may be one sick GPU: the others are listed.
	}
	if ret != d.refused[index] {
		d.refused[index] = ret
		if ret != gonvml.SUCCESS {
			d.log.Warn("A device cannot be opened", "index", index, "err", text(ret))
		}
	}
	if ret != gonvml.SUCCESS {
		b.lost.Store(b.lost.Load() || fallen(ret))
		return nil
	}
	if len(b.units) == 0 || b.units[0] != seen.units[0] {
		b.heard, b.unheard = false, false
		b.lost.Store(false)
	}
	b.units = seen.units
	return nil
}

// attempt makes calls with the turn of a board, which is held, gives it back after them, and says whether they came back in time.
// Whoever waited in vain leaves the calls to themselves: what they write must not be looked at.
func (d *Driver) attempt(b *board, calls func()) bool {
	back := make(chan struct{})
	go func() {
		calls()
		b.turn.give()
		close(back)
	}()
	timer := time.NewTimer(d.patience)
	defer timer.Stop()
	select {
	case <-back:
		return true
	case <-timer.C:
		return false
	}
}

// look opens the GPU of an index, whose turn is held. What was learned of a device goes on with it.
func (d *Driver) look(b *board, base node.Device, known []*unit) sighting {
	handle, ret := listed(d, b, func() (gonvml.Device, gonvml.Return) { return d.lib.DeviceGetHandleByIndex(base.Index) })
	var uuid string
	if ret == gonvml.SUCCESS {
		uuid, ret = listed(d, b, handle.GetUUID)
	}
	if ret != gonvml.SUCCESS {
		return sighting{ret: ret}
	}
	var gpu *unit
	if len(known) > 0 && known[0].device.ID == node.DeviceID(uuid) {
		gpu = known[0]
	} else {
		base.ID = node.DeviceID(uuid)
		if base, ret = d.identify(b, base, handle); ret != gonvml.SUCCESS {
			return sighting{ret: ret}
		}
		gpu = &unit{board: b, device: base}
		d.fit(gpu)
	}
	gpu.handle = handle
	mig := d.migOn(b, handle, gpu.mig)
	if mig != gpu.mig {
		// Much of what a GPU cannot tell with MIG on it tells with MIG off.
		gpu.mig = mig
		d.fit(gpu)
	}
	units := []*unit{gpu}
	if mig {
		units = append(units, d.instances(gpu, known)...)
	}
	for _, u := range known {
		if u.gone = !slices.Contains(units, u); u.gone {
			d.free(u)
		}
	}
	if len(known) == 0 {
		b.aside = 0 // To open it takes long, and comes once.
	}
	return sighting{ret: gonvml.SUCCESS, units: units}
}

// identify asks a GPU what does not change while the library is open. A GPU goes by its minor number, so one that fails to tell it
// is looked at again later; the index stands for it only where the driver has no minor numbers at all, as on WSL.
func (d *Driver) identify(b *board, device node.Device, handle gonvml.Device) (node.Device, gonvml.Return) {
	if d.has("nvmlDeviceGetMinorNumber") {
		minor, ret := listed(d, b, handle.GetMinorNumber)
		switch {
		case ret == gonvml.SUCCESS:
			device.Minor = minor
		case !never(ret):
			return device, ret
		}
	}
	if d.has("nvmlDeviceGetName") {
		if name, ret := listed(d, b, handle.GetName); ret == gonvml.SUCCESS {
			device.Model = name
		}
	}
	if d.hasAny("nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo") {
		if pci, ret := listed(d, b, handle.GetPciInfo); ret == gonvml.SUCCESS {
			// NVML writes 00000000:3B:00.0, the kernel 0000:3b:00.0.
			device.PCIAddress = fmt.Sprintf("%04x:%02x:%02x.0", pci.Domain, pci.Bus, pci.Device)
		}
	}
	return device, gonvml.SUCCESS
}
