package web

import (
	"strings"
	"testing"

	"gpusignal/node"
	"gpusignal/scaling"
)

// TestExplainWorkerOfAGroup checks that a worker of a group is told why it has no saturation, whatever else it lacks.
func TestExplainWorkerOfAGroup(t *testing.T) {
	worker := explain(scaling.Pod{Place: node.Place{Role: node.Worker}, Evidence: scaling.ByArguments})
	if got := strings.Join(worker.Problems, "\n"); worker.Role != "worker" || !strings.Contains(got, "its leader speaks for the group") {
		t.Errorf("role %q, problems %q", worker.Role, got)
	}
	if leader := explain(scaling.Pod{Place: node.Place{Role: node.Leader}}); strings.Contains(strings.Join(leader.Problems, "\n"), "worker of a group") {
		t.Errorf("a leader is told %v", leader.Problems)
	}
}
