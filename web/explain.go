package web

import (
	"fmt"

	"gpusignal/node"
	"gpusignal/scaling"
)

// problem is the body of an answer that is an error.
type problem struct {
	Error string `json:"error"`
}

// explanation says why a pod is as saturated as it is.
type explanation struct {
	Namespace    string `json:"namespace"`
	Pod          string `json:"pod"`
	WorkloadKind string `json:"workload_kind"`
	Workload     string `json:"workload"`
	// State is null for a pod that is no server, or one whose state is not known any more.
	State    *string `json:"state"`
	Role     string  `json:"role"`
	Engine   string  `json:"engine"`
	Evidence string  `json:"evidence"`
	// Saturation is null where it is not published, with the reasons in problems.
	Saturation *float64           `json:"saturation"`
	Components []componentView    `json:"components"`
	Signals    map[string]float64 `json:"signals"`
	Problems   []string           `json:"problems"`
}

// componentView is one component of saturation.
type componentView struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Input float64 `json:"input"`
	// Target is null where the component has none.
	Target       *float64 `json:"target"`
	TargetSource string   `json:"target_source"`
	AgeSeconds   float64  `json:"age_seconds"`
	// Decides marks the greatest component: saturation is it, up to the cap.
	Decides bool `json:"decides"`
}

func explain(pod scaling.Pod) explanation {
	out := explanation{
		Namespace: pod.Pod.Namespace, Pod: pod.Pod.Name, WorkloadKind: pod.Workload.Kind, Workload: pod.Workload.Name,
		Role: string(pod.Place.Role), Engine: pod.Engine, Evidence: string(pod.Evidence),
		Components: []componentView{}, Signals: make(map[string]float64), Problems: append([]string{}, pod.Problems...),
	}
	if pod.State != "" {
		out.State = new(string(pod.State))
	}
	for _, v := range pod.Values {
		out.Signals[string(v.Name)] = v.Value
	}
	if v, ok := pod.Value(scaling.Saturation); ok {
		out.Saturation = &v
	} else {
		out.Problems = append(out.Problems, whyNone(pod))
	}
	decides := decisive(pod)
	for i, c := range pod.Components {
		view := componentView{Decides: i == decides, Name: c.Name, Value: c.Value, Input: c.Input, TargetSource: c.Source, AgeSeconds: c.Age.Seconds()}
		if c.Target > 0 {
			view.Target = new(c.Target)
		}
		out.Components = append(out.Components, view)
	}
	return out
}

// explainUnread explains a pod of which nothing is known but an endpoint that does not make it a server.
func explainUnread(s *node.Server) explanation {
	return explanation{
		Namespace: s.Pod.Namespace, Pod: s.Pod.Name, Components: []componentView{}, Signals: make(map[string]float64),
		Problems: []string{fmt.Sprintf("no saturation: nothing says yet that the pod is a model server, and its metrics page %s is not read (%s: %s); "+
			"if it is one, say which with the annotation gpusignal/engine or engine= of the endpoint", address(s.URL), s.Fault, s.Detail)},
	}
}

// decisive returns the place of the greatest component, the first of equal ones, and -1 where there is none.
func decisive(pod scaling.Pod) int {
	at := -1
	for i, c := range pod.Components {
		if at < 0 || c.Value > pod.Components[at].Value {
			at = i
		}
	}
	return at
}

// whyNone says why a pod has no saturation.
func whyNone(pod scaling.Pod) string {
	switch {
	case pod.Place.Role == node.Worker:
		return "no saturation: the pod is a worker of a group; its leader speaks for the group"
	case pod.State == scaling.Draining:
		return "no saturation: the pod is being deleted"
	case pod.State == scaling.Loading:
		return "no saturation: no metrics page of the server has been read since its container started; /api/v1/node shows how reading it goes"
	case pod.Evidence != "" && pod.State == "":
		return "no saturation: the metrics page of the server has not been read for too long; /api/v1/node shows why"
	case len(pod.Components) == 0:
		return "no saturation: nothing says what counts as full for this pod; set a target in the configuration, or by annotation, for example gpusignal/queue-time-target: \"0.1\""
	default:
		return "no saturation: the input of a component is not known, or the first signal window is not full yet"
	}
}
