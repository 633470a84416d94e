//go:build cgo && linux

package nvml

import (
	"strings"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// migOn says whether a GPU is in MIG mode and its instances can be listed: as before where it cannot tell for now.
func (d *Driver) migOn(b *board, handle gonvml.Device, before bool) bool {
	if !d.hasAll("nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex",
		"nvmlDeviceGetGpuInstanceId", "nvmlDeviceGetComputeInstanceId") {
		return false
	}
	current, ret := listed(d, b, func() (int, gonvml.Return) { current, _, ret := handle.GetMigMode(); return current, ret })
	switch {
	case ret == gonvml.SUCCESS:
		return current == gonvml.DEVICE_MIG_ENABLE
	case never(ret):
		return false
	default:
		return before
	}
}

// instances lists the MIG instances of a GPU. One that is as it was keeps what was learned of it; its handle is new each time,
// because a change of any instance may have made the old one void. Where a slot fails to tell, for now, none that was known
// is given up.
func (d *Driver) instances(gpu *unit, known []*unit) []*unit {
	var out []*unit
	complete := d.slots(gpu, func(device node.Device, handle gonvml.Device) {
		out = append(out, &unit{board: gpu.board, parent: gpu, device: device, handle: handle})
	})
	onInstance := map[int]int{}
	for _, u := range out {
		onInstance[u.device.GPUInstance]++
	}
	for i, u := range out {
		u.device.ComputeInstances = onInstance[u.device.GPUInstance]
		if was := instance(known, u.device.ID); was != nil && was.parent == gpu && was.device == u.device {
			was.handle, out[i] = u.handle, was
			continue
		}
		d.fit(u)
	}
	for _, u := range known {
		if !complete && u.parent == gpu && instance(out, u.device.ID) == nil {
			out = append(out, u)
		}
	}
	return out
}

// slots hands over what is in the slots of a GPU, and says whether all of them could be looked at.
func (d *Driver) slots(gpu *unit, found func(node.Device, gonvml.Device)) (complete bool) {
	slots, ret := listed(d, gpu.board, gpu.handle.GetMaxMigDeviceCount)
	if ret != gonvml.SUCCESS {
		return false
	}
	complete = true
	for slot := range slots {
		handle, ret := listed(d, gpu.board, func() (gonvml.Device, gonvml.Return) { return gpu.handle.GetMigDeviceHandleByIndex(slot) })
		var device node.Device
		if ret == gonvml.SUCCESS {
			device, ret = d.identifyInstance(gpu, handle)
		}
		switch {
		case ret == gonvml.SUCCESS:
			found(device, handle)
		case ret != gonvml.ERROR_NOT_FOUND && ret != gonvml.ERROR_INVALID_ARGUMENT && !never(ret):
			complete = false // NOT_FOUND is an empty slot, and the others one that is not for us.
		}
	}
	return complete
}

func instance(among []*unit, id node.DeviceID) *unit {
	for _, u := range among {
		if u.device.ID == id {
			return u
		}
	}
	return nil
}

// identifyInstance asks where an instance lies on its GPU. ProfileID and PlacementStart are -1 where the driver does not
// tell: it needs the right to monitor MIG for them.
func (d *Driver) identifyInstance(gpu *unit, handle gonvml.Device) (node.Device, gonvml.Return) {
	device := gpu.device
	device.Parent, device.ProfileID, device.PlacementStart = gpu.device.ID, -1, -1
	uuid, ret := listed(d, gpu.board, handle.GetUUID)
	if ret != gonvml.SUCCESS {
		return device, ret
	}
	device.ID = node.DeviceID(uuid)
	if device.GPUInstance, ret = listed(d, gpu.board, handle.GetGpuInstanceId); ret != gonvml.SUCCESS {
		return device, ret
	}
	if device.ComputeInstance, ret = listed(d, gpu.board, handle.GetComputeInstanceId); ret != gonvml.SUCCESS {
		return device, ret
	}
	if d.has("nvmlDeviceGetName") {
		// The name of an instance is "NVIDIA H200 MIG 1g.18gb".
		if name, ret := listed(d, gpu.board, handle.GetName); ret == gonvml.SUCCESS {
			if model, profile, found := strings.Cut(name, " MIG "); found {
				device.Model, device.Profile = model, profile
			}
		}
	}
	if d.hasAll("nvmlDeviceGetGpuInstanceById", "nvmlGpuInstanceGetInfo") {
		device.ProfileID, device.PlacementStart = d.placement(gpu, device.GPUInstance)
	}
	return device, gonvml.SUCCESS
}

// placement of a GPU instance: its profile, and the first of its slices; -1 both where the driver does not tell.
func (d *Driver) placement(gpu *unit, id int) (profile, start int) {
	instance, ret := listed(d, gpu.board, func() (gonvml.GpuInstance, gonvml.Return) { return gpu.handle.GetGpuInstanceById(id) })
	if ret != gonvml.SUCCESS {
		return -1, -1
	}
	info, ret := listed(d, gpu.board, instance.GetInfo)
	if ret != gonvml.SUCCESS {
		return -1, -1
	}
	return int(info.ProfileId), int(info.Placement.Start)
}
