package kubelet

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"gpusignal/node"
)

// faultsOf renders the failures of a source by reason.
func faultsOf(h node.SourceHealth) string {
	var words []string
	for _, f := range h.Faults {
		words = append(words, f.Reason)
	}
	return strings.Join(words, " ")
}

// TestListTooBig checks that a list beyond the limit is told as such, and not as the kubelet's own limit of calls, which grpc
// gives the same code; and that the last mapping stands.
func TestListTooBig(t *testing.T) {
	path := socketPath(t, "kubelet.sock")
	server := &resources{}
	server.set(nil, holds("a", gpu1))
	temporary := listenAt(t, path)
	s := grpc.NewServer()
	server.register(s)
	go func() { _ = s.Serve(temporary) }()
	t.Cleanup(s.Stop)
	k := start(t, Config{PodResourcesSocket: path, PodsMode: "off"})
	eventually(t, "the claim", func() bool { return claimsOf(k.Kubelet) == "a/main GPU-1+" })
	big := holds("a", gpu1)
	big.Containers[0].Memory = []*podresources.ContainerMemory{{MemoryType: strings.Repeat("x", 20<<20)}}
	server.set(nil, big)
	eventually(t, "the size is told", func() bool {
		h := health(k.Kubelet, "kubelet")
		return !h.Up && strings.Contains(h.Detail, "more than 16 MiB") && strings.Contains(h.Detail, "fewer replicas")
	})
	h := health(k.Kubelet, "kubelet")
	if strings.Contains(h.Detail, "calls/s") || !strings.Contains(faultsOf(h), "too_big") {
		t.Errorf("it is told as %q: %s", faultsOf(h), h.Detail)
	}
	if got := claimsOf(k.Kubelet); got != "a/main GPU-1+" {
		t.Errorf("claims became %q", got)
	}
	server.set(nil)
	eventually(t, "an empty list", func() bool { return health(k.Kubelet, "kubelet").Up })
}

// listenAt listens on a unix socket.
func listenAt(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// garbage is a codec that sends bytes which are no message.
type garbage struct{ encoding.CodecV2 }

func (garbage) Marshal(any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer("\xff\xff\xff\xff garbage")}, nil
}

// TestGarbage goes through servers that do not speak as a kubelet does. Each is told, by a reason of its own, and the claims
// stand.
func TestGarbage(t *testing.T) {
	path := socketPath(t, "kubelet.sock")
	server := &resources{}
	server.set(nil, holds("a", gpu1))
	kill := serve(t, path, server.register)
	k := start(t, Config{PodResourcesSocket: path, PodsMode: "off"})
	eventually(t, "the claim", func() bool { return claimsOf(k.Kubelet) == "a/main GPU-1+" })
	kill()

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l := listenAt(t, path)
	s := grpc.NewServer(grpc.ForceServerCodecV2(garbage{encoding.GetCodecV2("proto")}))
	server.register(s)
	go func() { _ = s.Serve(l) }()
	eventually(t, "a message that is none", func() bool { return strings.Contains(health(k.Kubelet, "kubelet").Detail, "cannot read what") })
	s.Stop()

	l = listenAt(t, path)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			_ = c.Close()
		}
	}()
	eventually(t, "a server of something else", func() bool {
		h := health(k.Kubelet, "kubelet")
		return !h.Up && strings.Contains(faultsOf(h), "garbled") && strings.Contains(h.Detail, "was lost")
	})
	_ = l.Close()
	<-done
	if got := claimsOf(k.Kubelet); got != "a/main GPU-1+" {
		t.Errorf("claims became %q", got)
	}
}

// TestSlowAndBusyKubelet checks that a kubelet which answers late, or says that it is busy, costs nothing but its age.
func TestSlowAndBusyKubelet(t *testing.T) {
	for what, test := range map[string]struct{ err, reason, detail string }{
		"late": {"", "timeout", "is the kubelet overloaded?"},
		"busy": {"rejected by rate limit", "limited", "100 calls/s"},
	} {
		t.Run(what, func(t *testing.T) {
			path := socketPath(t, "kubelet.sock")
			server := &slowResources{}
			server.set(nil, holds("a", gpu1))
			serve(t, path, server.register)
			s, err := openSocket(path, "kubelet.pod-resources-socket", dialUnix)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			k := newClaimKeeper(Config{Devices: twoGPUs, Logger: (&logBook{}).logger(), OnClaims: func(time.Time, []node.Claim) {}}, newPodBook().view.Load)
			api := newPodResources(s)
			k.poll(t.Context(), api)
			if test.err != "" {
				server.set(status.Error(codes.ResourceExhausted, test.err))
			} else {
				server.late.Store(true)
			}
			if test.err == "" {
				k.poll(t.Context(), hurried{api})
			} else {
				k.poll(t.Context(), api)
			}
			claims, unmapped := k.claims(time.Now())
			if h := k.health(); h.Up || faultsOf(h) != test.reason || !strings.Contains(h.Detail, test.detail) {
				t.Errorf("health %+v, want the reason %s", h, test.reason)
			}
			if got := render(claims); got != "a/main GPU-1+" {
				t.Errorf("claims became %q", got)
			}
			if len(unmapped) != 1 || unmapped[0].Reason != "unclaimed" {
				t.Errorf("unmapped %v: a late answer is no restart", unmapped)
			}
			if k.health().Confirmed.IsZero() {
				t.Error("nothing says how old the mapping is")
			}
		})
	}
}

// slowResources answers only when its caller has gone, while it is late.
type slowResources struct {
	resources
	late atomic.Bool
}

func (r *slowResources) register(s *grpc.Server) { podresources.RegisterPodResourcesListerServer(s, r) }

func (r *slowResources) List(ctx context.Context, in *podresources.ListPodResourcesRequest) (*podresources.ListPodResourcesResponse, error) {
	if r.late.Load() {
		<-ctx.Done()
		return nil, fmt.Errorf("too late: %w", ctx.Err())
	}
	return r.resources.List(ctx, in)
}

// hurried gives a call less time than the daemon does.
type hurried struct{ lister }

func (h hurried) List(ctx context.Context) (listing, error) {
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	return h.lister.List(ctx)
}
