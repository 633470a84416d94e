package kubelet

import "gpusignal/node"

// poolDevice is a device's name in DRA: it holds within its pool alone.
type poolDevice struct{ pool, device string }

// sliceDevice is what NVIDIA's DRA driver publishes of a device in a ResourceSlice. A whole GPU and a static MIG instance
// have their UUID; an instance that is only made when it is needed has its GPU's UUID and its profile.
type sliceDevice struct{ uuid, parent, profile string }

// sliceIndex are the devices of this node that resource slices tell of; nil knows none.
type sliceIndex map[poolDevice]sliceDevice

// resolve returns the device of an allocation, or the reason why there is none. What a DRA device's name says by itself
// comes first: it needs no API server.
func (x sliceIndex) resolve(a allocation, devices []node.Device) (node.DeviceID, string) {
	device, reason := resolve(a.resource, a.id, devices)
	if reason != reasonUnknownID || a.resource != draDriver {
		return device, reason
	}
	published, ok := x[poolDevice{a.pool, a.id}]
	if !ok {
		return "", reasonUnknownID
	}
	return known(only(devices, func(d node.Device) bool {
		if published.uuid != "" {
			return string(d.ID) == published.uuid
		}
		return published.profile != "" && string(d.Parent) == published.parent && d.Profile == published.profile
	}))
}

// Attributes of a device of NVIDIA's DRA driver (cmd/gpu-kubelet-plugin/deviceinfo.go of sigs.k8s.io/dra-driver-nvidia-gpu).
const (
	attributeUUID    = "uuid"
	attributeParent  = "parentUUID"
	attributeProfile = "profile"
)

// indexSlices reads slices. Of a pool only the slices of its newest generation count: a driver that changes its devices
// publishes all of them anew.
func indexSlices(all []*resourceSlice) sliceIndex {
	newest := map[string]int64{}
	for _, slice := range all {
		pool := slice.Spec.Pool
		newest[pool.Name] = max(newest[pool.Name], pool.Generation)
	}
	index := sliceIndex{}
	for _, slice := range all {
		pool := slice.Spec.Pool
		if slice.Spec.Driver != draDriver || pool.Generation != newest[pool.Name] {
			continue
		}
		for i := range slice.Spec.Devices {
			device := &slice.Spec.Devices[i]
			index[poolDevice{pool.Name, device.Name}] = sliceDevice{
				uuid: text(device, attributeUUID), parent: text(device, attributeParent), profile: text(device, attributeProfile),
			}
		}
	}
	return index
}

// text returns an attribute that is a string. A driver's own attributes may be written with its domain before them.
func text(device *resourceDevice, name string) string {
	for _, full := range []string{name, draDriver + "/" + name} {
		if value := device.Attributes[full].String; value != nil {
			return *value
		}
	}
	return ""
}
