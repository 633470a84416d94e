package kubelet

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gpusignal/node"
)

const (
	// listDeadline bounds one call of List.
	listDeadline = 5 * time.Second
	// listGap is the least time between two lists, however many pods change: the kubelet's limit is for all its clients.
	listGap = 250 * time.Millisecond
	// listFresh is how long after the last good list an unclaimed device is known to be unclaimed.
	listFresh = 10 * time.Second
)

// claimsView is what is published of claims. It is never changed.
type claimsView struct {
	joined
	// listed is when the newest good list arrived, zero before the first, and confirmed when the list did that last had
	// whatever of the claims was confirmed the longest ago.
	listed, confirmed time.Time
	// kept counts the allocations that the newest list lacks but that are still believed.
	kept int
	// doubted is when the kubelet last seemed to restart, zero while it never has.
	doubted time.Time
}

// claimKeeper polls the kubelet for allocations and keeps the claims they make.
type claimKeeper struct {
	interval time.Duration
	devices  func() []node.Device
	pods     func() *podView
	// published are the devices of DRA that resource slices have told of, and wantSlices asks for them to be told of.
	published  func() sliceIndex
	wantSlices func()
	onClaims   func(at time.Time, claims []node.Claim)
	meter      *meter
	poke       chan struct{}
	view       atomic.Pointer[claimsView]

	// mu orders the two that recompute the claims: the poll, and a change of the pods.
	mu      sync.Mutex
	mapping mapping
	joiner  joiner
	listed  time.Time
}

// newClaimKeeper returns a keeper that has heard nothing yet.
func newClaimKeeper(cfg Config, pods func() *podView) *claimKeeper {
	k := &claimKeeper{
		interval:   cfg.Interval,
		devices:    cfg.Devices,
		pods:       pods,
		published:  func() sliceIndex { return nil },
		wantSlices: func() {},
		onClaims:   cfg.OnClaims,
		meter:      newMeter(cfg.Logger, "kubelet pod-resources"),
		poke:       make(chan struct{}, 1),
	}
	k.view.Store(&claimsView{})
	return k
}

// rejoin recomputes the claims with the pods and resource slices as they are now.
func (k *claimKeeper) rejoin() {
	k.mu.Lock()
	k.recompute(time.Now())
	k.mu.Unlock()
}

// podsChanged recomputes the claims, and has the kubelet asked soon.
func (k *claimKeeper) podsChanged() {
	k.rejoin()
	select {
	case k.poke <- struct{}{}:
	default:
	}
}

// run polls until the context ends: at every interval, and soon after the pods changed.
func (k *claimKeeper) run(ctx context.Context, from lister) {
	for ctx.Err() == nil {
		last := time.Now()
		k.poll(ctx, from)
		if !wait(ctx, k.interval, k.poke) {
			return
		}
		// The wait may have been cut short by a change of the pods.
		if gap := min(listGap, k.interval) - time.Since(last); gap > 0 && !wait(ctx, gap, nil) {
			return
		}
	}
}

// wait returns true after the duration, or when poked, and false when the context has ended.
func wait(ctx context.Context, d time.Duration, poke <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-poke:
	case <-timer.C:
	}
	return true
}

// poll asks once.
func (k *claimKeeper) poll(ctx context.Context, from lister) {
	callCtx, cancel := context.WithTimeout(ctx, listDeadline)
	defer cancel()
	start := time.Now()
	got, err := from.List(callCtx)
	at := time.Now()
	if ctx.Err() != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		if restarting(err) {
			k.mapping.fail(at)
		}
		k.meter.fail(at.Sub(start), from.Explain(err))
	} else {
		pods := k.pods()
		k.mapping.list(at, got, !pods.live && !pods.lost.IsZero())
		k.listed = at
		k.meter.ok(at, at.Sub(start))
	}
	k.recompute(at)
}

// restarting says whether an error can come of a kubelet that stops or starts. One that answers that it is busy has not
// forgotten its pods.
func restarting(err error) bool {
	code := status.Code(err)
	return code != codes.ResourceExhausted && code != codes.DeadlineExceeded
}

// recompute publishes the claims and tells of them if they changed. The caller holds mu.
func (k *claimKeeper) recompute(at time.Time) {
	before := k.view.Load()
	now := k.joiner.join(k.mapping.held, k.devices(), k.pods(), k.published())
	changed := !slices.Equal(now.claims, before.claims)
	if !changed {
		now.claims = before.claims
	}
	k.view.Store(&claimsView{
		joined: now, listed: k.listed, confirmed: k.mapping.confirmed(k.listed), kept: k.mapping.kept(), doubted: k.mapping.unsettled,
	})
	if changed {
		k.onClaims(at, now.claims)
	}
	if now.unresolved {
		k.wantSlices()
	}
}

// claims returns the claims, and the devices and ids that none of them accounts for.
func (k *claimKeeper) claims(at time.Time) ([]node.Claim, []node.Unmapped) {
	view := k.view.Load()
	lack := lackOf(!view.listed.IsZero(), at.Sub(view.listed) <= listFresh, doubtful(view.doubted, at), view.unknown)
	return view.claims, slices.Concat(ownerless(k.devices(), view.claims, view.left, lack), view.odd)
}

// health of the pod-resources socket.
func (k *claimKeeper) health() node.SourceHealth {
	h, view := k.meter.read(), k.view.Load()
	h.Source, h.Confirmed = "kubelet", view.confirmed
	if h.Up && view.kept > 0 {
		h.Detail = fmt.Sprintf("the kubelet's list lacks %d allocations that it had before it restarted; they are kept for %v",
			view.kept, grace)
	}
	return h
}
