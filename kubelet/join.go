package kubelet

import (
	"cmp"
	"slices"

	"gpusignal/node"
)

// podName is all that the kubelet's pod-resources tell of a pod.
type podName struct{ namespace, name string }

// joiner makes claims of holdings: it resolves the ids and adds the UIDs of the pods.
type joiner struct {
	// uids are the pods that the names held so far were seen to belong to. A name stays while the kubelet lists it, so that
	// a pod that is gone from the pods source is told from one that has not arrived there yet.
	uids map[podName]string
}

// join returns the claims and the ids that name no device of this node, both sorted. A claim of a pod that a live pods
// source knows to be gone or ended is left out. While no source is live a name keeps the UID it had, and a new one has none.
func (j *joiner) join(held []holding, devices []node.Device, view *podView) ([]node.Claim, []node.Unmapped) {
	uids := j.owners(held, view)
	type key struct {
		container node.ContainerID
		device    node.DeviceID
		resource  string
	}
	weights := map[key]int{}
	unknown := map[string]bool{}
	for _, h := range held {
		uid, ok := uids[podName{h.namespace, h.pod}]
		if !ok {
			continue
		}
		device, reason := resolve(h.resource, h.id, devices)
		switch reason {
		case "":
			pod := node.PodID{UID: uid, Namespace: h.namespace, Name: h.pod}
			weights[key{node.ContainerID{Pod: pod, Name: h.container}, device, h.resource}]++
		case reasonUnknownID:
			unknown[h.id] = true
		}
	}
	// A device that comes under two resource names (by a device plugin and by DRA) is held once, not twice.
	merged := map[node.Claim]int{}
	for k, weight := range weights {
		claim := node.Claim{Container: k.container, Device: k.device}
		merged[claim] = max(merged[claim], weight)
	}
	claims := make([]node.Claim, 0, len(merged))
	for claim, weight := range merged {
		claim.Weight = weight
		claims = append(claims, claim)
	}
	slices.SortFunc(claims, compareClaims)
	return claims, unmapped(unknown)
}

// owners returns the UID of each name that may hold something: empty where it is not known, no entry where the pod is gone.
func (j *joiner) owners(held []holding, view *podView) map[podName]string {
	pods := podsByName(view.pods, j.uids)
	owners := make(map[podName]string, len(held))
	next := make(map[podName]string, len(held))
	for _, h := range held {
		name := podName{h.namespace, h.pod}
		if _, done := next[name]; done {
			continue
		}
		before := j.uids[name]
		next[name] = before
		if !view.live {
			owners[name] = before
			continue
		}
		pod, found := pods[name]
		switch {
		case found:
			next[name] = pod.ID.UID
			if !pod.Ended() {
				owners[name] = pod.ID.UID
			}
		case before == "":
			owners[name] = "" // Not seen yet: the list can be ahead of the pods source.
		}
	}
	j.uids = next
	return owners
}

// podsByName indexes pods. Of two with one name the one that has not ended counts, then the one known before, then the
// later in order.
func podsByName(pods []node.Pod, before map[podName]string) map[podName]node.Pod {
	byName := make(map[podName]node.Pod, len(pods))
	for _, pod := range pods {
		name := podName{pod.ID.Namespace, pod.ID.Name}
		other, double := byName[name]
		if double && !other.Ended() && (pod.Ended() || other.ID.UID == before[name]) {
			continue
		}
		byName[name] = pod
	}
	return byName
}

// unmapped lists unknown ids.
func unmapped(unknown map[string]bool) []node.Unmapped {
	list := make([]node.Unmapped, 0, len(unknown))
	for id := range unknown {
		list = append(list, node.Unmapped{Device: id, Reason: reasonUnknownID})
	}
	slices.SortFunc(list, func(a, b node.Unmapped) int { return cmp.Compare(a.Device, b.Device) })
	return list
}

// compareClaims orders claims by namespace, pod, container and device.
func compareClaims(a, b node.Claim) int {
	return cmp.Or(
		comparePods(a.Container.Pod, b.Container.Pod),
		cmp.Compare(a.Container.Name, b.Container.Name),
		cmp.Compare(a.Device, b.Device),
	)
}

// comparePods orders pods by namespace, name and UID.
func comparePods(a, b node.PodID) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
}

// unclaimedDevices lists the devices that no claim names, with a reason. A GPU that is cut into MIG instances cannot be
// claimed and is left out.
func unclaimedDevices(devices []node.Device, claims []node.Claim, reason string) []node.Unmapped {
	used := make(map[node.DeviceID]bool, len(claims)+len(devices))
	for _, claim := range claims {
		used[claim.Device] = true
	}
	for i := range devices {
		if devices[i].Parent != "" {
			used[devices[i].Parent] = true
		}
	}
	var list []node.Unmapped
	for i := range devices {
		if !used[devices[i].ID] {
			list = append(list, node.Unmapped{Device: string(devices[i].ID), Reason: reason})
		}
	}
	slices.SortFunc(list, func(a, b node.Unmapped) int { return cmp.Compare(a.Device, b.Device) })
	return list
}
