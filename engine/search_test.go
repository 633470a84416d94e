package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// claimed says that the container of runningPod holds a GPU.
func claimed(containers ...string) holders {
	var claims []node.Claim
	for _, c := range containers {
		claims = append(claims, node.Claim{Container: node.ContainerID{Pod: node.PodID{UID: "u", Namespace: "ns", Name: "p"}, Name: c}})
	}
	return holdersOf(claims)
}

func lookedAt(pod *node.Pod, held holders, plans []*plan) *subject {
	return subjectOf(pod, held, plans, serverKinds(plans))
}

func TestSearch(t *testing.T) {
	const at = "http://10.1.2.3:"
	type found struct {
		By   string
		URLs []string
	}
	change := func(p node.Pod, f func(*node.Pod)) node.Pod { f(&p); return p }
	ports := func(ports ...node.Port) func(*node.Pod) {
		return func(p *node.Pod) { p.Containers[0].Ports = ports }
	}
	wellKnown := found{byWellKnown, []string{at + "8000/metrics", at + "8002/metrics"}}
	scraped := []string{"prometheus.io/scrape", "true", "prometheus.io/port", "9090", "prometheus.io/path", "/m", "prometheus.io/scheme", "https"}
	tests := []struct {
		name string
		pod  node.Pod
		held holders
		want []found
		sure bool
	}{
		{name: "holds nothing", pod: runningPod()},
		{name: "another pod of its name holds", pod: change(runningPod(), func(p *node.Pod) { p.ID.UID = "v" }), held: claimed("main")},
		{name: "holds a GPU", pod: runningPod(), held: claimed("main"), want: []found{wellKnown}},
		{name: "Prometheus alone", pod: runningPod(scraped...), want: []found{{"prometheus.io/", []string{"https://10.1.2.3:9090/m"}}}},
		{name: "Prometheus, but not to be scraped", pod: runningPod("prometheus.io/scrape", "false", "prometheus.io/port", "9090")},
		{name: "Prometheus without a port", pod: runningPod("prometheus.io/scrape", "true")},
		{name: "Prometheus, its port no number", pod: runningPod("prometheus.io/scrape", "true", "prometheus.io/port", "x")},
		{
			name: "its port no number, and it holds a GPU", pod: runningPod("prometheus.io/scrape", "true", "prometheus.io/port", "x"),
			held: claimed("main"), want: []found{{"prometheus.io/", []string{"misconfigured"}}, wellKnown},
		},
		{
			name: "Prometheus, and an image that tells",
			pod:  change(runningPod("prometheus.io/scrape", "true"), func(p *node.Pod) { p.Containers[0].Image = "nvcr.io/nvidia/tritonserver:26.01" }),
			want: []found{{"prometheus.io/", []string{at + "8002/metrics"}}}, sure: true,
		},
		{
			name: "KServe", pod: runningPod("prometheus.kserve.io/port", "8080", "prometheus.kserve.io/path", "/v1/metrics"),
			want: []found{{"prometheus.kserve.io/", []string{at + "8080/v1/metrics"}}},
		},
		{
			name: "every way, in its order", held: claimed("main"),
			pod: change(runningPod(append(scraped, "prometheus.kserve.io/port", "8080")...), func(p *node.Pod) {
				ports(node.Port{Name: "http", Number: 80}, node.Port{Name: "http-metrics", Number: 81}, node.Port{Name: "metrics", Number: 82},
					node.Port{Name: "ssh", Number: 22}, node.Port{Number: 29500}, node.Port{Name: "metrics", Number: 8080})(p)
			}),
			want: []found{
				{"prometheus.io/", []string{"https://10.1.2.3:9090/m"}},
				{"prometheus.kserve.io/", []string{at + "8080/metrics"}},
				{byDeclared, []string{at + "82/metrics", at + "81/metrics", at + "80/metrics"}},
				wellKnown,
			},
		},
		{
			name: "image that tells: every port and the argument", held: claimed("main"), sure: true,
			pod: change(runningPod(), func(p *node.Pod) {
				ports(node.Port{Number: 1234})(p)
				p.Containers[0].Image, p.Containers[0].Args = "vllm/vllm-openai", []string{"serve", "m", "--port=4321"}
			}),
			want: []found{
				{byDeclared, []string{at + "1234/metrics"}}, {byArgument, []string{at + "4321/metrics"}}, wellKnown,
			},
		},
		{
			name: "own image, and a command line that tells", held: claimed("main"), sure: true,
			pod: change(runningPod(), func(p *node.Pod) {
				ports(node.Port{Number: 1234})(p)
				p.Containers[0].Image = "ghcr.io/acme/my-vllm:3"
				p.Containers[0].Args = []string{"vllm", "serve", "m", "--port", "9000"}
			}),
			want: []found{
				{byDeclared, []string{at + "1234/metrics"}}, {byArgument, []string{at + "9000/metrics"}}, wellKnown,
			},
		},
		{
			name: "a module that tells", held: claimed("main"), sure: true,
			pod: change(runningPod(), func(p *node.Pod) {
				p.Containers[0].Args = []string{"sh", "-c", "exec python3 -m vllm.entrypoints.openai.api_server --port=9000"}
			}),
			want: []found{{byArgument, []string{at + "9000/metrics"}}, wellKnown},
		},
		{
			name: "a server's name as a value", held: claimed("main"),
			pod: change(runningPod(), func(p *node.Pod) {
				ports(node.Port{Number: 1234})(p)
				p.Containers[0].Args = []string{"worker", "--backend-url=http://vllm:8000", "--model=/models/tritonserver", "--port", "9000"}
			}),
			want: []found{wellKnown},
		},
		{
			name: "only the container that tells is asked", held: claimed("main", "worker"), sure: true,
			pod: change(runningPod(), func(p *node.Pod) {
				p.Containers[0].Args = []string{"vllm", "serve", "m", "--port=9000"}
				p.Containers = append(p.Containers, node.Container{
					Name: "worker", Ports: []node.Port{{Number: 1234}}, Args: []string{"worker", "--port=1235"},
				})
			}),
			want: []found{{byArgument, []string{at + "9000/metrics"}}, wellKnown},
		},
		{
			name: "an image tells before a command line, of whichever container", held: claimed("main"), sure: true,
			pod: change(runningPod("prometheus.io/scrape", "true"), func(p *node.Pod) {
				p.Containers[0].Args = []string{"vllm", "serve", "m"}
				p.Containers = append(p.Containers, node.Container{Name: "triton", Image: "tritonserver"})
			}),
			want: []found{
				{"prometheus.io/", []string{at + "8002/metrics"}}, {byWellKnown, []string{at + "8000/metrics"}},
			},
		},
		{
			name: "the image's own port first", held: claimed("main"), sure: true,
			pod:  change(runningPod(), func(p *node.Pod) { p.Containers[0].Image = "tritonserver" }),
			want: []found{{byWellKnown, []string{at + "8002/metrics", at + "8000/metrics"}}},
		},
		{
			name: "arguments of another program", held: claimed("main"),
			pod:  change(runningPod(), func(p *node.Pod) { p.Containers[0].Args = []string{"train.py", "--port", "4321"} }),
			want: []found{wellKnown},
		},
		{
			name: "a proxy's ports are not the server's", held: claimed("main"),
			pod: change(runningPod(), func(p *node.Pod) {
				p.Containers = append([]node.Container{{Name: "proxy", Ports: []node.Port{{Name: "metrics", Number: 15090}}}}, p.Containers...)
			}),
			want: []found{wellKnown},
		},
		{
			name: "on the host's network, nothing declared", held: claimed("main"), sure: true,
			pod: change(runningPod(), func(p *node.Pod) {
				p.HostNetwork, p.Containers[0].Image, p.Containers[0].Args = true, "vllm", []string{"--port=4321"}
			}),
		},
		{
			name: "on the host's network, declared", held: claimed("main"),
			pod: change(runningPod(), func(p *node.Pod) {
				p.HostNetwork = true
				ports(node.Port{Number: 8000}, node.Port{Name: "http", Number: 81})(p)
			}),
			want: []found{{byDeclared, []string{at + "81/metrics"}}, {byWellKnown, []string{at + "8000/metrics"}}},
		},
		{
			name: "IPv6", held: claimed("main"),
			pod:  change(runningPod(), func(p *node.Pod) { p.IPs = []netip.Addr{netip.MustParseAddr("::1")} }),
			want: []found{{byWellKnown, []string{"http://[::1]:8000/metrics", "http://[::1]:8002/metrics"}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := searchOf(lookedAt(&tt.pod, tt.held, testPlans()))
			var got []found
			for _, st := range s.steps {
				f := found{By: st.by}
				for _, target := range st.targets {
					if target.fault != "" {
						f.URLs = append(f.URLs, target.fault)
						continue
					}
					f.URLs = append(f.URLs, target.URL)
				}
				got = append(got, f)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if s.sure != tt.sure || s.holds != (tt.held != nil && tt.pod.ID.UID == "u") {
				t.Errorf("sure %v, holds %v", s.sure, s.holds)
			}
		})
	}
}

func TestOptedOutIsTold(t *testing.T) {
	pod := runningPod("gpusignal/scrape", "false", "prometheus.io/scrape", "true", "prometheus.io/port", "1")
	for _, held := range []holders{nil, claimed("main")} {
		targets, searches := find([]node.Pod{pod}, held, testPlans(), nil)
		if len(searches) > 0 || len(targets) != len(held) {
			t.Fatalf("targets %+v, searches %+v", targets, searches)
		}
		for _, target := range targets {
			if target.fault != FaultOptedOut || !target.quiet {
				t.Errorf("target %+v", target)
			}
		}
	}
}

func TestGivenIsNotSearched(t *testing.T) {
	given := map[[2]string]bool{{"ns", "p"}: true}
	if targets, searches := find([]node.Pod{runningPod()}, claimed("main"), testPlans(), given); len(targets)+len(searches) > 0 {
		t.Errorf("targets %+v, searches %+v", targets, searches)
	}
}

func TestStateOfAPod(t *testing.T) {
	states := make(map[string]string)
	for name, change := range map[string]func(*node.Pod){
		"as it was":       func(*node.Pod) {},
		"another pod":     func(p *node.Pod) { p.ID.UID = "v" },
		"another address": func(p *node.Pod) { p.IPs = p.IPs[1:] },
		"ready":           func(p *node.Pod) { p.Ready = true },
		"started":         func(p *node.Pod) { p.Containers[0].Started = time.Unix(1, 0) },
		"restarted":       func(p *node.Pod) { p.Containers[0].Restarts++ },
		"container ready": func(p *node.Pod) { p.Containers[0].Ready = true },
	} {
		pod := runningPod()
		change(&pod)
		state := stateOf(&pod)
		if other, there := states[state]; there {
			t.Errorf("a pod that is %s and one that is %s have one state", name, other)
		}
		states[state] = name
	}
	if pod := runningPod("a", "b"); states[stateOf(&pod)] != "as it was" {
		t.Error("annotations change the state of a pod")
	}
}

// BenchmarkFind looks through the pods of a full node, of which eight hold a GPU each: what following them costs a second.
func BenchmarkFind(b *testing.B) {
	var pods []node.Pod
	var claims []node.Claim
	for i := range 250 {
		pod := runningPod()
		pod.ID.Name = fmt.Sprint("pod-", i)
		pod.Containers[0].Args = []string{"/opt/venv/bin/vllm", "serve", "meta-llama/Llama-3.1-8B-Instruct", "--max-num-seqs", "256", "--port=8000"}
		if i < 8 {
			claims = append(claims, node.Claim{Container: node.ContainerID{Pod: pod.ID, Name: "main"}})
		}
		pods = append(pods, pod)
	}
	plans := testPlans()
	b.ReportAllocs()
	for b.Loop() {
		if targets, searches := find(pods, holdersOf(claims), plans, nil); len(targets) > 0 || len(searches) != 8 {
			b.Fatalf("%d targets, %d searches", len(targets), len(searches))
		}
	}
}
