//go:build cgo && linux

package nvml

import (
	"strings"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// migOn says whether a GPU is in MIG mode and its instances can be listed.
func (d *Driver) migOn(handle gonvml.Device) bool {
	if !d.hasAll("nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex",
		"nvmlDeviceGetGpuInstanceId", "nvmlDeviceGetComputeInstanceId") {
		return false
	}
	current, _, ret := handle.GetMigMode()
	return ret == gonvml.SUCCESS && current == gonvml.DEVICE_MIG_ENABLE
}

// instances lists the MIG instances of a GPU. Those that were known keep what was learned of their probes.
func (d *Driver) instances(gpu *unit, known []*unit) []*unit {
	slots, ret := gpu.handle.GetMaxMigDeviceCount()
	if ret != gonvml.SUCCESS {
		return nil
	}
	var out []*unit
	for slot := range slots {
		// A slot without an instance is NOT_FOUND.
		handle, ret := gpu.handle.GetMigDeviceHandleByIndex(slot)
		if ret != gonvml.SUCCESS {
			continue
		}
		uuid, ret := handle.GetUUID()
		if ret != gonvml.SUCCESS {
			continue
		}
		u := instance(known, node.DeviceID(uuid))
		if u == nil {
			device, ok := d.identifyInstance(gpu, node.DeviceID(uuid), handle)
			if !ok {
				continue
			}
			u = &unit{board: gpu.board, device: device}
			d.fit(u)
		}
		u.handle = handle
		out = append(out, u)
	}
	return out
}

func instance(known []*unit, id node.DeviceID) *unit {
	for _, u := range known {
		if u.device.ID == id {
			return u
		}
	}
	return nil
}

// identifyInstance asks where an instance lies on its GPU. ProfileID and PlacementStart are -1 where the driver does not
// tell: it needs the right to monitor MIG for them.
func (d *Driver) identifyInstance(gpu *unit, id node.DeviceID, handle gonvml.Device) (node.Device, bool) {
	device := gpu.device
	device.ID, device.Parent, device.ProfileID, device.PlacementStart = id, gpu.device.ID, -1, -1
	var ret gonvml.Return
	if device.GPUInstance, ret = handle.GetGpuInstanceId(); ret != gonvml.SUCCESS {
		return device, false
	}
	if device.ComputeInstance, ret = handle.GetComputeInstanceId(); ret != gonvml.SUCCESS {
		return device, false
	}
	if d.has("nvmlDeviceGetName") {
		// The name of an instance is "NVIDIA H200 MIG 1g.18gb".
		if name, ret := handle.GetName(); ret == gonvml.SUCCESS {
			if model, profile, found := strings.Cut(name, " MIG "); found {
				device.Model, device.Profile = model, profile
			}
		}
	}
	if d.hasAll("nvmlDeviceGetGpuInstanceById", "nvmlGpuInstanceGetInfo") {
		if gi, ret := gpu.handle.GetGpuInstanceById(device.GPUInstance); ret == gonvml.SUCCESS {
			if info, ret := gi.GetInfo(); ret == gonvml.SUCCESS {
				device.ProfileID, device.PlacementStart = int(info.ProfileId), int(info.Placement.Start)
			}
		}
	}
	return device, true
}
