package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gpusignal/scaling"
)

// workloadView is one signal of a workload's pods on this node as one number.
type workloadView struct {
	Namespace   string `json:"namespace"`
	Kind        string `json:"workload_kind"`
	Name        string `json:"workload"`
	Signal      string `json:"signal"`
	Aggregation string `json:"aggregation"`
	// Pods of the workload on this node that have the signal, at least 1.
	Pods  int     `json:"pods"`
	Value float64 `json:"value"`
}

// aggregations make one number of the values of several pods, by name. There is at least one value.
func aggregations() map[string]func(values []float64) float64 {
	return map[string]func(values []float64) float64{
		"mean": func(values []float64) float64 { return sum(values) / float64(len(values)) },
		"sum":  sum,
		"max":  slices.Max[[]float64],
	}
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// serveWorkload answers one signal of a workload's pods on this node: the mean, or what the last part of the path says. A node
// without a pod that has the signal answers 404, so that who asks every node leaves this one out; a node that cannot know its pods'
// workloads does as well.
func (w *Web) serveWorkload(out http.ResponseWriter, request *http.Request) {
	v := workloadView{
		Namespace: request.PathValue("namespace"), Kind: request.PathValue("kind"), Name: request.PathValue("name"),
		Signal: strings.TrimPrefix(request.PathValue("signal"), "gpusignal_"), Aggregation: request.PathValue("aggregation"),
	}
	if v.Aggregation == "" {
		v.Aggregation = "mean"
	}
	aggregate, ok := aggregations()[v.Aggregation]
	if !ok {
		writeJSON(out, http.StatusNotFound, problem{fmt.Sprintf("no aggregation %q: leave it out for the mean, or ask for sum or max", v.Aggregation)})
		return
	}
	if !isSignal(v.Signal) {
		writeJSON(out, http.StatusNotFound, problem{fmt.Sprintf("no signal %q: docs/metrics.md names them, as requests_waiting or saturation_ratio", v.Signal)})
		return
	}
	var values []float64
	for _, pod := range scaling.Derive(w.cfg.Snapshot(), w.cfg.Targets()) {
		if pod.Pod.Namespace != v.Namespace || pod.Workload.Name != v.Name || !strings.EqualFold(pod.Workload.Kind, v.Kind) {
			continue
		}
		v.Kind = pod.Workload.Kind
		if value, ok := pod.Value(scaling.Name(v.Signal)); ok {
			values = append(values, value)
		}
	}
	if len(values) == 0 {
		writeJSON(out, http.StatusNotFound, problem{fmt.Sprintf("no pod of %s %q in namespace %q on this node has the signal %s: "+
			"/api/v1/explain/<namespace>/<pod> says why", v.Kind, v.Name, v.Namespace, v.Signal)})
		return
	}
	v.Pods, v.Value = len(values), aggregate(values)
	writeJSON(out, http.StatusOK, v)
}

func isSignal(name string) bool {
	for _, info := range scaling.Names() {
		if string(info.Name) == name {
			return true
		}
	}
	return false
}
