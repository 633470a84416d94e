package engine

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func testPlans() []*plan {
	return []*plan{
		newPlan(Dialect{
			Name: "vllm", Port: 8000, Images: []string{"vllm"}, MaxRunning: []string{"--max-num-seqs"},
			Commands: []string{"vllm serve", "vllm.entrypoints.openai.api_server"},
		}),
		newPlan(Dialect{Name: "triton", Port: 8002, Images: []string{"tritonserver"}, Commands: []string{"tritonserver"}}),
	}
}

func runningPod(annotations ...string) node.Pod {
	p := node.Pod{
		ID: node.PodID{UID: "u", Namespace: "ns", Name: "p"}, Phase: "Running",
		IPs: []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fd00::3")}, Annotations: map[string]string{},
		Containers: []node.Container{{Name: "main", Image: "img"}},
	}
	for i := 0; i < len(annotations); i += 2 {
		p.Annotations[annotations[i]] = annotations[i+1]
	}
	return p
}

func TestFind(t *testing.T) {
	change := func(p node.Pod, f func(*node.Pod)) node.Pod { f(&p); return p }
	ports := func(numbers ...int) func(*node.Pod) {
		return func(p *node.Pod) {
			for _, n := range numbers {
				p.Containers[0].Ports = append(p.Containers[0].Ports, node.Port{Number: n})
			}
		}
	}
	tests := []struct {
		name   string
		pods   []node.Pod
		urls   []string
		faults []string
		detail string
	}{
		{name: "not announced", pods: []node.Pod{runningPod()}},
		{name: "engine alone", pods: []node.Pod{runningPod("gpusignal/engine", "vllm")}, urls: []string{"http://10.1.2.3:8000/metrics"}},
		{
			name: "engine and the one port that is declared",
			pods: []node.Pod{change(runningPod("gpusignal/engine", "vllm"), ports(8080))},
			urls: []string{"http://10.1.2.3:8080/metrics"},
		},
		{
			name: "engine and several ports", pods: []node.Pod{change(runningPod("gpusignal/engine", "triton"), ports(8000, 8001, 8002))},
			urls: []string{"http://10.1.2.3:8002/metrics"},
		},
		{
			name: "engine of ours, port of KServe",
			pods: []node.Pod{runningPod("gpusignal/engine", "vllm", "prometheus.kserve.io/port", "8080", "prometheus.kserve.io/path", "/m")},
			urls: []string{"http://10.1.2.3:8080/m"},
		},
		{
			name: "an address of the cloud", pods: []node.Pod{change(runningPod("gpusignal/engine", "vllm"), func(p *node.Pod) {
				p.IPs = []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::1"), {}}
			})},
		},
		{
			name: "all of ours",
			pods: []node.Pod{runningPod("gpusignal/engine", "sglang", "gpusignal/port", "30000", "gpusignal/path", "/v1/metrics?a=b",
				"gpusignal/scheme", "https", "prometheus.io/scrape", "true", "prometheus.io/port", "1")},
			urls: []string{"https://10.1.2.3:30000/v1/metrics?a=b"},
		},
		{
			name: "a port a rank", pods: []node.Pod{runningPod("gpusignal/port", "8000, 8001,8000")},
			urls: []string{"http://10.1.2.3:8000/metrics", "http://10.1.2.3:8001/metrics"},
		},
		{
			name: "engine of ours, port of prometheus",
			pods: []node.Pod{runningPod("gpusignal/engine", "vllm", "prometheus.io/scrape", "true", "prometheus.io/port", "8080")},
			urls: []string{"http://10.1.2.3:8080/metrics"},
		},
		{name: "opted out", pods: []node.Pod{runningPod("gpusignal/engine", "vllm", "gpusignal/scrape", "false")}},
		{name: "pending", pods: []node.Pod{change(runningPod("gpusignal/engine", "vllm"), func(p *node.Pod) { p.Phase = "Pending" })}},
		{name: "ended", pods: []node.Pod{change(runningPod("gpusignal/engine", "vllm"), func(p *node.Pod) { p.Phase = "Failed" })}},
		{name: "without an address", pods: []node.Pod{change(runningPod("gpusignal/engine", "vllm"), func(p *node.Pod) { p.IPs = nil })}},
		{
			name: "being deleted",
			pods: []node.Pod{change(runningPod("gpusignal/engine", "vllm"), func(p *node.Pod) { p.Deleted = time.Unix(1, 0) })},
			urls: []string{"http://10.1.2.3:8000/metrics"},
		},
		{
			name: "IPv6",
			pods: []node.Pod{change(runningPod("gpusignal/engine", "vllm"), func(p *node.Pod) { p.IPs = p.IPs[1:] })},
			urls: []string{"http://[fd00::3]:8000/metrics"},
		},
		{
			name: "bad port", pods: []node.Pod{runningPod("gpusignal/port", "80o0")}, urls: []string{""},
			faults: []string{FaultConfig}, detail: `annotation gpusignal/port "80o0": "80o0" is not a port, 1 to 65535`,
		},
		{
			name: "unknown engine without a port", pods: []node.Pod{runningPod("gpusignal/engine", "sglang")}, urls: []string{""},
			faults: []string{FaultConfig}, detail: "pod ns/p announces a metrics page but no port: set the annotation gpusignal/port",
		},
		{
			name: "path to elsewhere", pods: []node.Pod{runningPod("gpusignal/port", "80", "gpusignal/path", "http://evil/")},
			urls: []string{""}, faults: []string{FaultConfig},
			detail: `annotation gpusignal/path "http://evil/": it must be a path that begins with /`,
		},
		{
			name: "path that hides a host", pods: []node.Pod{runningPod("gpusignal/port", "80", "gpusignal/path", "//evil/m")},
			urls: []string{"http://10.1.2.3:80//evil/m"},
		},
		{
			name: "bad scheme", pods: []node.Pod{runningPod("gpusignal/port", "80", "gpusignal/scheme", "file")},
			urls: []string{""}, faults: []string{FaultConfig}, detail: `annotation gpusignal/scheme "file": it must be http or https`,
		},
		{
			name: "two pods at one address",
			pods: []node.Pod{
				runningPod("gpusignal/port", "80"),
				change(runningPod("gpusignal/port", "80"), func(p *node.Pod) { p.ID.Name = "q" }),
			},
			urls:   []string{"http://10.1.2.3:80/metrics", "http://10.1.2.3:80/metrics"},
			faults: []string{FaultAmbiguous, FaultAmbiguous}, detail: "pods ns/p and ns/q both announce 10.1.2.3:80",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var urls, faults []string
			targets, searches := find(tt.pods, nil, testPlans(), nil)
			settle(nil, targets, searches)
			if len(searches) > 0 {
				t.Errorf("searches %+v", searches)
			}
			for _, g := range targets {
				urls = append(urls, g.URL)
				if g.fault != "" {
					faults = append(faults, g.fault)
				}
				if g.detail != tt.detail {
					t.Errorf("detail %q, want %q", g.detail, tt.detail)
				}
			}
			if diff := cmp.Diff(tt.urls, urls); diff != "" {
				t.Errorf("URLs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.faults, faults); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFactsOfTheServersContainer(t *testing.T) {
	pod := runningPod()
	pod.Containers = []node.Container{
		{Name: "sidecar", Started: time.Unix(1, 0), Ports: []node.Port{{Number: 9000}}, Args: []string{"--max-num-seqs=1"}},
		{Name: "vllm", Started: time.Unix(2, 0), Ports: []node.Port{{Number: 8000}}, Args: []string{"serve", "--max-num-seqs", "64"}},
	}
	f := factsOf(lookedAt(&pod, nil, testPlans()), 8000)
	if !f.started.Equal(time.Unix(2, 0)) || f.maxRunning["vllm"] != 64 {
		t.Errorf("facts %+v, want those of the container that declares the port", f)
	}
	f = factsOf(lookedAt(&pod, nil, testPlans()), 7)
	if !f.started.Equal(time.Unix(1, 0)) {
		t.Errorf("facts %+v, want those of the first container", f)
	}
	held := holdersOf([]node.Claim{{Container: node.ContainerID{Pod: pod.ID, Name: "vllm"}}})
	for _, port := range []int{9000, 15020} {
		if f = factsOf(lookedAt(&pod, held, testPlans()), port); f.maxRunning["vllm"] != 64 {
			t.Errorf("facts %+v of a proxy's port %d, want those of the container that holds a GPU", f, port)
		}
	}
}

func TestArgument(t *testing.T) {
	tests := []struct {
		args []string
		want float64
	}{
		{[]string{"--max-num-seqs", "64"}, 64},
		{[]string{"--max-num-seqs=64"}, 64},
		{[]string{"-c", `vllm serve m --max-num-seqs "32" --port 1`}, 32},
		{[]string{"--max-num-seqs"}, 0},
		{[]string{"--max-num-seqs=none"}, 0},
		{[]string{"--max-num-seqs=-1"}, 0},
		{[]string{"--max-num-seqs-more=5"}, 0},
		{nil, 0},
	}
	for _, tt := range tests {
		got, ok := argument(tt.args, "--max-num-seqs")
		if got != tt.want || ok != (tt.want > 0) {
			t.Errorf("%q: %g, %v; want %g", tt.args, got, ok, tt.want)
		}
	}
}

func TestParseEndpoint(t *testing.T) {
	tests := []struct {
		text string
		want Endpoint
		err  string
	}{
		{text: "http://host:8000", want: Endpoint{URL: "http://host:8000/metrics", Pod: node.PodID{Name: "host:8000"}}},
		{
			text: "https://[::1]:8000/m?x=y,engine=vllm,namespace=ml,pod=a",
			want: Endpoint{URL: "https://[::1]:8000/m?x=y", Engine: "vllm", Pod: node.PodID{Namespace: "ml", Name: "a"}},
		},
		{text: "", err: "must begin with http://"},
		{text: "host:8000", err: "must begin with http://"},
		{text: "ftp://host", err: "must begin with http://"},
		{text: "http://", err: "names no host"},
		{text: "http://user:word@host", err: "must not hold a password"},
		{text: "http://host,pod=a", err: "give pod and namespace together"},
		{text: "http://host,namespace=a", err: "give pod and namespace together"},
		{text: "http://host,pod=", err: `option "pod=" has no value`},
		{text: "http://host,", err: `option "" has no value`},
		{text: "http://host,kind=a", err: `unknown option "kind" (known: engine, namespace, pod)`},
		{text: "http://ho st", err: "parse endpoint"},
	}
	for _, tt := range tests {
		got, err := ParseEndpoint(tt.text)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q: error %v, want one that holds %q", tt.text, err, tt.err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}
