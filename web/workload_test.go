package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// replicas is a node with three servers of Deployment chat/llm, which have 10, 20 and 60 requests waiting; one is being deleted, and
// one of another workload in the same namespace has 100.
func replicas() *node.Snapshot {
	s := busyNode()
	pod, server := s.Pods[0], s.Servers[0]
	s.Pods, s.Servers = nil, nil
	for i, waiting := range []float64{10, 20, 60, 100} {
		p, sv := pod, server
		p.ID = node.PodID{UID: fmt.Sprint("u", i), Namespace: "chat", Name: fmt.Sprint("llm-", i)}
		if i == 3 {
			p.Workload.Name = "other"
		}
		model := server.Models[0]
		model.Waiting = node.Some(node.Gauge{Last: waiting, Mean: waiting, Peak: waiting})
		sv.Pod, sv.Models = p.ID, []node.Model{model}
		s.Pods, s.Servers = append(s.Pods, p), append(s.Servers, sv)
	}
	leaving := pod
	leaving.ID, leaving.Deleted = node.PodID{UID: "u9", Namespace: "chat", Name: "llm-9"}, at
	s.Pods = append(s.Pods, leaving)
	return s
}

func TestWorkload(t *testing.T) {
	h := handlerOf(replicas(), at)
	for path, want := range map[string]workloadView{
		"requests_waiting":               {Aggregation: "mean", Value: 30},
		"requests_waiting/mean":          {Aggregation: "mean", Value: 30},
		"requests_waiting/sum":           {Aggregation: "sum", Value: 90},
		"requests_waiting/max":           {Aggregation: "max", Value: 60},
		"gpusignal_requests_waiting/max": {Aggregation: "max", Value: 60},
	} {
		for _, kind := range []string{"Deployment", "deployment"} {
			answer := ask(h, http.MethodGet, "/api/v1/workloads/chat/"+kind+"/llm/"+path)
			want.Namespace, want.Kind, want.Name, want.Signal, want.Pods = "chat", "Deployment", "llm", "requests_waiting", 3
			var got workloadView
			if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != http.StatusOK {
				t.Fatalf("%s: %d, %v", path, answer.Code, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		}
	}
}

// A node that cannot tell answers 404 and why, never a number: an autoscaler would take it for one.
func TestWorkloadThatIsNotHere(t *testing.T) {
	h := handlerOf(replicas(), at)
	for path, why := range map[string]string{
		"chat/Deployment/none/requests_waiting":                     "no pod of Deployment \"none\"",
		"else/Deployment/llm/requests_waiting":                      "in namespace \"else\"",
		"chat/StatefulSet/llm/requests_waiting":                     "no pod of StatefulSet",
		"chat/Deployment/llm/queue_compute_input_time_mean_seconds": "has the signal queue_compute_input_time_mean_seconds",
		"chat/Deployment/llm/waiting":                               "no signal \"waiting\"",
		"chat/Deployment/llm/requests_waiting/median":               "no aggregation \"median\"",
	} {
		answer := ask(h, http.MethodGet, "/api/v1/workloads/"+path)
		var got problem
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != http.StatusNotFound || !strings.Contains(got.Error, why) {
			t.Errorf("%s: %d %q, %v; want 404 and %q", path, answer.Code, got.Error, err, why)
		}
	}
}
