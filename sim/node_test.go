package sim

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gpusignal/node"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	corev1 "k8s.io/api/core/v1"
	podsv1 "k8s.io/kubelet/pkg/apis/pods/v1alpha1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newNode makes a node in a directory of its own.
func newNode(t *testing.T, cfg Config) *Node {
	t.Helper()
	dir, err := os.MkdirTemp("", "sim")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Dir = dir
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if _, err := os.Stat(n.PodsSocket()); !os.IsNotExist(err) {
			t.Errorf("the socket is still there: %v", err)
		}
		_ = os.RemoveAll(dir)
	})
	return n
}

// runNode runs a node until the test ends.
func runNode(t *testing.T, n *Node) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("run did not end")
		}
	})
	return ctx
}

func dial(t *testing.T, path string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestSameSeedSameNode(t *testing.T) {
	type shape struct {
		devices []node.Device
		pods    []string
		claims  []string
	}
	look := func(cfg Config) shape {
		n := newNode(t, cfg)
		devices, err := n.Driver().Devices()
		if err != nil {
			t.Fatal(err)
		}
		s := shape{devices: devices}
		for _, p := range n.pods.all() {
			s.pods = append(s.pods, p.object.Namespace+"/"+p.object.Name+"/"+string(p.object.UID))
			for i, c := range p.containers {
				s.claims = append(s.claims, c.name+" "+p.object.Status.ContainerStatuses[i].ContainerID+" "+c.resource+" "+strings.Join(c.devices, ","))
			}
		}
		return s
	}
	for _, test := range []struct {
		plain                     bool
		devices, pods, containers int
	}{{true, 8, 7, 7}, {false, 11, 11, 12}} {
		first := look(Config{Seed: 5, Plain: test.plain})
		if diff := cmp.Diff(first, look(Config{Seed: 5, Plain: test.plain}), cmp.AllowUnexported(shape{})); diff != "" {
			t.Errorf("plain %v: the same seed gives another node:\n%s", test.plain, diff)
		}
		if other := look(Config{Seed: 6, Plain: test.plain}); cmp.Equal(first.devices, other.devices) || cmp.Equal(first.pods, other.pods) {
			t.Errorf("plain %v: another seed gives the same node", test.plain)
		}
		if len(first.devices) != test.devices || len(first.pods) != test.pods || len(first.claims) != test.containers {
			t.Errorf("plain %v: %d devices, %d pods and %d containers", test.plain, len(first.devices), len(first.pods), len(first.claims))
		}
	}
	for plain, want := range map[bool]int{true: 3, false: 5} {
		if small := newNode(t, Config{Seed: 5, GPUs: 2, Plain: plain}); len(small.pods.all()) != want {
			t.Errorf("plain %v: a node of two GPUs has %d pods, want %d", plain, len(small.pods.all()), want)
		}
	}
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]Config{
		"it can have 1 to 64":          {Dir: t.TempDir(), GPUs: 65},
		"no directory for the sockets": {},
		"make folder of processes":     {Dir: file},
		"listen on socket":             {Dir: filepath.Join(t.TempDir(), strings.Repeat("x", 120))},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", cfg, err, want)
		}
	}
}

func TestBrokenLogEndsTheRun(t *testing.T) {
	n := newNode(t, Config{Seed: 1, Log: brokenWriter{}})
	if err := n.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("run: %v", err)
	}
}

// pageOf fetches the metrics page that a pod announces.
func pageOf(t *testing.T, p *corev1.Pod) (body []byte, n string, err error) {
	t.Helper()
	port := p.Annotations["gpusignal/port"] + p.Annotations["prometheus.io/port"]
	resp, err := http.Get("http://" + net.JoinHostPort(p.Status.PodIP, port) + "/metrics")
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return body, resp.Header.Get("Sim-Page"), err
}

