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

// joined is what a list of the kubelet and the pods make together.
type joined struct {
	// claims, sorted.
	claims []node.Claim
	// odd are the ids that name no device of this node, and those of which it is not known who holds them, each sorted.
	odd []node.Unmapped
	// left are the devices that the kubelet lists with pods which have ended or are gone, and why nobody holds them.
	left map[node.DeviceID]string
	// unknown says that ids are among the odd that fit no device, and unresolved that one of them is of NVIDIA's DRA driver.
	unknown, unresolved bool
}

// join makes claims of what the kubelet lists. A claim of a pod that a live pods source knows to be gone or ended is left
// out. While no source is live a name keeps the UID it had, and a new one has none.
func (j *joiner) join(held []holding, devices []node.Device, view *podView, published sliceIndex) joined {
	uids := j.owners(held, view)
	out := joined{left: map[node.DeviceID]string{}}
	alive := make([]holding, 0, len(held))
	for _, h := range held {
		if _, ok := uids[h.name()]; ok {
			alive = append(alive, h)
		} else if device, reason := published.resolve(h.allocation, devices); reason == "" && h.missing.IsZero() {
			out.left[device] = h.owner() + " has ended or is gone, but the kubelet still lists it with the device: kubelets up to 1.33 " +
				"do so until the pod is deleted; delete the pod, or upgrade"
		}
	}
	alive, conflicts := settle(alive)
	sum := weights{}
	unknown := map[string]bool{}
	for _, h := range alive {
		device, reason := published.resolve(h.allocation, devices)
		switch reason {
		case "":
			pod := node.PodID{UID: uids[h.name()], Namespace: h.namespace, Name: h.pod}
			sum[weightKey{node.ContainerID{Pod: pod, Name: h.container}, device, h.resource}]++
		case reasonUnknownID:
			unknown[h.id] = true
			out.unresolved = out.unresolved || h.resource == draDriver
		}
	}
	out.claims, out.odd, out.unknown = sum.claims(), append(conflicts, unknownIDs(unknown)...), len(unknown) > 0
	return out
}

// name is the pod's name.
func (a allocation) name() podName { return podName{a.namespace, a.pod} }

// weights count what each container holds of each device under each resource name.
type weights map[weightKey]int

type weightKey struct {
	container node.ContainerID
	device    node.DeviceID
	resource  string
}

// claims returns the claims, sorted. A device that comes under two resource names (by a device plugin and by DRA) is held
// once, not twice.
func (w weights) claims() []node.Claim {
	merged := map[node.Claim]int{}
	for k, weight := range w {
		claim := node.Claim{Container: k.container, Device: k.device}
		merged[claim] = max(merged[claim], weight)
	}
	claims := make([]node.Claim, 0, len(merged))
	for claim, weight := range merged {
		claim.Weight = weight
		claims = append(claims, claim)
	}
	slices.SortFunc(claims, compareClaims)
	return claims
}

// owners returns the UID of each name that may hold something: empty where it is not known, no entry where the pod is gone.
func (j *joiner) owners(held []holding, view *podView) map[podName]string {
	pods := podsByName(view.pods, j.uids)
	owners := make(map[podName]string, len(held))
	next := make(map[podName]string, len(held))
	for _, h := range held {
		name := h.name()
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

// unknownIDs lists ids that name no device of this node.
func unknownIDs(unknown map[string]bool) []node.Unmapped {
	list := make([]node.Unmapped, 0, len(unknown))
	for id := range unknown {
		list = append(list, node.Unmapped{Device: id, Reason: reasonUnknownID, Detail: "a pod holds this id, and no GPU of this node has " +
			"it: the GPU is lost or new to the driver, or the device plugin or DRA driver writes ids of another form"})
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
