package engine

import (
	"fmt"
	"slices"
	"strings"

	"gpusignal/node"
)

// holders are the containers that claim a GPU, by namespace and name of their pod.
type holders map[[2]string][]node.ContainerID

func holdersOf(claims []node.Claim) holders {
	h := make(holders, len(claims))
	for _, c := range claims {
		name := [2]string{c.Container.Pod.Namespace, c.Container.Pod.Name}
		h[name] = append(h[name], c.Container)
	}
	return h
}

// holds says whether a container of the pod claims a GPU.
func (h holders) holds(pod node.PodID, container string) bool {
	return slices.ContainsFunc(h[[2]string{pod.Namespace, pod.Name}], func(c node.ContainerID) bool {
		return c.Name == container && !another(c.Pod.UID, pod.UID)
	})
}

// any says whether any container of the pod claims a GPU.
func (h holders) any(pod *node.Pod) bool {
	return slices.ContainsFunc(pod.Containers, func(c node.Container) bool { return h.holds(pod.ID, c.Name) })
}

// servers are the containers of the pod that claim a GPU, all of them where none does.
func (h holders) servers(pod *node.Pod) []node.Container {
	if !h.any(pod) {
		return pod.Containers
	}
	return slices.DeleteFunc(slices.Clone(pod.Containers), func(c node.Container) bool { return !h.holds(pod.ID, c.Name) })
}

// search is where the pages of one pod may be that does not name them by our own annotations. A page decides by itself
// whether it is an engine's.
type search struct {
	pod node.PodID
	// steps are tried in their order, until one has an engine's page.
	steps []step
	// sure says that a container of the pod's is a model server's by its image or command line, and the pod no worker of a group: it
	// runs what its leader does, and serves nothing by itself. holds says that the pod claims a GPU.
	sure, holds bool
	// state changes when the pod or one of its containers does.
	state string
}

// step is one way to find pages. All of a step's pages that are an engine's are read, with one only the first.
type step struct {
	by      string
	targets []target
	one     bool
}

// searchOf returns where to search. A pod that claims no GPU is asked only where it announces a page to Prometheus.
func searchOf(pod *subject) search {
	s := search{pod: pod.ID, holds: pod.holds, sure: pod.engine != "" && pod.Place.Role != node.Worker}
	if pod.Annotations[prometheusPrefix+"scrape"] == "true" {
		s.announced(pod, prometheusPrefix)
	}
	if has(pod.Pod, kservePrefix+"port") {
		s.announced(pod, kservePrefix)
	}
	if s.holds {
		servers := pod.servers()
		s.add(byDeclared, pod, namedPorts(pod, servers))
		s.add(byArgument, pod, argumentPorts(pod, servers))
		s.add(byWellKnown, pod, wellKnownPorts(pod))
	}
	s.state = stateOf(pod.Pod)
	return s
}

// announced adds the page that annotations of others announce. One that is spelled wrong is a fault of a model server's pod
// only: of any other it is not ours to tell.
func (s *search) announced(pod *subject, prefix string) {
	ports, err := portsOf(pod, prefix)
	base := target{Endpoint: Endpoint{Pod: pod.ID}, by: prefix, own: true}
	switch {
	case err == nil:
		s.steps = append(s.steps, step{by: prefix, targets: at(base, pod, prefix, ports)})
	case (s.holds || s.sure) && pod.Annotations[prefix+"port"] != "":
		base.fault, base.detail = FaultConfig, err.Error()
		s.steps = append(s.steps, step{by: prefix, targets: []target{base}})
	}
}

// add a step of ports that no step before has, at the default path.
func (s *search) add(by string, pod *subject, ports []int) {
	base := target{Endpoint: Endpoint{Pod: pod.ID}, by: by, own: true}
	st := step{by: by, one: by == byWellKnown}
	for _, t := range at(base, pod, "", ports) {
		if !s.has(t.URL) && !st.has(t.URL) {
			st.targets = append(st.targets, t)
		}
	}
	if len(st.targets) > 0 {
		s.steps = append(s.steps, st)
	}
}

