package collector

import (
	"gpusignal/node"
	"gpusignal/scaling"
)

// podRow is one pod, and how far its values have been written: they come in the order of the families.
type podRow struct {
	pod    *scaling.Pod
	labels *labelSet
	next   int
}

// signalPart is the families of signals, one series a pod, and their details.
type signalPart struct {
	names      []scaling.Name
	signals    []desc
	components desc
	states     desc
	all        []scaling.State

	labels *labelNames
	rows   []podRow
}

// signalLabels are the labels of a signal.
func signalLabels() *labelNames {
	return newLabelNames("namespace", "pod", "workload_kind", "workload")
}

func newSignalPart() *signalPart {
	l := signalLabels()
	s := &signalPart{
		labels: l, all: scaling.States(),
		components: gaugeDesc(l.with("component"), "saturation_component_ratio",
			"One component of the pod's saturation, 1 at its target, not capped; saturation is the greatest of them."),
		states: gaugeDesc(l.with("state"), "pod_state",
			"Whether the pod's model server is in a state; one of a pod's states is 1. A pod that is being deleted has the state draining alone."),
	}
	for _, info := range scaling.Names() {
		s.names = append(s.names, info.Name)
		s.signals = append(s.signals, gaugeDesc(l, string(info.Name), info.Help))
	}
	return s
}

func (s *signalPart) describe() []*desc {
	all := []*desc{&s.components, &s.states}
	for i := range s.signals {
		all = append(all, &s.signals[i])
	}
	return all
}

func (s *signalPart) write(p *page, _ *node.Snapshot, pods []scaling.Pod) {
	s.rows = s.rows[:0]
	for i := range pods {
		s.rows = append(s.rows, podRow{pod: &pods[i], labels: p.labels.of(s.labels, podValues(&pods[i]))})
	}
	for i, name := range s.names {
		p.begin(&s.signals[i])
		for j := range s.rows {
			row := &s.rows[j]
			if row.next < len(row.pod.Values) && row.pod.Values[row.next].Name == name {
				p.put(row.labels, row.pod.Values[row.next].Value)
				row.next++
			}
		}
		p.end()
	}
	s.writeComponents(p)
	s.writeStates(p)
	clear(s.rows)
}

func (s *signalPart) writeComponents(p *page) {
	p.begin(&s.components)
	for i := range s.rows {
		for _, c := range s.rows[i].pod.Components {
			p.put(p.labels.child(s.components.labels, s.rows[i].labels, c.Name), c.Value)
		}
	}
	p.end()
}

func (s *signalPart) writeStates(p *page) {
	p.begin(&s.states)
	for i := range s.rows {
		current := s.rows[i].pod.State
		for _, state := range s.all {
			if current == "" || current == scaling.Draining && state != current {
				continue
			}
			p.put(p.labels.child(s.states.labels, s.rows[i].labels, string(state)), truth(state == current))
		}
	}
	p.end()
}

func podValues(pod *scaling.Pod) values {
	return values{pod.Pod.Namespace, pod.Pod.Name, pod.Workload.Kind, pod.Workload.Name}
}

// infoPart is what describes a pod: it changes seldom, and stays out of what is asked often.
type infoPart struct {
	node string
	info desc
}

func newInfoPart(nodeName string) *infoPart {
	return &infoPart{node: nodeName, info: gaugeDesc(signalLabels().with("role", "group", "part_of", "engine", "evidence", "node"), "pod_info",
		"What the pod is; always 1. Role in its workload: leader or worker of a group, prefill, decode; part_of is what the workload was made for. "+
			"Evidence says what makes it a model server: page, annotation, configuration, image, arguments; empty where it is none.")}
}

func (i *infoPart) describe() []*desc { return []*desc{&i.info} }

func (i *infoPart) write(p *page, _ *node.Snapshot, pods []scaling.Pod) {
	p.begin(&i.info)
	for j := range pods {
		pod := &pods[j]
		p.put(p.labels.of(i.info.labels, values{
			pod.Pod.Namespace, pod.Pod.Name, pod.Workload.Kind, pod.Workload.Name,
			string(pod.Place.Role), pod.Place.Group, pod.Place.PartOf.String(), pod.Engine, string(pod.Evidence), i.node,
		}), 1)
	}
	p.end()
}
