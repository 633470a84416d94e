package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Limits of a connection to the kubelet. grpc-go's own backoff grows to two minutes, and its own limit of 4 MiB is less
// than what the kubelet sends for a full node.
const (
	maxMessage   = 16 << 20
	baseDelay    = 200 * time.Millisecond
	maxDelay     = time.Second
	dialDeadline = 5 * time.Second
)

// dialFunc connects to a unix socket.
type dialFunc func(ctx context.Context, path string) (net.Conn, error)

// socket is one lasting gRPC connection to a unix socket of the kubelet. It comes back by itself when the kubelet does.
type socket struct {
	path, flag string
	conn       *grpc.ClientConn
	// connections counts those that were made.
	connections atomic.Uint64

	mu      sync.Mutex
	dialErr error
}

// openSocket makes the connection; nothing is dialled before the first call. The flag is the one that sets the path.
func openSocket(path, flag string, dial dialFunc) (*socket, error) {
	s := &socket{path: path, flag: flag}
	// The target is not the path: it becomes the ":authority" of every call, and a path is not a valid one.
	conn, err := grpc.NewClient("passthrough:///localhost",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: baseDelay, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxDelay},
			MinConnectTimeout: dialDeadline,
		}),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			c, err := dial(ctx, path)
			s.mu.Lock()
			s.dialErr = err
			s.mu.Unlock()
			if err == nil {
				s.connections.Add(1)
			}
			return c, err
		}))
	if err != nil {
		return nil, fmt.Errorf("open socket %q: %w", path, err)
	}
	s.conn = conn
	return s, nil
}

// dialUnix connects to a unix socket of this machine.
func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// close ends the connection.
func (s *socket) close() { _ = s.conn.Close() }

// explain says why a call on the socket failed, and the way out.
func (s *socket) explain(err error) fault {
	if status.Code(err) != codes.Unavailable {
		return s.explainCall(err)
	}
	s.mu.Lock()
	cause := s.dialErr
	s.mu.Unlock()
	switch {
	case cause == nil:
		return fault{"lost", fmt.Sprintf("connection to %s was lost: the kubelet is stopping or restarting; trying again: %s", s.path,
			status.Convert(err).Message())}
	case errors.Is(cause, fs.ErrNotExist):
		return s.missing()
	case errors.Is(cause, fs.ErrPermission):
		return fault{"denied", fmt.Sprintf("permission denied on %s: the pod must run as uid 0 (on SELinux hosts with type spc_t)",
			s.path)}
	case errors.Is(cause, syscall.ECONNREFUSED):
		if f, no := s.notASocket(); no {
			return f
		}
		return fault{"refused", fmt.Sprintf("nobody listens on %s: the kubelet is restarting or stopped; trying again", s.path)}
	}
	return fault{"unreachable", fmt.Sprintf("cannot connect to %s: %v", s.path, cause)}
}

// missing is the fault of a socket that is not there.
func (s *socket) missing() fault {
	return fault{"missing", fmt.Sprintf("socket %s does not exist: mount the host directory %s into the pod (hostPath), and "+
		"where the kubelet has another --root-dir (k3s, microk8s, kops) set --%s", s.path, filepath.Dir(s.path), s.flag)}
}

// notASocket is the fault of a path that holds something else: the system refuses to connect to that as well.
func (s *socket) notASocket() (fault, bool) {
	info, err := os.Stat(s.path)
	if err != nil || info.Mode().Type() == fs.ModeSocket {
		return fault{}, false
	}
	what := "a file"
	if info.IsDir() {
		what = "a directory"
	}
	return fault{"no_socket", fmt.Sprintf("%s is %s and not a socket: check that the mount is of the host directory %s (hostPath), and --%s",
		s.path, what, filepath.Dir(s.path), s.flag)}, true
}

// explainCall says why a call failed that reached the kubelet.
func (s *socket) explainCall(err error) fault {
	text := status.Convert(err).Message()
	switch status.Code(err) {
	case codes.ResourceExhausted:
		if strings.Contains(text, "larger than max") {
			return fault{"too_big", fmt.Sprintf("the answer of %s is more than %d MiB, which is all that is taken; what it said before "+
				"stands. Most of a list are ids of devices: have device plugins offer fewer replicas on this node: %s", s.path, maxMessage>>20, text)}
		}
		return fault{"limited", fmt.Sprintf("the kubelet refuses more on %s (its limit is 100 calls/s for all clients together): %s",
			s.path, text)}
	case codes.FailedPrecondition:
		return fault{"starting", fmt.Sprintf("the kubelet behind %s is not ready yet: %s; trying again", s.path, text)}
	case codes.Unimplemented:
		return fault{"unimplemented", fmt.Sprintf("%s does not speak this API: check --%s: %s", s.path, s.flag, text)}
	case codes.Internal:
		return fault{"garbled", fmt.Sprintf("cannot read what %s sends: %s", s.path, text)}
	case codes.DeadlineExceeded:
		return fault{"timeout", fmt.Sprintf("no answer from %s in time: is the kubelet overloaded?", s.path)}
	}
	return fault{"error", fmt.Sprintf("call to %s failed: %v", s.path, err)}
}