func (s *search) has(url string) bool {
	return slices.ContainsFunc(s.steps, func(st step) bool { return st.has(url) })
}

func (st *step) has(url string) bool {
	return slices.ContainsFunc(st.targets, func(t target) bool { return t.URL == url })
}

// places are all URLs to try, and why one is not.
func (s *search) places() []string {
	var places []string
	for _, st := range s.steps {
		for _, t := range st.targets {
			places = append(places, t.URL+" "+t.fault)
		}
	}
	return places
}

// told says whether anybody wants to know how the search goes. Whoever asks Prometheus to scrape it may be anything.
func (s *search) told() bool { return s.sure || s.holds }

// report what became of the search, by the first that answered at all, else the first that was asked. Unless the pod tells
// that it is a model server, it is no fault that no engine answers.
func (s *search) report(answers []answer) *node.Server {
	first := answers[max(0, slices.IndexFunc(answers, func(a answer) bool { return !a.silent() }))]
	kind := first.kind
	if !s.sure {
		switch kind {
		case FaultRefused, FaultReset, FaultUnreachable:
			kind = FaultNoPage
		case FaultMalformed, FaultNotFound, FaultRedirect, FaultStatus, FaultCompressed:
			kind = FaultNoEngine
		}
	}
	var at []string
	for _, a := range answers {
		at = append(at, authority(a.URL))
	}
	detail := first.detail
	if len(at) > 1 {
		detail += " (asked at " + strings.Join(at, ", ") + ")"
	}
	return &node.Server{Pod: s.pod, URL: first.URL, Found: first.by, Quiet: !s.sure, Fault: kind, Detail: explain(detail, kind)}
}

// namedPorts are those that a container with a GPU declares under a name that says HTTP, and all that the model servers among
// them declare. Others are left alone: what listens there may not bear an HTTP request.
func namedPorts(pod *subject, servers []node.Container) []int {
	var ports []int
	add := func(containers []node.Container, name string) {
		for _, c := range containers {
			for _, p := range c.Ports {
				if (name == "" || p.Name == name) && !slices.Contains(ports, p.Number) {
					ports = append(ports, p.Number)
				}
			}
		}
	}
	for _, name := range [...]string{"metrics", "http-metrics", "http"} {
		add(pod.candidates, name)
	}
	add(servers, "")
	return ports
}

// argumentPorts are those that the arguments of model servers set. On the host's network none counts.
func argumentPorts(pod *subject, servers []node.Container) []int {
	var ports []int
	if pod.HostNetwork {
		return nil
	}
	for _, c := range servers {
		for _, flag := range [...]string{"--metrics-port", "--port"} {
			if v, ok := argument(c.Args, flag); ok && v <= 65535 {
				ports = append(ports, int(v))
			}
		}
	}
	return ports
}

// wellKnownPorts are those of the dialects, first that of the pod's engine. On the host's network anybody may listen there:
// only those count that the pod declares.
func wellKnownPorts(pod *subject) []int {
	var first, rest []int
	declared := pod.ports()
	for _, p := range pod.plans {
		port := p.dialect.Port
		switch {
		case port == 0 || pod.HostNetwork && !slices.Contains(declared, port):
		case p.dialect.Name == pod.engine:
			first = append(first, port)
		default:
			rest = append(rest, port)
		}
	}
	return append(first, rest...)
}

// stateOf tells one state of the pod and its containers from another.
func stateOf(pod *node.Pod) string {
	var b strings.Builder
	fmt.Fprint(&b, pod.ID.UID, host(pod), pod.Ready)
	for _, c := range pod.Containers {
		fmt.Fprint(&b, " ", c.Name, c.Started.Unix(), c.Ready, c.Restarts)
	}
	return b.String()
}
