package kubelet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"gpusignal/node"
)

// pluginID is one device as a device plugin offers it.
type pluginID struct{ resource, id string }

// rivals are the pods that hold one device plugin's id.
type rivals struct {
	// latest is when a list first had the id with the pod that came last.
	latest time.Time
	// pods that came then, sorted.
	pods []string
}

// settle decides between pods that hold the same id of a device plugin. The kubelet gives an id to one pod at a time, and to
// the next when that has ended, but kubelets up to 1.33 go on listing ended pods (kubernetes/kubernetes#132020). So the pod
// that lists began to name later holds it. Of pods that came with the same list nobody can tell which: all of them stay,
// and the second result says so. A DRA claim may be shared, so DRA devices have no rivals.
func settle(held []holding) ([]holding, []node.Unmapped) {
	byID := map[pluginID]*rivals{}
	for _, h := range held {
		if h.pool != "" || h.resource == draDriver {
			continue
		}
		key := pluginID{h.resource, h.id}
		r := byID[key]
		if r == nil {
			r = &rivals{}
			byID[key] = r
		}
		switch h.since.Compare(r.latest) {
		case 1:
			r.latest, r.pods = h.since, []string{h.owner()}
		case 0:
			if i, there := slices.BinarySearch(r.pods, h.owner()); !there {
				r.pods = slices.Insert(r.pods, i, h.owner())
			}
		}
	}
	held = slices.DeleteFunc(held, func(h holding) bool {
		r := byID[pluginID{h.resource, h.id}]
		return r != nil && !slices.Contains(r.pods, h.owner())
	})
	var conflicts []node.Unmapped
	for key, r := range byID {
		if len(r.pods) > 1 {
			conflicts = append(conflicts, node.Unmapped{Device: key.id, Reason: reasonConflict, Detail: fmt.Sprintf("the kubelet lists "+
				"%s with %s, which only one of them can hold; use is split between them until the kubelet lists one alone, or a source "+
				"of pods tells which has ended (see --kubernetes.pods)", strings.Join(r.pods, " and "), key.id)})
		}
	}
	slices.SortFunc(conflicts, func(a, b node.Unmapped) int { return cmp.Compare(a.Device, b.Device) })
	return held, conflicts
}
