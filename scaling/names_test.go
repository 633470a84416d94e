package scaling

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func TestValuesKeepTheOrderOfNames(t *testing.T) {
	s := snapshot(tokenServer(model(func(m *node.Model) {
		m.ComputeInput = latencyOf(1, 20)
		m.Requests["error"] = node.Counter{}
		m.FirstToken.Value.Buckets = buckets(1, 5, math.Inf(1), 5)
		m.InterToken.Value.Buckets = buckets(1, 5, math.Inf(1), 5)
	})))
	s.Servers[0].Startup = node.Some(time.Minute)
	s.Devices = []node.DeviceState{board("GPU-a", 0.5, 100)}
	s.Accounts = []node.Account{exclusive(chat, "GPU-a", 0.5, 40)}
	pod := one(t, s, Rule{
		Queue: new(5.0), MaxRunning: new(10.0), Concurrency: new(9.0), QueueTime: new(1.0), TimeToFirstToken: new(1.0),
		InterTokenLatency: new(1.0), GPU: new(0.9),
	})
	var got, want []Name
	for _, v := range pod.Values {
		got = append(got, v.Name)
	}
	for _, info := range Names() {
		want = append(want, info.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a pod that can tell everything (-want +got):\n%s", diff)
	}
	var components []string
	for _, c := range pod.Components {
		components = append(components, c.Name)
	}
	without := []string{"queue", "slots", "kv_cache", "concurrency", "queue_time", "time_to_first_token", "inter_token_latency", "gpu"}
	if diff := cmp.Diff(without, components); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
}
