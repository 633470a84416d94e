package kubelet

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"gpusignal/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eventually waits until a condition around a real socket holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not within 15 s: %s", what)
		case <-tick.C:
		}
	}
}

// logBook is a log that tests can read.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// count returns how many lines hold a text.
func (l *logBook) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func (l *logBook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// gpu and mig are devices of the node the tests run on.
func gpu(minor int, id string) node.Device {
	return node.Device{ID: node.DeviceID(id), Index: minor, Minor: minor}
}

func mig(minor, instance, profile, start int, id, parent string) node.Device {
	return node.Device{
		ID: node.DeviceID(id), Parent: node.DeviceID(parent), Minor: minor, GPUInstance: instance, ProfileID: profile,
		PlacementStart: start,
	}
}

const (
	gpu0 = "GPU-00000000-7777-8888-9999-aaaaaaaaaaaa"
	gpu1 = "GPU-11111111-7777-8888-9999-aaaaaaaaaaaa"
)

func twoGPUs() []node.Device { return []node.Device{gpu(0, gpu0), gpu(1, gpu1)} }

// running is a Kubelet that runs, and what it has told of claims.
type running struct {
	*Kubelet
	log logBook

	mu    sync.Mutex
	calls [][]node.Claim
}

// told returns how often claims have changed.
func (r *running) told() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.calls)
}

// start runs a Kubelet until the test ends.
func start(t *testing.T, cfg Config) *running {
	t.Helper()
	r := &running{}
	cfg.Interval = 20 * time.Millisecond
	cfg.Logger = r.log.logger()
	cfg.Devices = twoGPUs
	cfg.OnClaims = func(_ time.Time, claims []node.Claim) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.calls = append(r.calls, claims)
	}
	r.Kubelet = New(cfg)
	r.pods.settled = 50 * time.Millisecond
	run(t, r.Kubelet)
	return r
}

// run runs a Kubelet until the test ends.
func run(t *testing.T, k *Kubelet) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v after its context ended", err)
		}
	})
}

// health returns how one source fares.
func health(k *Kubelet, source string) node.SourceHealth {
	for _, h := range k.Health(time.Now()) {
		if h.Source == source {
			return h
		}
	}
	return node.SourceHealth{Detail: "no such source"}
}

// claimsOf renders claims as "pod/container device" lines, with the UID where there is one.
func claimsOf(k *Kubelet) string {
	claims, _ := k.Claims(time.Now())
	return render(claims)
}

func render(claims []node.Claim) string {
	var lines []string
	for _, c := range claims {
		name := c.Container.Pod.Name
		if c.Container.Pod.UID != "" {
			name += "(" + c.Container.Pod.UID + ")"
		}
		lines = append(lines, name+"/"+c.Container.Name+" "+string(c.Device)[:5]+strings.Repeat("+", c.Weight))
	}
	return strings.Join(lines, ", ")
}

// socketPath is a path short enough for a unix socket.
func socketPath(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, name)
}

// serve runs a gRPC server as the kubelet does: it listens on another name and renames the socket over the path. What it
// returns kills it: the socket's file stays.
func serve(t *testing.T, path string, register func(*grpc.Server)) (kill func()) {
	t.Helper()
	temporary := path + ".tmp"
	listener, err := net.Listen("unix", temporary)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Rename(temporary, path); err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxSendMsgSize(maxMessage))
	register(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	kill = sync.OnceFunc(func() {
		server.Stop()
		<-done
	})
	t.Cleanup(kill)
	return kill
}

// resources is a pod-resources server whose answer the test sets.
type resources struct {
	podresources.UnimplementedPodResourcesListerServer

	mu     sync.Mutex
	answer *podresources.ListPodResourcesResponse
	err    error
	asked  int
}

func (r *resources) List(context.Context, *podresources.ListPodResourcesRequest) (*podresources.ListPodResourcesResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	return r.answer, r.err
}

// set sets the answer to these pods, or to an error.
func (r *resources) set(err error, pods ...*podresources.PodResources) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer, r.err = &podresources.ListPodResourcesResponse{PodResources: pods}, err
}

// lists returns how often it has been asked.
func (r *resources) lists() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// listsMore waits for two more questions to be asked and so at least one answer to have been taken.
func (r *resources) listsMore(t *testing.T) {
	t.Helper()
	before := r.lists()
	eventually(t, "two more lists", func() bool { return r.lists() >= before+2 })
}

func (r *resources) register(s *grpc.Server) { podresources.RegisterPodResourcesListerServer(s, r) }

// holds is a pod whose container "main" holds devices of a device plugin.
func holds(pod string, ids ...string) *podresources.PodResources {
	return &podresources.PodResources{Name: pod, Namespace: "default", Containers: []*podresources.ContainerResources{{
		Name:    "main",
		Devices: []*podresources.ContainerDevices{{ResourceName: "nvidia.com/gpu", DeviceIds: ids}},
	}}}
}
