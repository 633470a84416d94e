package kubelet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"gpusignal/node"
)

// Config of a Kubelet.
type Config struct {
	// PodResourcesSocket and PodsSocket are paths: of the pod-resources API, and of the Pods API (Kubernetes 1.37 and
	// later).
	PodResourcesSocket, PodsSocket string
	// NodeName is the name of this node at the API server.
	NodeName string
	// PodsMode says where pods come from: "kubelet" (PodsSocket), "api" (the API server), "auto" (the socket, and the API
	// server while the socket does not work) or "off" (names only).
	PodsMode string
	// API is how to reach the API server, nil outside of a cluster.
	API *rest.Config
	// Interval between two questions to the pod-resources API.
	Interval time.Duration
	// HostPIDs says that this process sees the processes of the host, as its PIDs of them are, in Proc, which is /proc unless set.
	HostPIDs bool
	Proc     string
	// Devices returns the devices of this node at once, from memory.
	Devices func() []node.Device
	// OnClaims is called with the new claims when they have changed, one call at a time. It must return at once and leave
	// the claims as they are.
	OnClaims func(at time.Time, claims []node.Claim)
	// Logger takes one record per change of state.
	Logger *slog.Logger
}

// Kubelet knows the claims and the pods of this node.
type Kubelet struct {
	cfg    Config
	dial   dialFunc
	proc   procfs
	claims *claimKeeper
	pods   *podWatcher
	// slices is nil where there is no API server to ask.
	slices *sliceWatch
}

// New returns a Kubelet that has not asked anybody anything yet.
func New(cfg Config) *Kubelet {
	if cfg.Interval <= 0 {
		cfg.Interval = time.Second
	}
	if cfg.OnClaims == nil {
		cfg.OnClaims = func(time.Time, []node.Claim) {}
	}
	book := newPodBook()
	k := &Kubelet{
		cfg:    cfg,
		dial:   dialUnix,
		proc:   newProcfs(cmp.Or(cfg.Proc, "/proc")),
		claims: newClaimKeeper(cfg, book.view.Load),
		pods: &podWatcher{
			mode:           cfg.PodsMode,
			hasAPI:         cfg.API != nil,
			book:           book,
			kubelet:        newMeter(cfg.Logger, "kubelet pods-api"),
			api:            newMeter(cfg.Logger, "API server"),
			socketPath:     cfg.PodsSocket,
			waitAfterFault: podsDelay,
			settled:        podsSettled,
		},
	}
	book.changed = k.claims.podsChanged
	if cfg.API != nil && cfg.NodeName != "" && cfg.PodsMode != modeOff {
		k.slices = newSliceWatch(cfg.API, cfg.NodeName, newMeter(cfg.Logger, "resource slices"), k.claims.rejoin)
		k.claims.published, k.claims.wantSlices = k.slices.known, k.slices.want
	}
	return k
}

// Run watches until the context ends, and then returns nil. A socket that is missing, or an API server that does not
// answer, does not end it; a configuration that cannot work does.
func (k *Kubelet) Run(ctx context.Context) error {
	if err := k.Check(); err != nil {
		return err
	}
	resources, err := openSocket(k.cfg.PodResourcesSocket, "kubelet.pod-resources-socket", k.dial)
	if err != nil {
		return err
	}
	defer resources.close()
	closePods, err := k.openPods()
	if err != nil {
		return err
	}
	defer closePods()
	var wg sync.WaitGroup
	wg.Go(func() { k.claims.run(ctx, newPodResources(resources)) })
	wg.Go(func() { k.pods.run(ctx) })
	if k.slices != nil {
		wg.Go(func() { k.slices.run(ctx) })
	}
	wg.Wait()
	return nil
}

// Check says what in the configuration cannot work.
func (k *Kubelet) Check() error {
	api := k.cfg.API != nil
	switch k.cfg.PodsMode {
	case modeOff, modeKubelet:
		return nil
	case modeAuto:
	case modeAPI:
		if !api {
			return errors.New("watch pods at the API server: not in a cluster, or no service account token is mounted: " +
				"set --kubernetes.pods=auto")
		}
	default:
		return fmt.Errorf("choose source of pods %q: must be one of %s, %s, %s, %s", k.cfg.PodsMode,
			modeAuto, modeKubelet, modeAPI, modeOff)
	}
	if api && k.cfg.NodeName == "" {
		return errors.New("watch pods at the API server: node name is empty: set --node-name or NODE_NAME")
	}
	return nil
}

// openPods makes the sources of pods that the mode allows, and returns what closes them.
func (k *Kubelet) openPods() (func(), error) {
	w := k.pods
	if w.mode == modeAPI || w.mode == modeAuto && k.cfg.API != nil {
		source, err := newAPIWatch(k.cfg.API, k.cfg.NodeName, w.book, w.api)
		if err != nil {
			return nil, err
		}
		w.apiSource = source
	}
	if w.mode != modeKubelet && w.mode != modeAuto {
		return func() {}, nil
	}
	s, err := openSocket(k.cfg.PodsSocket, "kubelet.pods-socket", k.dial)
	if err != nil {
		return nil, err
	}
	w.kubeletSource = newPodsSocket(s, w.book, w.kubelet)
	return s.close, nil
}

// Claims returns who may use what, sorted by namespace, pod, container and device; and the devices that nobody claims and
// the claimed ids that are no device of this node, each with the reason. Nobody may change what it returns.
func (k *Kubelet) Claims(at time.Time) ([]node.Claim, []node.Unmapped) { return k.claims.claims(at) }

// Pods returns the pods of the node, sorted by namespace and name. When no source has told of them for a minute these are
// the names in the claims alone. Nobody may change what it returns.
func (k *Kubelet) Pods(at time.Time) []node.Pod {
	view := k.pods.book.view.Load()
	if view.alive(at) {
		return view.pods
	}
	return namesOnly(k.claims.view.Load().claims, view.pods)
}

// Health returns how the sources fare: "kubelet" (pod-resources), unless the mode is "off" "pods", and once they were needed
// "resourceslices".
func (k *Kubelet) Health(at time.Time) []node.SourceHealth {
	return slices.Concat([]node.SourceHealth{k.claims.health()}, k.pods.health(at), k.slices.health())
}
