package kubelet

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"gpusignal/node"
)

// TestClaimsOverTheSocket goes through a kubelet's restart: killed with its socket's file left behind, back with an empty
// list, then a partial one, then all. The claims stand throughout and nobody is told of a change.
func TestClaimsOverTheSocket(t *testing.T) {
	path := socketPath(t, "kubelet.sock")
	server := &resources{}
	server.set(nil, holds("b", gpu0+"::1", gpu0+"::0"), holds("a", gpu1), holds("plain"))
	kill := serve(t, path, server.register)
	k := start(t, Config{PodResourcesSocket: path, PodsMode: "off"})
	const all = "a/main GPU-1+, b/main GPU-0++"
	eventually(t, "both claims", func() bool { return claimsOf(k.Kubelet) == all })

	kill()
	eventually(t, "the refusal is seen", func() bool { return strings.Contains(health(k.Kubelet, "kubelet").Detail, "nobody listens") })
	if got := claimsOf(k.Kubelet); got != all {
		t.Errorf("while the kubelet is down the claims are %q, want %q", got, all)
	}

	server.set(nil)
	serve(t, path, server.register)
	eventually(t, "the empty list is taken", func() bool { return strings.Contains(health(k.Kubelet, "kubelet").Detail, "lacks 3") })
	if got := claimsOf(k.Kubelet); got != all {
		t.Errorf("after an empty list the claims are %q, want %q", got, all)
	}
	server.set(nil, holds("a", gpu1))
	server.listsMore(t)
	if got := claimsOf(k.Kubelet); got != all {
		t.Errorf("after a partial list the claims are %q, want %q", got, all)
	}
	server.set(nil, holds("a", gpu1), holds("b", gpu0+"::1", gpu0+"::0"))
	eventually(t, "the whole list is taken", func() bool { return health(k.Kubelet, "kubelet").Detail == "" })
	if got := claimsOf(k.Kubelet); got != all {
		t.Errorf("at last the claims are %q, want %q", got, all)
	}
	if got := k.told(); got != 1 {
		t.Errorf("changes were told %d times, want once", got)
	}
	if down, up := k.log.count("source is down"), k.log.count("source is up"); down > 2 || up != 2 {
		t.Errorf("log has %d times down and %d times up, want one for each change of state", down, up)
	}
	if _, unmapped := k.Claims(time.Now()); len(unmapped) != 0 {
		t.Errorf("unmapped: %v", unmapped)
	}
	want := []node.Pod{{ID: node.PodID{Namespace: "default", Name: "a"}}, {ID: node.PodID{Namespace: "default", Name: "b"}}}
	if diff := cmp.Diff(want, k.Pods(time.Now())); diff != "" {
		t.Errorf("pods by name (-want +got):\n%s", diff)
	}
}

// TestQuickRestart has the kubelet restart between two lists, so that no call fails: the new connection tells, and what the list
// lacks is kept.
func TestQuickRestart(t *testing.T) {
	path := socketPath(t, "kubelet.sock")
	server := &resources{}
	server.set(nil, holds("a", gpu0), holds("plain"))
	kill := serve(t, path, server.register)
	s, err := openSocket(path, "kubelet.pod-resources-socket", dialUnix)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	k := newClaimKeeper(Config{Devices: twoGPUs, Logger: (&logBook{}).logger(), OnClaims: func(time.Time, []node.Claim) {}}, newPodBook().view.Load)
	api := newPodResources(s)
	k.poll(t.Context(), api)
	kill()
	eventually(t, "the connection's end", func() bool { return s.conn.GetState() == connectivity.Idle })
	server.set(nil, holds("plain"))
	serve(t, path, server.register)
	k.poll(t.Context(), api)
	claims, unmapped := k.claims(time.Now())
	if h := k.health(); h.Failures > 0 || !strings.Contains(h.Detail, "lacks 1") {
		t.Errorf("health %+v, want no failure and an allocation that is kept", h)
	}
	if got := render(claims); got != "a/main GPU-0+" {
		t.Errorf("claims became %q", got)
	}
	if len(unmapped) != 1 || unmapped[0].Reason != "kubelet_restarted" {
		t.Errorf("unmapped %v", unmapped)
	}
	k.poll(t.Context(), api)
	if got := render(k.view.Load().claims); got != "a/main GPU-0+" {
		t.Errorf("with the next list claims became %q", got)
	}
}

func TestSocketMissingThenThere(t *testing.T) {
	path := socketPath(t, "kubelet.sock")
	k := start(t, Config{PodResourcesSocket: path, PodsMode: "off"})
	eventually(t, "the missing socket is told", func() bool {
		h := health(k.Kubelet, "kubelet")
		return !h.Up && h.Failures > 3 && strings.Contains(h.Detail, "hostPath") &&
			strings.Contains(h.Detail, "--kubelet.pod-resources-socket")
	})
	_, unmapped := k.Claims(time.Now())
	want := []node.Unmapped{{Device: gpu0, Reason: "source_down"}, {Device: gpu1, Reason: "source_down"}}
	if diff := cmp.Diff(want, unmapped, withoutDetail); diff != "" {
		t.Errorf("unmapped (-want +got):\n%s", diff)
	}
	if got := k.log.count("source is down"); got != 1 {
		t.Errorf("logged %d times, want once", got)
	}
	server := &resources{}
	server.set(nil, holds("a", gpu1))
	serve(t, path, server.register)
	eventually(t, "the claim", func() bool { return claimsOf(k.Kubelet) == "a/main GPU-1+" })
	_, unmapped = k.Claims(time.Now())
	if diff := cmp.Diff([]node.Unmapped{{Device: gpu0, Reason: "kubelet_restarted"}}, unmapped, withoutDetail); diff != "" {
		t.Errorf("unmapped (-want +got):\n%s", diff)
	}
	_, unmapped = k.Claims(time.Now().Add(time.Minute))
	if diff := cmp.Diff([]node.Unmapped{{Device: gpu0, Reason: "source_down"}}, unmapped, withoutDetail); diff != "" {
		t.Errorf("unmapped after a minute without a list (-want +got):\n%s", diff)
	}
	if h := health(k.Kubelet, "kubelet"); !h.Up || h.Detail != "" || h.Success.IsZero() || h.Attempts <= h.Failures {
		t.Errorf("health %+v", h)
	}
}

