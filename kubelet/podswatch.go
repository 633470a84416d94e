package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"gpusignal/node"
)

// Modes of Config.PodsMode.
const (
	modeAuto    = "auto"
	modeKubelet = "kubelet"
	modeAPI     = "api"
	modeOff     = "off"
)

const (
	// podsPatience is how often the socket may fail in a row before the API server is asked instead.
	podsPatience = 3
	// podsMaxDelay is the longest wait between two attempts at the socket.
	podsMaxDelay = 2 * time.Second
	// podsSteady is how long a watch must live to count as one that worked.
	podsSteady = time.Second
	// podsSettled is how long a watch of the socket must live before its pods replace the API server's again.
	podsSettled = 30 * time.Second
)

// What node.SourceHealth says of the way that pods take. Names are those that the kubelet's allocations tell.
const (
	viaKubelet = "kubelet"
	viaAPI     = "api"
	viaNames   = "names"
)

// podWatcher keeps the pods of the node in a book. In mode auto the kubelet's socket is tried for ever; while it does not
// work, the API server is watched.
type podWatcher struct {
	mode string
	// hasAPI says that there is an API server to watch.
	hasAPI         bool
	book           *podBook
	kubelet, api   *meter
	kubeletSource  *podsSocket
	apiSource      *apiWatch
	socketPath     string
	failures       int
	waitAfterFault func(failures int) time.Duration
	settled        time.Duration
	stopAPI        func()
}

// run watches until the context ends.
func (w *podWatcher) run(ctx context.Context) {
	switch w.mode {
	case modeAPI:
		w.apiSource.run(ctx)
	case modeKubelet, modeAuto:
		defer w.endAPI()
		for ctx.Err() == nil {
			if !wait(ctx, w.watchSocket(ctx), nil) {
				return
			}
		}
	}
}

// watchSocket watches once and returns how long to wait before the next time.
func (w *podWatcher) watchSocket(ctx context.Context) time.Duration {
	if _, err := os.Stat(w.socketPath); errors.Is(err, fs.ErrNotExist) {
		// A kubelet that has no such socket is no fault while there is an API server to ask.
		if !w.hasAPI || w.kubelet.read().Up {
			w.kubelet.fail(0, w.kubeletSource.socket.missing())
		}
		w.beginAPI(ctx)
		return podsMaxDelay
	}
	start := time.Now()
	synced := false
	watching, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	err := w.kubeletSource.watch(watching, func() {
		synced = true
		beside.Go(func() { w.settle(watching) })
	})
	stop()
	beside.Wait()
	if ctx.Err() != nil {
		return 0
	}
	steady := synced && time.Since(start) >= podsSteady
	if steady {
		// The kubelet restarts, or found us too slow: one more try, at once, before this counts as a failure.
		w.failures = 0
		return 0
	}
	if !synced || !dropped(err) {
		w.kubelet.fail(time.Since(start), w.kubeletSource.explain(err))
	}
	w.failures++
	if w.failures >= podsPatience {
		w.beginAPI(ctx)
	}
	return w.waitAfterFault(w.failures)
}

// settle leaves the API server alone once a watch of the socket has lasted.
func (w *podWatcher) settle(ctx context.Context) {
	if w.stopAPI == nil || wait(ctx, w.settled, nil) {
		w.book.settle()
		w.endAPI()
	}
}

// podsDelay grows from 200 ms to podsMaxDelay.
func podsDelay(failures int) time.Duration {
	return min(baseDelay<<min(failures-1, 8), podsMaxDelay)
}

// beginAPI starts to watch the API server, where there is one and it is not watched already.
func (w *podWatcher) beginAPI(ctx context.Context) {
	if w.apiSource == nil || w.stopAPI != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { w.apiSource.run(ctx) })
	w.stopAPI = func() {
		cancel()
		wg.Wait()
	}
}

// endAPI stops to watch the API server and waits until that has ended.
func (w *podWatcher) endAPI() {
	if w.stopAPI != nil {
		w.stopAPI()
		w.stopAPI = nil
	}
}

// health of the pods. A live source tells of every change, so it is as of the instant at.
func (w *podWatcher) health(at time.Time) []node.SourceHealth {
	if w.mode == modeOff {
		return nil
	}
	kubelet, api := w.kubelet.read(), w.api.read()
	h := node.SourceHealth{
		Source:   "pods",
		Success:  kubelet.Success,
		Took:     kubelet.Took,
		Attempts: kubelet.Attempts + api.Attempts,
		Failures: kubelet.Failures + api.Failures,
		Faults:   kubelet.Faults,
		Via:      viaNames,
	}
	for _, f := range api.Faults {
		h.Faults = countFault(h.Faults, f.Reason, f.Count)
	}
	view := w.book.view.Load()
	if view.alive(at) {
		h.Via = []string{fromKubelet: viaKubelet, fromAPI: viaAPI}[view.source]
	}
	if view.source == fromAPI {
		h.Took = api.Took
	}
	if view.live {
		h.Up, h.Success = true, at
		h.Detail = []string{fromKubelet: "from the kubelet's pods-api socket", fromAPI: "from the API server"}[view.source]
		return []node.SourceHealth{h}
	}
	if !view.lost.IsZero() {
		h.Success = view.lost
	}
	h.Detail = w.detail(kubelet, api)
	if !view.alive(at) {
		h.Detail += "; until then pods are known by name only"
	}
	return []node.SourceHealth{h}
}

// detail says what is wrong while no source is live.
func (w *podWatcher) detail(kubelet, api node.SourceHealth) string {
	var parts []string
	if w.mode != modeAPI && (!w.hasAPI || kubelet.Attempts > 0) {
		parts = append(parts, kubelet.Detail)
	}
	if w.hasAPI && w.mode != modeKubelet {
		parts = append(parts, api.Detail)
	}
	if w.mode == modeAuto && !w.hasAPI {
		parts = append(parts, fmt.Sprintf("no API server to ask instead (not in a cluster, or no service account); "+
			"--kubernetes.pods=%s accepts names only", modeOff))
	}
	return strings.Join(parts, "; ")
}