// TestNode runs the whole node over its real sockets for a few seconds, and compares what it shows with the truth log.
func TestNode(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	log := newLogBuffer()
	n := newNode(t, Config{Seed: 11, Log: log})
	n.loading = time.Second
	n.trains = func() time.Duration { return 1200 * time.Millisecond }
	ctx := runNode(t, n)

	watch, err := podsv1.NewPodsClient(dial(t, n.PodsSocket())).WatchPods(ctx, &podsv1.WatchPodsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	pods := map[string]*corev1.Pod{}
	next := func() (podsv1.EventType, *corev1.Pod) {
		t.Helper()
		event, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		p := &corev1.Pod{}
		if err := p.Unmarshal(event.GetPod()); err != nil {
			t.Fatal(err)
		}
		if event.GetType() != podsv1.EventType_INITIAL_SYNC_COMPLETE {
			pods[p.Namespace+"/"+p.Name] = p
		}
		return event.GetType(), p
	}
	for kind, _ := next(); kind != podsv1.EventType_INITIAL_SYNC_COMPLETE; kind, _ = next() {
		if kind != podsv1.EventType_ADDED {
			t.Fatalf("%v before the initial sync is complete", kind)
		}
	}
	checkLoading(t, pods)
	// Within two seconds the loading pod becomes ready and the Job ends, in whichever order.
	changed := map[string]bool{}
	for len(changed) < 2 {
		if kind, p := next(); kind == podsv1.EventType_MODIFIED {
			changed[p.Namespace+" "+string(p.Status.Phase)] = true
		}
	}
	if !changed["documents Running"] || !changed["research Succeeded"] {
		t.Errorf("changed: %v", changed)
	}
	checkResources(t, n)
	checkProcesses(t, n)
	waitServed(t, log, 20)
	checkPages(t, pods, log)
	checkDriver(t, n, log)
}

// checkLoading finds the pod that loads: it is not ready, and its port refuses connections.
func checkLoading(t *testing.T, pods map[string]*corev1.Pod) {
	t.Helper()
	loading := 0
	for name, p := range pods {
		if isReady(p) {
			continue
		}
		loading++
		if _, _, err := pageOf(t, p); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s loads, and its page: %v", name, err)
		}
	}
	if loading != 1 {
		t.Errorf("%d pods load, want 1", loading)
	}
}

// waitServed waits until the Triton servers have served n requests, and the vLLM servers half as many.
func waitServed(t *testing.T, log *logBuffer, n int) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for log.count("chat") < n/2 || log.count("vision") < n {
		select {
		case <-log.grown:
		case <-deadline:
			t.Fatalf("served after 30 s: %d and %d", log.count("chat"), log.count("vision"))
		}
	}
}

// checkPages fetches every page, and compares it with the part of the log above it.
func checkPages(t *testing.T, pods map[string]*corev1.Pod, log *logBuffer) {
	t.Helper()
	for name, p := range pods {
		triton := p.Annotations["prometheus.io/scrape"] == "true"
		if !triton && p.Annotations["gpusignal/engine"] == "" {
			continue
		}
		body, number, err := pageOf(t, p)
		if err != nil {
			t.Fatal(err)
		}
		var mine []line
		for _, l := range log.lines(t) {
			if l.fields["pod"] == name {
				mine = append(mine, l)
			}
		}
		upTo := slices.IndexFunc(mine, func(l line) bool { return l.event == "page" && l.fields["n"] == number })
		if upTo < 0 {
			t.Fatalf("page %s of %s is not in the log", number, name)
		}
		page := parsePage(t, body)
		if triton {
			if families := tritonFamilies(); p.Namespace == "vision" {
				checkFamilies(t, page.types, families)
			}
			compare(t, page, tritonTruth(mine, upTo))
			continue
		}
		model := p.Spec.Containers[0].Args[2] // after --served-model-name
		want := map[string]float64{}
		for key, value := range vllmTruth(mine, upTo) {
			want[strings.Replace(key, "model_name=m", "model_name="+model, 1)] = value
		}
		compare(t, page, want)
		if p.Namespace == "chat" && page.values["vllm:request_prompt_tokens{engine=0,model_name="+model+"}.count"] > 0 {
			checkFamilies(t, page.types, vllmFamilies())
		}
	}
}

// checkDriver reads every device at 10 Hz for three seconds, and compares with the log.
func checkDriver(t *testing.T, n *Node, log *logBuffer) {
	t.Helper()
	sums, last := map[*gpu]float64{}, map[*gpu]time.Time{}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	from := time.Now()
	for g := range n.driver.all() {
		last[g] = from
		g.read(node.WantActivity)
	}
	for time.Since(from) < 3*time.Second {
		<-ticker.C
		for g := range n.driver.all() {
			r, err := n.Driver().Read(g.device.ID, node.WantUtilization|node.WantActivity)
			if err != nil {
				t.Fatal(err)
			}
			if g.device.Parent == "" {
				sums[g] += r.Utilization.Value * r.At.Sub(last[g]).Seconds()
			} else {
				sums[g] += r.Activity.Value.Units[node.UnitGraphics].Value * r.Activity.Value.Span.Seconds()
			}
			last[g] = r.At
		}
	}
	to := time.Now()
	for range 8 { // Until the last busy line is in the log.
		<-ticker.C
	}
	lines := log.lines(t)
	for g := range n.driver.all() {
		busy := float64(busyBetween(lines, string(g.device.ID), from.UnixNano(), to.UnixNano())) / 1e9
		// Three seconds of 1/6 s windows at 10 Hz tell a bursty load only roughly; the fake-time tests are exact.
		if got := sums[g]; got < busy-0.25 || got > busy+0.25 {
			t.Errorf("gpu %s: readings add up to %.2f s busy, the log says %.2f s", g.device.Label(), got, busy)
		}
	}
}
