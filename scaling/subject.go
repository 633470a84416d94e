package scaling

import (
	"slices"

	"gpusignal/node"
)

// subject is one pod with everything of the snapshot that speaks of it.
type subject struct {
	id       node.PodID
	pod      node.Pod
	claims   []node.Claim
	accounts []*node.Account // open ones
	servers  []*node.Server
	// held are the devices that the pod holds.
	held []node.DeviceID
}

// device is who holds a device, and how it is.
type device struct {
	state *node.DeviceState
	// holders are the pods that hold it, by name.
	holders []node.PodID
}

// podName is the key of a subject: at most one pod of a name lives at a time.
type podName struct{ namespace, name string }

func nameOf(id node.PodID) podName { return podName{id.Namespace, id.Name} }

// gather sorts the snapshot by pod and by device. What belongs to an earlier pod of the same name is left out.
func gather(s *node.Snapshot) ([]*subject, map[node.DeviceID]*device) {
	g := gathering{
		subjects: make(map[podName]*subject, len(s.Pods)+len(s.Servers)),
		devices:  make(map[node.DeviceID]*device, len(s.Devices)),
	}
	for i := range s.Devices {
		g.device(s.Devices[i].Device.ID).state = &s.Devices[i]
	}
	for _, pod := range s.Pods {
		g.pod(pod)
	}
	for _, claim := range s.Claims {
		if sub := g.of(claim.Container.Pod); sub != nil {
			sub.claims = append(sub.claims, claim)
			g.hold(sub, claim.Device)
		}
	}
	for i := range s.Accounts {
		account := &s.Accounts[i]
		if !account.Closed.IsZero() {
			continue
		}
		if sub := g.of(account.Container.Pod); sub != nil {
			sub.accounts = append(sub.accounts, account)
			g.hold(sub, account.Device)
		}
	}
	for i := range s.Servers {
		if sub := g.of(s.Servers[i].Pod); sub != nil {
			sub.servers = append(sub.servers, &s.Servers[i])
		}
	}
	return g.order, g.devices
}

type gathering struct {
	subjects map[podName]*subject
	order    []*subject
	devices  map[node.DeviceID]*device
}

// pod enters a pod. Of several with one name the one that still lives counts, else the later one.
func (g *gathering) pod(pod node.Pod) {
	sub := g.subjects[nameOf(pod.ID)]
	if sub == nil {
		sub = &subject{}
		g.subjects[nameOf(pod.ID)], g.order = sub, append(g.order, sub)
	} else if rank(pod) < rank(sub.pod) {
		return
	}
	sub.id, sub.pod = pod.ID, pod
}

// rank orders pods of one name by how much alive they are.
func rank(p node.Pod) int {
	switch {
	case p.Ended():
		return 0
	case !p.Deleted.IsZero():
		return 1
	default:
		return 2
	}
}

// of returns the subject that something about a pod belongs to, nil when it belongs to another pod of that name.
func (g *gathering) of(id node.PodID) *subject {
	sub := g.subjects[nameOf(id)]
	if sub == nil {
		sub = &subject{id: id, pod: node.Pod{ID: id}}
		g.subjects[nameOf(id)], g.order = sub, append(g.order, sub)
		return sub
	}
	if id.UID != "" && sub.id.UID != "" && id.UID != sub.id.UID {
		return nil
	}
	if sub.id.UID == "" {
		sub.id.UID = id.UID
	}
	return sub
}

func (g *gathering) device(id node.DeviceID) *device {
	d := g.devices[id]
	if d == nil {
		d = &device{}
		g.devices[id] = d
	}
	return d
}

// hold notes that the pod holds the device.
func (g *gathering) hold(sub *subject, id node.DeviceID) {
	if slices.Contains(sub.held, id) {
		return
	}
	sub.held = append(sub.held, id)
	d := g.device(id)
	d.holders = append(d.holders, sub.id)
}
