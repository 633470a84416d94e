package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"testing"
	"time"

	"gpusignal/engine"
	"gpusignal/node"
)

// page answers every request for /metrics with a page.
func page(text string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	return mux
}

// listen serves a handler on a port of its own at 127.0.0.1 until the test ends, and returns the port.
func listen(t *testing.T, h http.Handler) int {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return portOf(t, server.URL)
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// localPod runs at 127.0.0.1 with one container of an image that tells nothing.
func localPod(name string, annotations ...string) node.Pod {
	p := node.Pod{
		ID: node.PodID{UID: "uid-" + name, Namespace: "ml", Name: name}, Phase: "Running",
		IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Annotations: map[string]string{},
		Containers: []node.Container{{Name: "main", Image: "registry.example/thing"}},
	}
	for i := 0; i < len(annotations); i += 2 {
		p.Annotations[annotations[i]] = annotations[i+1]
	}
	return p
}

// at returns the dialects with this as the well-known port of vLLM.
func at(port int) []engine.Dialect {
	both := dialects()
	both[0].Port, both[1].Port = port, 0
	return both
}

// holding says that the first container of each pod holds a GPU.
func holding(pods ...node.Pod) func(time.Time) ([]node.Claim, []node.Unmapped) {
	var claims []node.Claim
	for _, p := range pods {
		claims = append(claims, node.Claim{Container: node.ContainerID{Pod: p.ID, Name: p.Containers[0].Name}, Device: "GPU-0", Weight: 1})
	}
	return func(time.Time) ([]node.Claim, []node.Unmapped) { return claims, nil }
}

// start an engine over these pods, which reads until the test ends.
func start(t *testing.T, config engine.Config, pods ...node.Pod) *engine.Engine {
	t.Helper()
	if config.Interval == 0 {
		config.Interval = 10 * time.Millisecond
	}
	if config.Dialects == nil {
		config.Dialects = at(0) // Who knows what listens on this machine.
	}
	config.Pods = func(time.Time) []node.Pod { return pods }
	config.Logger = slog.New(slog.DiscardHandler)
	e := engine.New(config)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return e
}

// until the servers are as wanted; a minute is far more than a busy machine takes.
func until(t *testing.T, e *engine.Engine, wanted func([]node.Server) bool) []node.Server {
	t.Helper()
	for range 6000 {
		if servers := e.Servers(time.Now()); wanted(servers) {
			return servers
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("after a minute: %+v", e.Servers(time.Now()))
	return nil
}

// good says that there is one server and its page is read.
func good(servers []node.Server) bool { return len(servers) == 1 && servers[0].Fault == "" }

// Each way in which a page is named finds a server that listens there, whatever comes before in the order.
func TestEveryWayFinds(t *testing.T) {
	port := listen(t, page(vllmPage(1, 2, 3, 4)))
	number := strconv.Itoa(port)
	declare := func(p node.Pod, name string) node.Pod {
		p.Containers[0].Ports = []node.Port{{Name: name, Number: port}}
		return p
	}
	told := localPod("told")
	told.Containers[0].Image, told.Containers[0].Args = "vllm/vllm-openai:v0.32", []string{"serve", "m", "--port", number}
	hosts := declare(localPod("host"), "http")
	hosts.HostNetwork = true
	for name, tt := range map[string]struct {
		pod   node.Pod
		found string
		holds bool
	}{
		"ours":                      {localPod("a", "gpusignal/port", number), "gpusignal/", false},
		"Prometheus":                {localPod("a", "prometheus.io/scrape", "true", "prometheus.io/port", number), "prometheus.io/", false},
		"KServe":                    {localPod("a", "prometheus.kserve.io/port", number), "prometheus.kserve.io/", false},
		"a port named metrics":      {declare(localPod("a"), "metrics"), "declared port", true},
		"a port named http-metrics": {declare(localPod("a"), "http-metrics"), "declared port", true},
		"a port named http":         {declare(localPod("a"), "http"), "declared port", true},
		"an argument":               {told, "port argument", true},
		"a well-known port":         {localPod("a"), "well-known port", true},
		"the host's network":        {hosts, "declared port", true},
		"after a dead annotation":   {localPod("a", "prometheus.io/scrape", "true", "prometheus.io/port", "1"), "well-known port", true},
	} {
		t.Run(name, func(t *testing.T) {
			config := engine.Config{}
			if tt.holds {
				config.Claims = holding(tt.pod)
			}
			if tt.found == "well-known port" {
				config.Dialects = at(port)
			}
			e := start(t, config, tt.pod)
			got := until(t, e, good)[0]
			if got.Engine != "vllm" || got.Found != tt.found || got.Pod != tt.pod.ID || got.Quiet {
				t.Errorf("server %+v, want it found by %q", got, tt.found)
			}
			if h := e.Health(time.Now())[0]; !h.Up || h.Detail != "" {
				t.Errorf("health %+v", h)
			}
		})
	}
}

func TestFindsAtIPv6(t *testing.T) {
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	server := httptest.NewUnstartedServer(page(vllmPage(1, 2, 3, 4)))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	pod := localPod("a")
	pod.IPs = []netip.Addr{netip.IPv6Loopback()}
	pod.Containers[0].Ports = []node.Port{{Name: "http", Number: portOf(t, server.URL)}}
	got := until(t, start(t, engine.Config{Claims: holding(pod)}, pod), good)[0]
	if want := server.URL + "/metrics"; got.URL != want {
		t.Errorf("URL %q, want %q", got.URL, want)
	}
}

// A pod that holds no GPU and announces nothing is left alone, as is one that opts out.
func TestWhoIsNotAsked(t *testing.T) {
	asked := make(chan string, 100)
	port := listen(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	declared := func(p node.Pod) node.Pod {
		p.Containers[0].Ports = []node.Port{{Name: "metrics", Number: port}}
		return p
	}
	out := declared(localPod("out", "gpusignal/scrape", "false", "prometheus.io/scrape", "true", "prometheus.io/port", strconv.Itoa(port)))
	mark := localPod("mark", "gpusignal/port", strconv.Itoa(listen(t, page(vllmPage(1, 2, 3, 4)))))
	e := start(t, engine.Config{Claims: holding(out)}, declared(localPod("bare")), out, mark)
	servers := until(t, e, func(s []node.Server) bool { return len(s) == 2 && s[0].Pages > 20 })
	if s := servers[1]; s.Pod != out.ID || s.Fault != engine.FaultOptedOut || !s.Quiet || s.Detail == "" {
		t.Errorf("of the pod that opts out: %+v", s)
	}
	if len(asked) > 0 {
		t.Errorf("asked for %s", <-asked)
	}
}

// A page that a proxy puts together of its own and the server's is the server's, with what the pod says of the server.
func TestMergedPageOfAProxy(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/stats/prometheus", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "istio_agent_pilot_xds 1\nprocess_start_time_seconds 1.7e9\n", vllmPage(1, 2, 3, 4),
			"# TYPE envoy_cluster_upstream_rq counter\nenvoy_cluster_upstream_rq{response_code=\"200\"} 7\nrevision_app_request_count 3\n")
	})
	port := listen(t, mux)
	pod := localPod("a", "prometheus.io/scrape", "true", "prometheus.io/port", strconv.Itoa(port), "prometheus.io/path", "/stats/prometheus")
	server := pod.Containers[0]
	server.Args = []string{"vllm", "serve", "m", "--max-num-seqs", "64"}
	pod.Containers = []node.Container{server, {Name: "istio-proxy", Ports: []node.Port{{Name: "http-envoy-prom", Number: port}}}}
	claims := holding(pod)
	pod.Containers[0], pod.Containers[1] = pod.Containers[1], pod.Containers[0]
	got := until(t, start(t, engine.Config{Claims: claims}, pod), good)[0]
	if got.Engine != "vllm" || len(got.Models) != 1 || got.Models[0].MaxRunning != node.Some(64.0) {
		t.Errorf("server %+v, want vLLM's one model with the argument of its container", got)
	}
}

// A router before the server passes its page on at a port of its own: it holds no GPU, and the page is read once.
func TestRouterBeforeTheServer(t *testing.T) {
	asked := make(chan string, 100)
	router := listen(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	pod := localPod("a")
	pod.Containers[0].Ports = []node.Port{{Name: "metrics", Number: listen(t, page(vllmPage(1, 2, 3, 4)))}}
	claims := holding(pod)
	pod.Containers = append([]node.Container{{Name: "routing-proxy", Ports: []node.Port{{Name: "http", Number: router}}}}, pod.Containers...)
	e := start(t, engine.Config{Claims: claims, Dialects: at(router)}, pod)
	until(t, e, func(s []node.Server) bool { return good(s) && s[0].Pages > 10 })
	if len(asked) > 0 {
		t.Errorf("the router was asked for %s", <-asked)
	}
}

// Several ports of one pod are several ranks where the pages say so, and one server where they do not.
func TestSeveralPortsOfAPodThatIsSearched(t *testing.T) {
	rank := func(rank string) http.Handler {
		return page("vllm:num_requests_waiting{model_name=\"m\",engine=\"" + rank + "\"} 3\n")
	}
	for name, tt := range map[string]struct {
		second string
		want   int
	}{"two ranks": {"1", 2}, "the same page twice": {"0", 1}} {
		t.Run(name, func(t *testing.T) {
			pod := localPod("a")
			pod.Containers[0].Image = "vllm/vllm-openai"
			pod.Containers[0].Ports = []node.Port{{Name: "rank-0", Number: listen(t, rank("0"))}, {Name: "rank-1", Number: listen(t, rank(tt.second))}}
			e := start(t, engine.Config{Claims: holding(pod)}, pod)
			until(t, e, func(s []node.Server) bool {
				if len(s) != tt.want {
					return false
				}
				for _, one := range s {
					if one.Fault != "" || one.Pages < 3 {
						return false
					}
				}
				return true
			})
		})
	}
}
