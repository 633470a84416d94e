package kubelet

import (
	"cmp"
	"slices"

	"gpusignal/node"
)

// Reasons why the owner of a device is not known. docs/attribution.md says what each means and the way out of it.
const (
	reasonUnclaimed = "unclaimed"
	// reasonUnknownID marks a GPU id that fits no device of this node, or more than one.
	reasonUnknownID  = "unknown_id"
	reasonSourceDown = "source_down"
	// reasonRestarted marks a device that nobody claims by the list of a kubelet that has just restarted, which may not have
	// got to it yet.
	reasonRestarted = "kubelet_restarted"
	// reasonEnded marks a device that the kubelet lists with pods that have ended or are gone, and with no other.
	reasonEnded = "pod_ended"
	// reasonConflict marks an id that several pods hold and only one can.
	reasonConflict = "conflict"
	// reasonDivided marks a GPU that is cut into MIG instances: they have owners, it has none.
	reasonDivided = "divided"
)

// lack is why no device is claimed that could be, for people.
type lack struct{ reason, detail string }

// lackOf says why a device that no claim names has none, by how the kubelet stands: whether it ever listed its pods, did so
// lately, may not have listed all of them, and listed ids that fit no device.
func lackOf(listed, fresh, doubtful, unknown bool) lack {
	switch {
	case !listed:
		return lack{reasonSourceDown, "the kubelet has not listed its pods yet; source kubelet says why"}
	case !fresh:
		return lack{reasonSourceDown, "the kubelet does not answer any more, and nobody held the device when it last did; source kubelet says why"}
	case doubtful:
		return lack{reasonRestarted, "the kubelet has just restarted and may not list every pod yet; wait a minute"}
	case unknown:
		return lack{reasonUnclaimed, "no container is known to hold it, but pods hold ids that fit no GPU of this node (unknown_id): it may " +
			"be one of those"}
	}
	return lack{reasonUnclaimed, "no container that the kubelet lists asks for it: it is free, or in use by an init container or by a " +
		"process outside of Kubernetes; a pod gets it by a limit of nvidia.com/gpu or a resource claim"}
}

// ownerless lists the devices that no claim names, sorted, each with the reason. Left are those that the kubelet lists with
// pods which are gone: device to detail.
func ownerless(devices []node.Device, claims []node.Claim, left map[node.DeviceID]string, l lack) []node.Unmapped {
	claimed := make(map[node.DeviceID]bool, len(claims))
	for _, claim := range claims {
		claimed[claim.Device] = true
	}
	divided := map[node.DeviceID]bool{}
	for i := range devices {
		divided[devices[i].Parent] = true
	}
	var list []node.Unmapped
	for i := range devices {
		id := devices[i].ID
		u := node.Unmapped{Device: string(id), Reason: l.reason, Detail: l.detail}
		switch detail, ended := left[id]; {
		case claimed[id]:
			continue
		case divided[id]:
			u.Reason, u.Detail = reasonDivided, "it is cut into MIG instances, and those have owners; nothing is to be done"
		case ended && l.reason != reasonSourceDown:
			u.Reason, u.Detail = reasonEnded, detail
		}
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b node.Unmapped) int { return cmp.Compare(a.Device, b.Device) })
	return list
}