func TestRateLimitIsNoRestart(t *testing.T) {
	path := socketPath(t, "kubelet.sock")
	server := &resources{}
	server.set(nil, holds("a", gpu1), holds("b", gpu0))
	serve(t, path, server.register)
	k := start(t, Config{PodResourcesSocket: path, PodsMode: "off"})
	eventually(t, "both claims", func() bool { return claimsOf(k.Kubelet) == "a/main GPU-1+, b/main GPU-0+" })
	server.set(status.Error(codes.ResourceExhausted, "rejected by rate limit"))
	eventually(t, "the limit is told", func() bool {
		h := health(k.Kubelet, "kubelet")
		return !h.Up && strings.Contains(h.Detail, "rejected by rate limit")
	})
	if got := claimsOf(k.Kubelet); got != "a/main GPU-1+, b/main GPU-0+" {
		t.Errorf("claims became %q", got)
	}
	server.set(nil, holds("a", gpu1))
	eventually(t, "the end of b is believed at once", func() bool { return claimsOf(k.Kubelet) == "a/main GPU-1+" })
}

// A mount of the wrong thing gives a file or a directory, which refuses connections as a kubelet that restarts does.
func TestNotASocket(t *testing.T) {
	for what, put := range map[string]func(path string) error{
		"is a file and not a socket":      func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"is a directory and not a socket": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		path := socketPath(t, "kubelet.sock")
		if err := put(path); err != nil {
			t.Fatal(err)
		}
		k := start(t, Config{PodResourcesSocket: path, PodsMode: "off"})
		eventually(t, what, func() bool {
			h := health(k.Kubelet, "kubelet")
			return !h.Up && strings.Contains(h.Detail, what) && strings.Contains(h.Detail, "mount")
		})
	}
	path := socketPath(t, "kubelet.sock")
	serve(t, path, (&resources{}).register)()
	k := start(t, Config{PodResourcesSocket: path, PodsMode: "off"})
	eventually(t, "a socket that nobody listens on", func() bool {
		return strings.Contains(health(k.Kubelet, "kubelet").Detail, "the kubelet is restarting")
	})
}

// TestPermissionDenied connects as a user that may not: the kernel itself refuses.
func TestPermissionDenied(t *testing.T) {
	path := socketPath(t, "kubelet.sock")
	server := &resources{}
	server.set(nil)
	serve(t, path, server.register)
	if err := os.Chmod(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	k := New(Config{PodResourcesSocket: path, PodsMode: "off", Interval: time.Millisecond, Devices: twoGPUs, Logger: (&logBook{}).logger()})
	k.dial = func(_ context.Context, path string) (net.Conn, error) {
		if os.Getuid() != 0 {
			t.Skip("needs uid 0 to become another user")
		}
		// The thread gives up root for its files and is thrown away with its goroutine.
		runtime.LockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			return nil, err
		}
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		defer func() { _ = syscall.Close(fd) }()
		err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
		return nil, &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", err)}
	}
	run(t, k)
	eventually(t, "the way out is told", func() bool {
		return strings.Contains(health(k, "kubelet").Detail, "must run as uid 0")
	})
}

func TestListBeyondTheDefaultLimit(t *testing.T) {
	path := socketPath(t, "kubelet.sock")
	big := holds("a", gpu1)
	big.Containers[0].Memory = []*podresources.ContainerMemory{{MemoryType: strings.Repeat("x", 6<<20)}}
	server := &resources{}
	server.set(nil, big)
	serve(t, path, server.register)
	k := start(t, Config{PodResourcesSocket: path, PodsMode: "off"})
	eventually(t, "a list of 6 MiB", func() bool { return claimsOf(k.Kubelet) == "a/main GPU-1+" })
}

func TestAnotherAPIOnTheSocket(t *testing.T) {
	path := socketPath(t, "kubelet.sock")
	serve(t, path, func(*grpc.Server) {})
	k := start(t, Config{PodResourcesSocket: path, PodsMode: "off"})
	eventually(t, "the wrong socket is told", func() bool {
		return strings.Contains(health(k.Kubelet, "kubelet").Detail, "does not speak this API")
	})
}

func TestConfigurationThatCannotWork(t *testing.T) {
	for _, test := range []struct {
		cfg  Config
		want string
	}{
		{Config{PodsMode: "magic"}, `choose source of pods "magic"`},
		{Config{PodsMode: "api"}, "not in a cluster"},
		{Config{PodsMode: "auto", API: apiConfig("http://127.0.0.1:1")}, "--node-name"},
	} {
		test.cfg.Logger = (&logBook{}).logger()
		test.cfg.Devices = twoGPUs
		err := New(test.cfg).Run(t.Context())
		if got := fmt.Sprint(err); !strings.Contains(got, test.want) {
			t.Errorf("mode %q: error %q, want it to hold %q", test.cfg.PodsMode, got, test.want)
		}
	}
}
