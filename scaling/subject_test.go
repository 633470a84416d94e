package scaling

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func TestWhichPodsAreThere(t *testing.T) {
	s := snapshot(tokenServer())
	s.Pods = append(s.Pods,
		node.Pod{ID: node.PodID{UID: "u2", Namespace: "a", Name: "web"}, Phase: "Running"},
		node.Pod{ID: node.PodID{UID: "u3", Namespace: "a", Name: "train"}, Phase: "Running"},
		node.Pod{ID: node.PodID{UID: "u4", Namespace: "a", Name: "done"}, Phase: "Succeeded"},
		node.Pod{ID: node.PodID{UID: "u5", Namespace: "a", Name: "leaving"}, Phase: "Running", Deleted: at},
	)
	s.Accounts = []node.Account{
		exclusive(node.PodID{UID: "u3", Namespace: "a", Name: "train"}, "GPU-a", 0.5, 10),
		exclusive(node.PodID{UID: "u4", Namespace: "a", Name: "done"}, "GPU-b", 0.5, 10),
		exclusive(node.PodID{UID: "u5", Namespace: "a", Name: "leaving"}, "GPU-c", 0.5, 10),
		exclusive(node.PodID{Namespace: "b", Name: "names-only"}, "GPU-d", 0.5, 10),
	}
	s.Servers = append(s.Servers, tokenServer(func(s *node.Server) { s.Pod = node.PodID{Name: "10.0.0.7:8000"} }))
	var got []string
	for _, p := range Derive(s, Targets{Kinds: kinds()}) {
		got = append(got, p.Pod.Namespace+"/"+p.Pod.Name)
	}
	if diff := cmp.Diff([]string{"/10.0.0.7:8000", "a/train", "b/names-only", "chat/llm-0"}, got); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
}

// An endpoint of a kind that was given is a server before its first page, also where no pod is known.
func TestConfiguredEndpointIsAServer(t *testing.T) {
	given := node.Server{Pod: node.PodID{Name: "10.0.0.7:8000"}, Announced: "triton", Fault: "refused"}
	got := one(t, &node.Snapshot{At: at, Servers: []node.Server{given}})
	if got.State != Loading || got.Evidence != ByConfiguration || got.Engine != "triton" || len(got.Values) != 0 {
		t.Errorf("got %+v, want a server that is loading", got)
	}
	given.Pod = chat
	for annotation, want := range map[string]Evidence{"gpusignal/engine=vllm": ByAnnotation, "gpusignal/scrape=false": ByConfiguration} {
		s := snapshot(given)
		key, value, _ := strings.Cut(annotation, "=")
		s.Pods[0].Annotations = map[string]string{key: value}
		s.Pods[0].Containers = []node.Container{{Image: "vllm/vllm-openai"}}
		if got := one(t, s); got.Evidence != want || got.State != Loading {
			t.Errorf("%s: evidence %q, state %q; want %q", annotation, got.Evidence, got.State, want)
		}
	}
}

func TestAPodOfTheSameNameTakesOver(t *testing.T) {
	next := node.PodID{UID: "u9", Namespace: chat.Namespace, Name: chat.Name}
	s := snapshot(tokenServer())
	s.Pods[0].Deleted = at
	s.Pods = append([]node.Pod{{ID: next, Phase: "Running"}}, s.Pods...)
	s.Accounts = []node.Account{exclusive(chat, "GPU-a", 0.9, 10), exclusive(next, "GPU-b", 0.2, 10)}
	got := one(t, s)
	if diff := cmp.Diff(map[Name]float64{GPUUtilization: 0.2, GPUUtilizationPeak: 0.2}, values(got)); diff != "" || got.State != "" {
		t.Errorf("state %q, signals (-want +got):\n%s", got.State, diff)
	}
}

func TestDeriveIsSorted(t *testing.T) {
	s := &node.Snapshot{At: at}
	for name := range strings.FieldsSeq("c/a a/c a/a b/b") {
		namespace, name, _ := strings.Cut(name, "/")
		s.Claims = append(s.Claims, node.Claim{Container: node.ContainerID{Pod: node.PodID{Namespace: namespace, Name: name}}, Device: "GPU-" + node.DeviceID(name)})
	}
	var got []string
	for _, p := range Derive(s, Targets{Kinds: kinds()}) {
		got = append(got, p.Pod.Namespace+"/"+p.Pod.Name)
	}
	if diff := cmp.Diff([]string{"a/a", "a/c", "b/b", "c/a"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
