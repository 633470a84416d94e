package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	podsapi "k8s.io/kubelet/pkg/apis/pods/v1alpha1"

	"gpusignal/node"
)

// syncDeadline bounds the time a kubelet may take to send its pods at the start of a watch.
const syncDeadline = 10 * time.Second

// errSyncTooSlow is why a watch was given up that did not get to the end of its first list.
var errSyncTooSlow = errors.New("first list of pods did not end in time")

// podsSocket is the kubelet's Pods API, version 1alpha1 (Kubernetes 1.37 and later), on its socket.
type podsSocket struct {
	socket *socket
	client podsapi.PodsClient
	book   *podBook
	meter  *meter
}

// newPodsSocket returns the API behind a socket, whose pods go to the book.
func newPodsSocket(s *socket, book *podBook, m *meter) *podsSocket {
	return &podsSocket{socket: s, client: podsapi.NewPodsClient(s.conn), book: book, meter: m}
}

// watch feeds the book until the stream breaks, and returns why it did. It calls synced once, when the first list is
// complete. A stream that the kubelet dropped because we were slow is no failure of the kubelet: the next one begins with
// a whole list again.
func (p *podsSocket) watch(ctx context.Context, synced func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := time.AfterFunc(syncDeadline, func() { cancel(errSyncTooSlow) })
	defer patience.Stop()
	defer p.book.lose(fromKubelet)
	start := time.Now()
	stream, err := p.client.WatchPods(ctx, &podsapi.WatchPodsRequest{})
	if err != nil {
		return err
	}
	pods := map[string]node.Pod{}
	complete := false
	for {
		event, err := stream.Recv()
		if err != nil {
			if cause := context.Cause(ctx); errors.Is(cause, errSyncTooSlow) {
				return cause
			}
			return err
		}
		if event.GetType() == podsapi.EventType_INITIAL_SYNC_COMPLETE {
			complete = true
			patience.Stop()
			p.meter.ok(time.Now(), time.Since(start))
			p.book.put(fromKubelet, pods)
			synced()
			continue
		}
		if err := apply(pods, event.GetType(), event.GetPod()); err != nil {
			return err
		}
		if complete {
			p.book.put(fromKubelet, pods)
		}
	}
}

// apply brings pods, by UID, up to date with one event.
func apply(pods map[string]node.Pod, kind podsapi.EventType, data []byte) error {
	var pod corev1.Pod
	if err := pod.Unmarshal(data); err != nil {
		return fmt.Errorf("decode pod of a %v event: %w", kind, err)
	}
	if pod.UID == "" {
		return fmt.Errorf("decode pod of a %v event: no uid", kind)
	}
	switch kind {
	case podsapi.EventType_ADDED, podsapi.EventType_MODIFIED:
		pods[podUID(&pod)] = podOf(&pod)
	case podsapi.EventType_DELETED:
		delete(pods, podUID(&pod))
	}
	return nil
}

// explain says why a watch broke, and the way out.
func (p *podsSocket) explain(err error) fault {
	if _, ok := status.FromError(err); ok {
		return p.socket.explain(err)
	}
	if errors.Is(err, errSyncTooSlow) {
		return fault{"timeout", fmt.Sprintf("the kubelet did not send all pods on %s within %v; trying again", p.socket.path,
			syncDeadline)}
	}
	if errors.Is(err, io.EOF) {
		return fault{"lost", fmt.Sprintf("the kubelet ended the watch on %s; trying again", p.socket.path)}
	}
	return fault{"garbled", fmt.Sprintf("cannot read what %s sends: %v", p.socket.path, err)}
}

// dropped says whether the kubelet ended a stream because this client was slow.
func dropped(err error) bool { return status.Code(err) == codes.ResourceExhausted }
