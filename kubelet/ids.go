package kubelet

import (
	"strconv"
	"strings"

	"gpusignal/node"
)

// draDriver is the name of NVIDIA's DRA driver for GPUs. Its devices are resolved by their device names.
const draDriver = "gpu.nvidia.com"

// reasonForeign marks devices of other kinds (network cards, other vendors): they are left out silently.
const reasonForeign = "foreign"

// resolve returns the device that an id of a resource means, or the reason why there is none. The resource is the name
// under which a device plugin offers its devices, or the name of the DRA driver. The forms of ids:
//
//	GPU-<uuid>, MIG-<uuid>                        NVIDIA's device plugin
//	<index>                                       the same with deviceIDStrategy index
//	<id>::<n>                                     a replica: time-slicing or MPS
//	GPU-<uuid>-<n>                                a replica as HAMi and Volcano write it
//	nvidia<minor>[/gi<instance>][/vgpu<n>]        GKE's device plugin
//	gpu-<minor>                                   DRA
//	gpu-<minor>-mig-<profile>-<profile id>-<placement start>
//
// An id that could mean two devices resolves to none.
func resolve(resource, id string, devices []node.Device) (node.DeviceID, string) {
	if resource == draDriver {
		return known(draDevice(id, devices))
	}
	base := cutReplica(id)
	if device, ok := byUUID(base, devices); ok {
		return device, ""
	}
	if !gpuResource(resource) {
		return "", reasonForeign
	}
	if index, ok := number(base); ok {
		return known(only(devices, func(d node.Device) bool { return d.Parent == "" && d.Index == index }))
	}
	return known(gkeDevice(base, devices))
}

// known turns a failed look-up into its reason.
func known(id node.DeviceID, ok bool) (node.DeviceID, string) {
	if !ok {
		return "", reasonUnknownID
	}
	return id, ""
}

// gpuResource says whether a device plugin's resource is one of NVIDIA's: ^nvidia\.com/(gpu|mig-.+)(\.shared)?$.
func gpuResource(name string) bool {
	rest, ok := strings.CutPrefix(name, "nvidia.com/")
	if !ok {
		return false
	}
	return rest == "gpu" || rest == "gpu.shared" || strings.HasPrefix(rest, "mig-") && len(rest) > len("mig-")
}

// cutReplica cuts "::<n>" off an id.
func cutReplica(id string) string {
	base, replica, ok := strings.Cut(id, "::")
	if !ok {
		return id
	}
	if _, ok := number(replica); !ok {
		return id
	}
	return base
}

// byUUID finds a device by its UUID, with or without the "-<n>" of a replica.
func byUUID(id string, devices []node.Device) (node.DeviceID, bool) {
	if !strings.HasPrefix(id, "GPU-") && !strings.HasPrefix(id, "MIG-") {
		return "", false
	}
	if device, ok := only(devices, func(d node.Device) bool { return string(d.ID) == id }); ok {
		return device, true
	}
	cut := strings.LastIndexByte(id, '-')
	if _, ok := number(id[cut+1:]); !ok {
		return "", false
	}
	return only(devices, func(d node.Device) bool { return string(d.ID) == id[:cut] })
}

// gkeDevice finds a device by GKE's words: "nvidia0", "nvidia0/gi3", "nvidia0/vgpu2", "nvidia0/gi3/vgpu0".
func gkeDevice(id string, devices []node.Device) (node.DeviceID, bool) {
	parts := strings.Split(id, "/")
	minor, ok := numbered(parts[0], "nvidia")
	if !ok {
		return "", false
	}
	parts = parts[1:]
	if len(parts) > 0 {
		if _, ok := numbered(parts[len(parts)-1], "vgpu"); ok {
			parts = parts[:len(parts)-1]
		}
	}
	switch len(parts) {
	case 0:
		return physical(minor, devices)
	case 1:
		instance, ok := numbered(parts[0], "gi")
		if !ok {
			return "", false
		}
		return only(devices, func(d node.Device) bool {
			return d.Parent != "" && d.Minor == minor && d.GPUInstance == instance
		})
	}
	return "", false
}

// draDevice finds a device by the name NVIDIA's DRA driver gives it. The profile in the name is for people: the profile id
// and the placement say the same exactly.
func draDevice(name string, devices []node.Device) (node.DeviceID, bool) {
	rest, ok := strings.CutPrefix(name, "gpu-")
	if !ok {
		return "", false
	}
	rest, instance, isMIG := strings.Cut(rest, "-mig-")
	minor, ok := number(rest)
	if !ok {
		return "", false
	}
	if !isMIG {
		return physical(minor, devices)
	}
	parts := strings.Split(instance, "-")
	if len(parts) < 3 {
		return "", false
	}
	profile, ok := number(parts[len(parts)-2])
	if !ok {
		return "", false
	}
	start, ok := number(parts[len(parts)-1])
	if !ok {
		return "", false
	}
	return only(devices, func(d node.Device) bool {
		return d.Parent != "" && d.Minor == minor && d.ProfileID == profile && d.PlacementStart == start
	})
}

// physical finds a whole GPU by its minor number.
func physical(minor int, devices []node.Device) (node.DeviceID, bool) {
	return only(devices, func(d node.Device) bool { return d.Parent == "" && d.Minor == minor })
}

// only returns the one device that matches, and false where none or several do.
func only(devices []node.Device, match func(node.Device) bool) (node.DeviceID, bool) {
	var found node.DeviceID
	for i := range devices {
		if !match(devices[i]) {
			continue
		}
		if found != "" && found != devices[i].ID {
			return "", false
		}
		found = devices[i].ID
	}
	return found, found != ""
}

// numbered reads the number behind a prefix.
func numbered(text, prefix string) (int, bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return 0, false
	}
	return number(rest)
}

// number reads a decimal number as a plugin prints it: no sign, no leading zero.
func number(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	return int(n), true
}
