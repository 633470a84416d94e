package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"gpusignal/node"
)

const (
	// apiListDeadline bounds a list of the pods of one node. A watch has no deadline of ours.
	apiListDeadline = 30 * time.Second
	// Limits of the wait between two attempts at the API server.
	apiMinDelay = time.Second
	apiMaxDelay = 30 * time.Second
)

// InClusterConfig returns how to reach the API server with the service account of this pod, and nil outside of a cluster
// and where the pod has no token mounted.
func InClusterConfig() (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read service account: %w", err)
	}
	return config, nil
}

// apiWatch watches the pods of one node at the API server. The reflector of client-go does the work; this is the store it
// writes to, which keeps of each pod only what gpusignal reads.
type apiWatch struct {
	http  *http.Client
	rest  rest.Interface
	node  string
	book  *podBook
	meter *meter

	mu sync.Mutex
	// pods by UID. They are live while both hold: they are a whole list, and a watch tells of their changes.
	pods             map[string]node.Pod
	synced, watching bool
	started          time.Time
}

// newAPIWatch makes the client. Its scheme knows core/v1 alone: client-go's own clientset would add 37 MB to the binary.
func newAPIWatch(config *rest.Config, nodeName string, book *podBook, m *meter) (*apiWatch, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register core/v1: %w", err)
	}
	config = rest.CopyConfig(config)
	config.APIPath = "/api"
	config.GroupVersion = &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.WarningHandler = rest.NoWarnings{}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make client of API server %q: %w", config.Host, err)
	}
	client, err := rest.RESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("make client of API server %q: %w", config.Host, err)
	}
	return &apiWatch{
		http: httpClient, rest: client, node: nodeName, book: book, meter: m, pods: map[string]node.Pod{},
	}, nil
}

// run watches until the context ends.
func (a *apiWatch) run(ctx context.Context) {
	defer utilnet.CloseIdleConnectionsFor(a.http.Transport)
	defer a.unwatch()
	// The zero logger drops everything. klog's own writes to standard error in a format of its own; what matters of it comes
	// back as errors.
	var silent klog.Logger
	ctx = klog.NewContext(ctx, silent)
	lw := &cache.ListWatch{ListWithContextFunc: a.list, WatchFuncWithContext: a.watch}
	reflector := cache.NewReflectorWithOptions(lw, &corev1.Pod{}, a, cache.ReflectorOptions{Name: "pods", Logger: &silent})
	delay := apiMinDelay
	for ctx.Err() == nil {
		start := time.Now()
		// Failed requests are counted where they are made; what else can end it (an expired version) is no fault.
		if err := reflector.ListAndWatchWithContext(ctx); err == nil || time.Since(start) > apiMaxDelay {
			delay = apiMinDelay
		}
		if !wait(ctx, delay, nil) {
			return
		}
		delay = min(2*delay, apiMaxDelay)
	}
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

// impatient hides from the reflector the errors after which it would sleep, up to a minute and deaf to the end of the
// context, before it tries again. It returns them instead, and run waits.
func impatient(err error) error {
	if utilnet.IsConnectionRefused(err) || apierrors.IsTooManyRequests(err) {
		return errors.New(err.Error())
	}
	return err
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

// explainAPI says why a request to the API server failed, and the way out.
func explainAPI(err error) fault {
	switch {
	case apierrors.IsForbidden(err):
		return fault{"forbidden", fmt.Sprintf("the API server does not let this service account read pods: bind it to a "+
			"ClusterRole with get, list and watch on pods, or set --kubernetes.pods=off: %v", err)}
	case apierrors.IsUnauthorized(err):
		return fault{"unauthorized", fmt.Sprintf("the API server does not accept the token of the service account: %v", err)}
	case apierrors.IsTooManyRequests(err):
		return fault{"limited", fmt.Sprintf("the API server is overloaded; trying again: %v", err)}
	}
	return fault{"unreachable", fmt.Sprintf("cannot list pods at the API server; trying again: %v", err)}
}
