package engine

import (
	"cmp"
	"slices"

	"gpusignal/node"
)

// subject is a pod, and what it tells of itself before any page is read.
type subject struct {
	*node.Pod
	// engine that the pod announces, else the one that its containers are of; empty for neither.
	engine string
	// holds says that it claims a GPU. The candidates are its containers that do, all of them where none does.
	holds      bool
	candidates []node.Container
	plans      []*plan
	kinds      []node.Kind
}

func subjectOf(pod *node.Pod, held holders, plans []*plan, kinds []node.Kind) *subject {
	s := &subject{
		Pod: pod, engine: pod.Annotations[annotationEngine], holds: held.any(pod), candidates: held.servers(pod),
		plans: plans, kinds: kinds,
	}
	if s.engine == "" {
		s.engine, _ = node.KindOf(kinds, pod.Containers)
	}
	return s
}

// serverKinds are those of the plans, in their order.
func serverKinds(plans []*plan) []node.Kind {
	kinds := make([]node.Kind, len(plans))
	for i, p := range plans {
		kinds[i] = p.dialect.Kind()
	}
	return kinds
}

// servers are the candidates that tell that they are model servers.
func (s *subject) servers() []node.Container {
	var servers []node.Container
	for i := range s.candidates {
		if kind, _ := node.KindOf(s.kinds, s.candidates[i:i+1]); kind != "" {
			servers = append(servers, s.candidates[i])
		}
	}
	return servers
}

// path of the page where no annotation gives it: that of the engine.
func (s *subject) path() string {
	if p := s.plan(); p != nil {
		return cmp.Or(p.dialect.Path, defaultPath)
	}
	return defaultPath
}

// plan of the engine, nil where it is not known.
func (s *subject) plan() *plan {
	i := slices.IndexFunc(s.plans, func(p *plan) bool { return p.dialect.Name == s.engine })
	if i < 0 {
		return nil
	}
	return s.plans[i]
}

// ports that the candidates declare.
func (s *subject) ports() []int {
	var ports []int
	for _, c := range s.candidates {
		for _, p := range c.Ports {
			if !slices.Contains(ports, p.Number) {
				ports = append(ports, p.Number)
			}
		}
	}
	return ports
}
