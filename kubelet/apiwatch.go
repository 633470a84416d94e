package kubelet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"gpusignal/node"
)

// apiWatch watches the pods of one node at the API server. The reflector of client-go does the work; this is the store it
// writes to, which keeps of each pod only what gpusignal reads.
type apiWatch struct {
	*apiClient
	node  string
	book  *podBook
	meter *meter

	mu sync.Mutex
	// pods by UID. They are live while both hold: they are a whole list, and a watch tells of their changes.
	pods             map[string]node.Pod
	synced, watching bool
	started          time.Time
}

// newAPIWatch makes the client.
func newAPIWatch(config *rest.Config, nodeName string, book *podBook, m *meter) (*apiWatch, error) {
	client, err := newAPIClient(config, apiKind{
		path: "/api", version: corev1.SchemeGroupVersion, name: "Pod", object: &corev1.Pod{}, list: &corev1.PodList{},
		accept: runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
	})
	if err != nil {
		return nil, err
	}
	return &apiWatch{apiClient: client, node: nodeName, book: book, meter: m, pods: map[string]node.Pod{}}, nil
}

// run watches until the context ends.
func (a *apiWatch) run(ctx context.Context) {
	defer a.unwatch()
	a.follow(ctx, "pods", &corev1.Pod{}, a, &cache.ListWatch{ListWithContextFunc: a.list, WatchFuncWithContext: a.watch})
}

// request begins a request for the pods of the node.
func (a *apiWatch) request(options *metav1.ListOptions) *rest.Request {
	options.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", a.node).String()
	return a.rest.Get().Resource("pods").VersionedParams(options, metav1.ParameterCodec)
}

// list is the reflector's list. While it runs nobody tells of changes.
func (a *apiWatch) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	a.unwatch()
	ctx, cancel := context.WithTimeout(ctx, apiListDeadline)
	defer cancel()
	a.begin()
	pods := &corev1.PodList{}
	if err := a.request(&options).Do(ctx).Into(pods); err != nil {
		a.failed(ctx, err)
		return nil, err
	}
	return pods, nil
}

// watch is the reflector's watch. One that sends the initial pods too is a list as well.
func (a *apiWatch) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	initial := options.SendInitialEvents != nil && *options.SendInitialEvents
	if initial {
		a.unwatch()
		a.begin()
	}
	options.Watch = true
	w, err := a.request(&options).Watch(ctx)
	if err != nil {
		a.unwatch()
		// An API server before 1.34 may refuse to send the initial pods; the reflector lists instead.
		if !initial || !apierrors.IsInvalid(err) {
			a.failed(ctx, err)
		}
		return nil, impatient(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watching = true
	if initial {
		a.synced = false
	}
	a.publish()
	return w, nil
}

// begin notes the start of a list.
func (a *apiWatch) begin() {
	a.mu.Lock()
	a.started = time.Now()
	a.mu.Unlock()
}

// failed counts a failed request, save one that we ended ourselves.
func (a *apiWatch) failed(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	a.mu.Lock()
	took := time.Since(a.started)
	a.mu.Unlock()
	a.meter.fail(took, explainAPI(err))
}

// unwatch notes that nobody tells of changes any more.
func (a *apiWatch) unwatch() {
	a.mu.Lock()
	a.watching = false
	a.mu.Unlock()
	a.book.lose(fromAPI)
}

// publish gives the pods to the book if they are live. The caller holds mu.
func (a *apiWatch) publish() {
	if !a.synced || !a.watching {
		return
	}
	if !a.meter.read().Up {
		a.meter.ok(time.Now(), time.Since(a.started))
	}
	a.book.put(fromAPI, a.pods)
}

// Add takes a pod; it is part of the reflector's store, as are the methods below.
func (a *apiWatch) Add(object any) error { return a.Update(object) }

// Update takes a pod.
func (a *apiWatch) Update(object any) error {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return fmt.Errorf("store pod: it is a %T", object)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pods[podUID(pod)] = podOf(pod)
	a.publish()
	return nil
}

// Delete drops a pod.
func (a *apiWatch) Delete(object any) error {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return fmt.Errorf("delete pod: it is a %T", object)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.pods, podUID(pod))
	a.publish()
	return nil
}

// Replace takes the whole list.
func (a *apiWatch) Replace(objects []any, _ string) error {
	pods := make(map[string]node.Pod, len(objects))
	for _, object := range objects {
		pod, ok := object.(*corev1.Pod)
		if !ok {
			return fmt.Errorf("store pods: one is a %T", object)
		}
		pods[podUID(pod)] = podOf(pod)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pods, a.synced = pods, true
	a.publish()
	return nil
}

// Resync does nothing.
func (a *apiWatch) Resync() error { return nil }

// explainAPI says why a request for pods failed, and the way out.
func explainAPI(err error) fault {
	return explainRequest(err, "pods", "set --kubernetes.pods=off")
}
