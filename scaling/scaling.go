// Package scaling turns a snapshot of the node into what an autoscaler reads: the signals of each pod, the state of each
// model server, and how close to full each pod is. It is pure: it asks no clock, keeps nothing between calls and does no
// I/O, so that the same snapshot always gives the same signals.
package scaling

import (
	"cmp"
	"math"
	"slices"
	"time"

	"gpusignal/node"
)

// Pod is what is known of one pod for scaling.
type Pod struct {
	// Pod and the workload that scales it; the workload is empty where it is not known.
	Pod      node.PodID
	Workload node.Workload
	// Place of the pod in its workload.
	Place node.Place
	// Values of the signals the pod has, in the order of Names.
	Values []Value
	// Components of saturation that are present, in the order of ComponentNames.
	Components []Component
	// State of the model server; empty when the pod is none, when it is a worker of a group, or when its page could not be
	// read for so long that its state is not known.
	State State
	// Engine is the kind of the server ("vllm", "triton"), empty where it is not known.
	Engine string
	// Evidence says what makes the pod a server; empty when it is none.
	Evidence Evidence
	// Problems are, for people, what keeps a target or a signal from being used, and the way out.
	Problems []string
}

// Value is one signal of a pod. It is always finite and never negative.
type Value struct {
	Name  Name
	Value float64
}

// Component is one part of saturation: 1 is full.
type Component struct {
	// Name is one of ComponentNames.
	Name string
	// Value is what counts, uncapped, and always finite.
	Value float64
	// Input is what was measured, and Target what counts as full; Target is 0 where the component has none.
	Input, Target float64
	// Source says where the target comes from: "default", a rule of the configuration, an annotation, or the server's page.
	Source string
	// Age of the oldest reading in Input.
	Age time.Duration
}

// State of a model server.
type State string

// The states of a server. A pod is in one at a time; an earlier one hides a later.
const (
	Draining State = "draining" // the pod is being deleted
	Loading  State = "loading"  // no page of it has been good since its container started
	Stuck    State = "stuck"    // work in hand, and every work counter flat for five minutes
	Sleeping State = "sleeping" // the weights are off the GPU by command
	Ready    State = "ready"
)

// States returns every state, in alphabetical order.
func States() []State { return []State{Draining, Loading, Ready, Sleeping, Stuck} }

// Evidence is what makes a pod a model server.
type Evidence string

// The kinds of evidence, the strongest first.
const (
	ByPage       Evidence = "page"       // its page has been read
	ByAnnotation Evidence = "annotation" // gpusignal/engine on the pod
	// ByConfiguration is the engine given with an endpoint, by flag or file.
	ByConfiguration Evidence = "configuration"
	ByImage         Evidence = "image"     // the image of a container
	ByArguments     Evidence = "arguments" // the arguments of a container
)

// Cap is the greatest saturation that is published, so that one hot pod cannot ask for a hundred.
const Cap = 4

// stuckAfter is how long work is in hand and every counter flat before a server is called stuck.
const stuckAfter = 5 * time.Minute

// Derive returns the pods that have anything to say, sorted by namespace and name, one for each pair of them: every pod
// that holds a device, that is a model server, or that has a target set by hand which could be computed.
func Derive(s *node.Snapshot, targets Targets) []Pod {
	subjects, devices := gather(s)
	pods := make([]Pod, 0, len(subjects))
	for _, sub := range subjects {
		if pod, ok := derive(s.At, sub, devices, targets); ok {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(a, b Pod) int {
		return cmp.Or(cmp.Compare(a.Pod.Namespace, b.Pod.Namespace), cmp.Compare(a.Pod.Name, b.Pod.Name))
	})
	return pods
}

// derive returns what one pod says, and whether it says anything.
func derive(at time.Time, sub *subject, devices map[node.DeviceID]*device, targets Targets) (Pod, bool) {
	out := Pod{Pod: sub.id, Workload: sub.pod.Workload, Place: sub.pod.Place}
	if sub.pod.Ended() {
		return out, false
	}
	out.Evidence, out.Engine = detect(sub, targets.Kinds)
	isServer := out.Evidence != ""
	// A group is one server, and its leader speaks for it: a worker that serves no page would be loading for ever.
	answers := out.Place.Role != node.Worker
	if !sub.pod.Deleted.IsZero() {
		if answers {
			out.State = Draining
		}
		return out, isServer
	}
	target := targets.For(sub.pod)
	out.Problems = target.Problems

	gpu := readGPU(at, sub, devices)
	gpu.signals(&out)
	var view view
	if isServer {
		view = readServers(at, sub.servers)
		view.signals(&out)
	}
	if answers {
		if isServer {
			out.State = view.state()
		}
		saturate(&out, isServer, &view, gpu, target)
	}
	return out, isServer || len(sub.held) > 0 || len(out.Values) > 0 || len(out.Problems) > 0
}

// add appends a signal, unless its value is none that may be published.
func (p *Pod) add(name Name, value float64) {
	if publishable(value) {
		p.Values = append(p.Values, Value{name, value})
	}
}

// addKnown appends a signal if its value is known.
func (p *Pod) addKnown(name Name, value node.Opt[float64]) {
	if value.Known {
		p.add(name, value.Value)
	}
}

// Value returns the pod's signal of that name, and whether it has one.
func (p *Pod) Value(name Name) (float64, bool) {
	for _, v := range p.Values {
		if v.Name == name {
			return v.Value, true
		}
	}
	return 0, false
}

// publishable says that a value is a number an autoscaler may see.
func publishable(v float64) bool { return v >= 0 && !math.IsInf(v, 1) }
