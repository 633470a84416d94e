package deviceplugin

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const resource = "nvidia.com/gpu"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kubelet is the kubelet's side: it takes registrations of plugins whose socket is there.
type kubelet struct {
	api.UnimplementedRegistrationServer
	dir        string
	registered chan *api.RegisterRequest
}

// startKubelet does what a kubelet does when it starts: it removes all sockets, then listens.
func startKubelet(t *testing.T, dir string) (k *kubelet, stop func()) {
	t.Helper()
	sockets, err := filepath.Glob(filepath.Join(dir, "*.sock"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sockets {
		if err := os.RemoveAll(s); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "kubelet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	k = &kubelet{dir: dir, registered: make(chan *api.RegisterRequest, 16)}
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	api.RegisterRegistrationServer(server, k)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return k, server.Stop
}

func (k *kubelet) Register(_ context.Context, in *api.RegisterRequest) (*api.Empty, error) {
	if _, err := os.Stat(filepath.Join(k.dir, in.GetEndpoint())); err != nil {
		return nil, status.Error(codes.Unavailable, "failed to dial device plugin")
	}
	k.registered <- in
	return &api.Empty{}, nil
}

// plugin waits for a registration, checks it and returns a client of the plugin.
func (k *kubelet) plugin(t *testing.T) api.DevicePluginClient {
	t.Helper()
	var in *api.RegisterRequest
	select {
	case in = <-k.registered:
	case <-time.After(time.Minute):
		t.Fatal("no registration within a minute")
	}
	if in.GetVersion() != "v1beta1" || in.GetResourceName() != resource || in.GetEndpoint() != "nvidia.com_gpu.sock" {
		t.Errorf("registered %v", in)
	}
	conn, err := grpc.NewClient("unix:"+filepath.Join(k.dir, in.GetEndpoint()), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return api.NewDevicePluginClient(conn)
}

// run runs a plugin until the function it returns is called, or the test ends.
func run(t *testing.T, dir string, ids ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := New(dir, resource, ids, nil).Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// checkDevices reads the first list of devices and returns the stream, which stays open.
func checkDevices(t *testing.T, p api.DevicePluginClient, want ...string) grpc.ServerStreamingClient[api.ListAndWatchResponse] {
	t.Helper()
	stream, err := p.ListAndWatch(t.Context(), &api.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list.GetDevices() {
		got = append(got, d.GetID())
		if d.GetHealth() != api.Healthy {
			t.Errorf("device %q is %q", d.GetID(), d.GetHealth())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("devices %q, want %q", got, want)
	}
	return stream
}

func TestRegistersWithEveryKubelet(t *testing.T) {
	dir := t.TempDir()
	// A socket that a killed plugin left behind does no harm, and neither does a kubelet that comes later.
	if err := os.WriteFile(filepath.Join(dir, "nvidia.com_gpu.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop := run(t, dir, "GPU-a", "GPU-b")
	k, end := startKubelet(t, dir)
	for range 3 {
		stream := checkDevices(t, k.plugin(t), "GPU-a", "GPU-b")
		end()
		k, end = startKubelet(t, dir)
		if _, err := stream.Recv(); err == nil {
			t.Error("a second list of devices, where the stream had to end")
		}
	}
	end()
	stop()
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left in the folder: %q", left)
	}
}

func TestEndEndsTheStream(t *testing.T) {
	dir := t.TempDir()
	k, _ := startKubelet(t, dir)
	stop := run(t, dir, "GPU-a")
	stream := checkDevices(t, k.plugin(t), "GPU-a")
	stop()
	if _, err := stream.Recv(); err == nil {
		t.Error("the stream goes on after the end")
	}
}

func TestServingFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := New(file, resource, nil, nil).Run(t.Context()); err == nil {
		t.Error("no error for a folder that is a file")
	}
}

func TestAllocate(t *testing.T) {
	dir := t.TempDir()
	k, _ := startKubelet(t, dir)
	run(t, dir, "GPU-a::0", "GPU-a::1", "GPU-b", "GPU-c")
	p := k.plugin(t)
	out, err := p.Allocate(t.Context(), &api.AllocateRequest{ContainerRequests: []*api.ContainerAllocateRequest{
		{DevicesIds: []string{"GPU-c", "GPU-b"}},
		{DevicesIds: []string{"GPU-a::1"}},
		{DevicesIds: []string{"GPU-a::0", "GPU-a::1", "GPU-b"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range out.GetContainerResponses() {
		got = append(got, c.GetEnvs()["NVIDIA_VISIBLE_DEVICES"])
	}
	if want := []string{"GPU-c,GPU-b", "GPU-a", "GPU-a,GPU-b"}; !slices.Equal(got, want) {
		t.Errorf("visible devices %q, want %q", got, want)
	}
	for _, id := range []string{"GPU-a", "GPU-b::0", "GPU-x", ""} {
		_, err := p.Allocate(t.Context(), &api.AllocateRequest{ContainerRequests: []*api.ContainerAllocateRequest{{DevicesIds: []string{id}}}})
		if status.Code(err) != codes.NotFound {
			t.Errorf("Allocate(%q): %v, want NotFound", id, err)
		}
	}
}
