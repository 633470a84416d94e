package sim

import (
	"strconv"

	"gpusignal/node"
)

// gpuResource is the name under which the device plugin offers GPUs.
const gpuResource = "nvidia.com/gpu"

// resource is the name under which the device plugin offers the device: with the MIG strategy "mixed", and with
// renameByDefault for replicas.
func (g *gpu) resource() string {
	switch {
	case g.device.Parent != "":
		return "nvidia.com/mig-" + g.device.Profile
	case g.replicas > 0:
		return gpuResource + ".shared"
	}
	return gpuResource
}

// offered are the ids under which it offers the device; a divided GPU it does not offer.
func (g *gpu) offered() []string {
	if len(g.instances) > 0 {
		return nil
	}
	if g.replicas == 0 {
		return []string{string(g.device.ID)}
	}
	out := make([]string, g.replicas)
	for i := range out {
		out[i] = replica(g.device.ID, i)
	}
	return out
}

// allot gives out the device, or its next replica.
func (g *gpu) allot() string {
	if g.replicas == 0 {
		return string(g.device.ID)
	}
	g.allotted++
	return replica(g.device.ID, g.allotted-1)
}

// replica is the id of a replica, as time-slicing and MPS have it.
func replica(id node.DeviceID, n int) string { return string(id) + "::" + strconv.Itoa(n) }
