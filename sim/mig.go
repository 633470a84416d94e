package sim

import (
	"math/rand/v2"

	"gpusignal/node"
)

// profile is a MIG profile of an 80 GB board of the Hopper generation, and where an instance of it lies.
type profile struct {
	name string
	// id is NVML's, start the first of the slices it lies on, and gpuInstance what the driver calls the instance then.
	id, start, gpuInstance int
	// slices of the board's seven that compute, and memory in bytes.
	slices int
	memory uint64
}

// mixed is a board cut into three instances of different size.
func mixed() []profile {
	return []profile{
		{name: "3g.40gb", id: 9, start: 0, gpuInstance: 2, slices: 3, memory: 40448 << 20},
		{name: "2g.20gb", id: 14, start: 4, gpuInstance: 5, slices: 2, memory: 20096 << 20},
		{name: "1g.10gb", id: 19, start: 6, gpuInstance: 13, slices: 1, memory: 9856 << 20},
	}
}

// divide puts a GPU into MIG mode and cuts it into instances. Memory, processes and hardware counters are then told of the
// instances alone, and the use of the SMs by the ring and by process of nothing, as NVML has it.
func (g *gpu) divide(random *rand.Rand, profiles []profile) {
	for _, p := range profiles {
		device := g.device
		device.Parent, device.ID, device.Profile = g.device.ID, node.DeviceID("MIG-"+uuid(random)), p.name
		device.ProfileID, device.PlacementStart, device.GPUInstance, device.ComputeInstances = p.id, p.start, p.gpuInstance, 1
		g.instances = append(g.instances, &gpu{
			device: device, log: g.log, kernels: anything().part(p.slices), board: g, slices: p.slices, mu: g.mu, logged: g.logged,
			memory: node.Memory{Total: p.memory, Reserved: node.Some(uint64(reserved) * p.memory / totalMemory)},
			lacks:  notOfInstance(),
		})
	}
	g.lacks = notOfBoard()
}

// notOfBoard is what the driver does not tell of a GPU in MIG mode.
func notOfBoard() (lacks node.Features) {
	for _, f := range []node.Feature{
		node.FeatureMemory, node.FeatureUtilization, node.FeatureRing, node.FeatureActivity, node.FeatureEncoder, node.FeatureDecoder,
		node.FeatureJPEG, node.FeatureOFA, node.FeatureProcesses, node.FeatureMPSProcesses, node.FeatureProcessUtilization,
	} {
		lacks = lacks.With(f)
	}
	return lacks
}

// notOfInstance is what it does not tell of a MIG instance: all but its memory, its hardware counters and its processes.
func notOfInstance() (lacks node.Features) {
	for i := range node.FeatureCount {
		switch f := node.Feature(i); f {
		case node.FeatureMemory, node.FeatureActivity, node.FeatureProcesses, node.FeatureMPSProcesses:
		default:
			lacks = lacks.With(f)
		}
	}
	return lacks
}

// part is what they do to a board on some of its seven slices: the shares are of the instance, all else is that much less.
func (w kernels) part(slices int) kernels {
	for _, v := range []*float64{&w.watts, &w.sent, &w.received, &w.exchanged} {
		*v *= float64(slices) / 7
	}
	return w
}
