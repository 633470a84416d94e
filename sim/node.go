package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gpusignal/node"

	"google.golang.org/grpc"
	podresourcesv1 "k8s.io/kubelet/pkg/apis/podresources/v1"
	podsv1 "k8s.io/kubelet/pkg/apis/pods/v1alpha1"
)

// Config is what a simulated node is made from.
type Config struct {
	// Seed decides pods, UUIDs and the sequence of requests. The same seed gives the same node.
	Seed int64
	// Dir is where the kubelet's sockets and the files of the processes are made. Socket paths are limited to some 100 characters.
	Dir string
	// Log gets the truth, in the format that log.go describes; it may be nil.
	Log io.Writer
	// GPUs of the node; 0 is 8. Pods whose GPUs the node does not have are left out.
	GPUs int
	// Plain is for a node on which no GPU is shared.
	Plain bool
}

// Node is a simulated GPU node.
type Node struct {
	cfg    Config
	log    *truth
	driver *Driver
	pods   *pods
	proc   *procTree

	sockets []socket
	servers []*server
	jobs    []func(context.Context)
	client  *http.Client

	// loading is how long the pod that starts with the node loads its model, and trains how long a Job lasts.
	loading time.Duration
	trains  func() time.Duration

	// Of the layout: its random numbers, how many addresses were given to pods, and when the node was made.
	random    *rand.Rand
	addresses int
	began     time.Time
}

// socket is a gRPC server on a unix socket.
type socket struct {
	path     string
	listener net.Listener
	grpc     *grpc.Server
}

// New makes a node: it opens the sockets and the listeners of its servers, and starts nothing.
func New(cfg Config) (*Node, error) {
	if cfg.GPUs == 0 {
		cfg.GPUs = 8
	}
	if cfg.GPUs < 0 || cfg.GPUs > 64 {
		return nil, fmt.Errorf("make simulated node: %d GPUs: it can have 1 to 64", cfg.GPUs)
	}
	if cfg.Dir == "" {
		return nil, errors.New("make simulated node: no directory for the sockets: give one that can be written")
	}
	n := &Node{
		cfg: cfg, log: newTruth(cfg.Log), began: time.Now(),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second}},
	}
	var err error
	if n.proc, err = newProcTree(n.Proc(), n.began.Add(-100*time.Hour)); err != nil {
		return nil, fmt.Errorf("make simulated node: %w", err)
	}
	n.pods = newPods(n.log)
	n.driver = &Driver{events: make(chan node.Event, 16)}
	random := stream(cfg.Seed, "gpus")
	for i := range cfg.GPUs {
		n.driver.gpus = append(n.driver.gpus, newGPU(node.Device{
			ID: node.DeviceID("GPU-" + uuid(random)), Index: i, Minor: i, Model: "NVIDIA H100 80GB HBM3",
			PCIAddress: fmt.Sprintf("0000:%02x:00.0", 0x0a+i*0x10), Driver: "595.45.04",
		}, n.log, between(random, 0, renewal), 1e12+1e12*random.Float64()))
	}
	if err := n.populate(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if err := n.listenKubelet(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) listenKubelet() error {
	for path, register := range map[string]func(*grpc.Server){
		n.PodResourcesSocket(): func(s *grpc.Server) {
			podresourcesv1.RegisterPodResourcesListerServer(s, &resourcesServer{pods: n.pods, driver: n.driver})
		},
		n.PodsSocket(): func(s *grpc.Server) { podsv1.RegisterPodsServer(s, &podsServer{pods: n.pods}) },
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return fmt.Errorf("make directory of socket %q: %w", path, err)
		}
		if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("remove old socket %q: %w", path, err)
			}
		}
		listener, err := net.Listen("unix", path)
		if err != nil {
			return fmt.Errorf("listen on socket %q: %w", path, err)
		}
		s := newServer()
		register(s)
		n.sockets = append(n.sockets, socket{path, listener, s})
	}
	return nil
}

// Driver is the node's GPU driver.
func (n *Node) Driver() *Driver { return n.driver }

// PodResourcesSocket is the path of the kubelet's pod-resources socket.
func (n *Node) PodResourcesSocket() string {
	return filepath.Join(n.cfg.Dir, "pod-resources", "kubelet.sock")
}

// PodsSocket is the path of the kubelet's pods socket.
func (n *Node) PodsSocket() string { return filepath.Join(n.cfg.Dir, "pods-api", "pods-api.sock") }

// Proc is the folder that stands in for /proc: of each process on a device it has <pid>/cgroup and <pid>/stat.
func (n *Node) Proc() string { return filepath.Join(n.cfg.Dir, "proc") }

// NodeName is the node's name in Kubernetes.
func (n *Node) NodeName() string { return "sim-node-0" }

// Run runs the node until ctx ends, and waits for all of it. It can be called once. It returns nil when ctx has ended, and
// an error when a listener or the truth log fails.
func (n *Node) Run(ctx context.Context) error {
	with, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	n.log.event("start", "seed", n.cfg.Seed)
	var wg sync.WaitGroup
	run := func(f func(context.Context) error) {
		wg.Go(func() {
			if err := f(with); err != nil {
				cancel(err)
			}
		})
	}
	for _, s := range n.sockets {
		run(s.run)
	}
	for _, s := range n.servers {
		run(func(ctx context.Context) error { return n.serve(ctx, s) })
	}
	for _, job := range n.jobs {
		wg.Go(func() { job(with) })
	}
	run(n.flush)
	wg.Wait()
	n.client.CloseIdleConnections()
	for g := range n.driver.all() {
		g.halt()
	}
	n.log.event("stop")
	if ctx.Err() != nil {
		return n.fault()
	}
	return context.Cause(with)
}

// flush writes the busy lines of the truth log as they fall due, and notices when the log or the processes cannot be written.
func (n *Node) flush(ctx context.Context) error {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for g := range n.driver.all() {
			g.flush(cut)
		}
		if err := n.fault(); err != nil {
			return err
		}
	}
}

// fault is why what the node writes could not be written.
func (n *Node) fault() error { return errors.Join(n.log.fault(), n.proc.fault()) }

// run serves a socket until ctx ends.
func (s socket) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.grpc.Stop)()
	if err := s.grpc.Serve(s.listener); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve socket %q: %w", s.path, err)
	}
	s.grpc.Stop() // Waits for the handlers; Serve does not.
	return nil
}

// Close removes the sockets and the processes, and closes what New opened. It is safe after Run and without it.
func (n *Node) Close() error {
	errs := []error{n.closeSockets()}
	for _, s := range n.servers {
		for _, e := range s.endpoints {
			if e.listener != nil {
				errs = append(errs, unlessGone(e.listener.Close()))
			}
		}
	}
	errs = append(errs, unlessGone(os.RemoveAll(n.Proc())))
	n.client.CloseIdleConnections()
	return errors.Join(errs...)
}

func (n *Node) closeSockets() error {
	var errs []error
	for _, s := range n.sockets {
		s.grpc.Stop()
		errs = append(errs, unlessGone(s.listener.Close()), unlessGone(os.Remove(s.path)))
	}
	return errors.Join(errs...)
}

// unlessGone is an error, unless it says that what was to be closed or removed is gone already.
func unlessGone(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
