package kubelet

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gpusignal/node"
)

// podSource is one of the two places that pods come from.
type podSource int

const (
	fromKubelet podSource = iota
	fromAPI
	podSources // how many there are
)

// podView is what is published of pods. It is never changed.
type podView struct {
	pods []node.Pod
	// source of the pods, of use only after the first of them has been live.
	source podSource
	// live says that the source tells of every change as it happens.
	live bool
	// lost is when the last live source was lost, zero before any was live.
	lost time.Time
}

// alive says whether the pods may still be shown.
func (v *podView) alive(at time.Time) bool {
	return v.live || !v.lost.IsZero() && at.Sub(v.lost) <= grace
}

// podBook takes the pods of both sources and publishes those of the better one.
type podBook struct {
	// changed is called after every publication, on the goroutine of the source.
	changed func()
	view    atomic.Pointer[podView]

	mu      sync.Mutex
	sources [podSources]podList
	// steady says that the kubelet has told of pods for so long without a break that its pods may replace the API server's.
	steady bool
}

// podList is what one source says.
type podList struct {
	pods []node.Pod
	live bool
}

// newPodBook returns a book without pods.
func newPodBook() *podBook {
	b := &podBook{changed: func() {}}
	b.view.Store(&podView{})
	return b
}

// put takes all pods of a source, which is live with this.
func (b *podBook) put(source podSource, pods map[string]node.Pod) {
	list := make([]node.Pod, 0, len(pods))
	for _, pod := range pods {
		list = append(list, pod)
	}
	slices.SortFunc(list, func(a, c node.Pod) int { return comparePods(a.ID, c.ID) })
	b.mu.Lock()
	b.sources[source] = podList{pods: list, live: true}
	b.publish(time.Now())
	b.mu.Unlock()
	b.changed()
}

// lose notes that a source is not live any more.
func (b *podBook) lose(source podSource) {
	b.mu.Lock()
	was := b.sources[source].live
	b.sources[source] = podList{}
	b.steady = b.steady && source != fromKubelet
	if was {
		b.publish(time.Now())
	}
	b.mu.Unlock()
	if was {
		b.changed()
	}
}

// settle notes that the kubelet has told of pods for so long that it is to be believed again.
func (b *podBook) settle() {
	b.mu.Lock()
	b.steady = b.sources[fromKubelet].live
	b.publish(time.Now())
	b.mu.Unlock()
	b.changed()
}

// publish chooses the source: the kubelet once it is steady, else the one whose pods are shown while it is live, so that a
// source that comes and goes does not take its pods with it. Without a live one the last pods stand, and their age begins.
// The caller holds mu.
func (b *podBook) publish(at time.Time) {
	before := b.view.Load()
	order := []podSource{before.source, fromKubelet, fromAPI}
	if b.steady {
		order[0] = fromKubelet
	}
	for _, source := range order {
		if list := b.sources[source]; list.live {
			b.view.Store(&podView{pods: keepIdentity(list.pods, before.pods), source: source, live: true})
			return
		}
	}
	if before.live {
		b.view.Store(&podView{pods: before.pods, source: before.source, lost: at})
	}
}

// keepIdentity gives each pod the workload, and its place there, that it had before: once resolved for a UID it never
// changes. The pods are ours to write to.
func keepIdentity(pods, before []node.Pod) []node.Pod {
	if len(before) == 0 {
		return pods
	}
	known := identities(before)
	pods = slices.Clone(pods)
	for i := range pods {
		if was := known[pods[i].ID.UID]; was.workload != (node.Workload{}) {
			pods[i].Workload, pods[i].Place = was.workload, was.place
		}
	}
	return pods
}

// identity is what of a pod never changes once it is known.
type identity struct {
	workload node.Workload
	place    node.Place
}

// identities returns those of pods, by UID.
func identities(pods []node.Pod) map[string]identity {
	known := make(map[string]identity, len(pods))
	for i := range pods {
		known[pods[i].ID.UID] = identity{pods[i].Workload, pods[i].Place}
	}
	return known
}

// namesOnly makes pods of claims, for when no source tells of pods: names, and the UID, workload and place of a pod known
// before.
func namesOnly(claims []node.Claim, before []node.Pod) []node.Pod {
	known := identities(before)
	var pods []node.Pod
	for _, claim := range claims {
		id := claim.Container.Pod
		if n := len(pods); n > 0 && pods[n-1].ID == id {
			continue
		}
		pod := node.Pod{ID: id}
		if id.UID != "" {
			pod.Workload, pod.Place = known[id.UID].workload, known[id.UID].place
		}
		pods = append(pods, pod)
	}
	return pods
}
