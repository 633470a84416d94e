package scaling

import (
	"testing"
	"time"

	"gpusignal/node"
)

// TestGroupSpeaksThroughItsLeader checks that of a group (LeaderWorkerSet, Ray) the leader alone has a state and saturation: a
// worker that serves no page is not loading for ever, and one that does is not counted beside its leader. What the pods do
// with their GPUs, and what is on the pages that there are, is published of all.
func TestGroupSpeaksThroughItsLeader(t *testing.T) {
	gpu := 0.5
	everyPod := Rule{GPU: &gpu}
	for _, test := range []struct {
		what       string
		role       node.Role
		server     bool
		deleted    bool
		state      State
		saturation bool
		requests   bool
	}{
		{"leader", node.Leader, true, false, Ready, true, true},
		{"worker without a page", node.Worker, false, false, "", false, false},
		{"worker with a page", node.Worker, true, false, "", false, true},
		{"leader before its page", node.Leader, false, false, Loading, false, false},
		{"prefill", node.Prefill, true, false, Ready, true, true},
		{"decode", node.Decode, true, false, Ready, true, true},
		{"no group", "", true, false, Ready, true, true},
		{"leader that goes", node.Leader, true, true, Draining, false, false},
		{"worker that goes", node.Worker, true, true, "", false, false},
	} {
		t.Run(test.what, func(t *testing.T) {
			s := snapshot()
			if test.server {
				s = snapshot(tokenServer())
			}
			s.Pods[0].Place = node.Place{Role: test.role, Group: "0"}
			s.Pods[0].Containers = []node.Container{{Name: "vllm", Image: "vllm/vllm-openai:v0.21.0"}}
			if test.deleted {
				s.Pods[0].Deleted = at
			}
			s.Devices = []node.DeviceState{{Device: node.Device{ID: "GPU-0"}, At: at}}
			container := node.ContainerID{Pod: chat, Name: "vllm"}
			s.Claims = []node.Claim{{Container: container, Device: "GPU-0", Weight: 1}}
			s.Accounts = []node.Account{{
				Container: container, Device: "GPU-0", Attribution: node.Exclusive, Opened: ago(time.Hour), Booked: at, Utilization: node.Some(0.4),
			}}
			got := one(t, s, everyPod)
			if got.Place.Role != test.role || got.Place.Group != "0" {
				t.Errorf("place %+v", got.Place)
			}
			if got.State != test.state {
				t.Errorf("state %q, want %q", got.State, test.state)
			}
			if _, ok := got.Value(Saturation); ok != test.saturation || len(got.Components) > 0 && got.Place.Role == node.Worker {
				t.Errorf("saturation is there: %v, want %v; components %v", ok, test.saturation, got.Components)
			}
			if _, ok := got.Value(RequestsRunning); ok != test.requests {
				t.Errorf("requests are there: %v, want %v", ok, test.requests)
			}
			if _, ok := got.Value(GPUUtilization); ok != !test.deleted {
				t.Errorf("utilisation is there: %v, want it of every pod that lives", ok)
			}
			if got.Evidence == "" {
				t.Error("nothing says that it is a server")
			}
		})
	}
}
