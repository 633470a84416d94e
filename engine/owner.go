package engine

import (
	"fmt"
	"net/url"
	"strings"

	"gpusignal/node"
)

// word is how strong the word is that gives an address to a pod; the lower one beats the higher.
type word int

const (
	byOperator word = iota
	byAnnotation
	bySearch
)

// owner is the pod that an address is given to by the strongest word. Several is another one to which it is given by a word
// as strong, if there is one.
type owner struct {
	pod     node.PodID
	word    word
	several *node.PodID
}

// owners says whose each address is: an (address, port) belongs to one pod, or the same server would count twice.
type owners map[string]*owner

func (o owners) give(t *target, w word) {
	at := authority(t.URL)
	if t.fault != "" || at == "" {
		return
	}
	switch first := o[at]; {
	case first == nil || w < first.word:
		o[at] = &owner{pod: t.Pod, word: w}
	case w == first.word && differ(first.pod, t.Pod):
		first.several = &t.Pod
	}
}

// judge marks a target whose address is not its pod's alone.
func (o owners) judge(t *target, w word) {
	at := authority(t.URL)
	first := o[at]
	switch {
	case t.fault != "" || first == nil:
	case first.several != nil:
		t.fault, t.detail = FaultAmbiguous, fmt.Sprintf("pods %s and %s both announce %s", nameOf(first.pod), nameOf(*first.several), at)
	case w > first.word && differ(first.pod, t.Pod):
		t.fault, t.detail = FaultAmbiguous, fmt.Sprintf("%s is given to %s by %s", at, nameOf(first.pod),
			[...]string{"the configuration", "the annotations of that pod"}[first.word])
	}
}

// settle marks the targets and the steps of searches whose address is not their pod's alone.
func settle(static, named []target, searches []search) {
	o := make(owners)
	each := func(do func(*target, word)) {
		for i := range static {
			do(&static[i], byOperator)
		}
		for i := range named {
			do(&named[i], byAnnotation)
		}
		for i := range searches {
			for _, st := range searches[i].steps {
				for j := range st.targets {
					do(&st.targets[j], bySearch)
				}
			}
		}
	}
	each(o.give)
	each(o.judge)
}

// differ says whether two ids are of different pods.
func differ(a, b node.PodID) bool {
	return a.Namespace != b.Namespace || a.Name != b.Name || another(a.UID, b.UID)
}

// nameOf a pod for people: an endpoint without a pod goes by its host and port.
func nameOf(pod node.PodID) string { return strings.TrimPrefix(pod.Namespace+"/"+pod.Name, "/") }

// authority of a URL, "10.1.2.3:8000"; empty where it has none.
func authority(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
