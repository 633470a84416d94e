package kubelet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"gpusignal/node"
)

// sliceWatch watches what NVIDIA's DRA driver publishes of this node's GPUs in ResourceSlices (resource.k8s.io/v1,
// Kubernetes 1.34 and later). It asks nobody anything before a device's name could not be resolved without: most nodes
// never need it. It is the store that the reflector writes to.
type sliceWatch struct {
	config *rest.Config
	client *apiClient
	node   string
	meter  *meter
	// changed is called when there is another index.
	changed func()
	// wanted holds a token once a name was met that needs slices; started says that the watch has begun.
	wanted  chan struct{}
	started atomic.Bool
	index   atomic.Pointer[sliceIndex]

	mu     sync.Mutex
	slices map[string]*resourceSlice
	begun  time.Time
}

// newSliceWatch returns a watch that has not begun.
func newSliceWatch(config *rest.Config, nodeName string, m *meter, changed func()) *sliceWatch {
	return &sliceWatch{
		config: config, node: nodeName, meter: m, changed: changed, wanted: make(chan struct{}, 1),
		slices: map[string]*resourceSlice{},
	}
}

// want has the watch begin, if it has not.
func (w *sliceWatch) want() {
	select {
	case w.wanted <- struct{}{}:
	default:
	}
}

// known returns what slices have told, nil before they have.
func (w *sliceWatch) known() sliceIndex {
	if index := w.index.Load(); index != nil {
		return *index
	}
	return nil
}

// run waits until slices are wanted, and then watches until the context ends.
func (w *sliceWatch) run(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-w.wanted:
	}
	w.started.Store(true)
	client, err := newAPIClient(w.config, apiKind{
		path: "/apis", version: sliceVersion(), name: "ResourceSlice", object: &resourceSlice{}, list: &resourceSliceList{},
		accept: runtime.ContentTypeJSON,
	})
	if err != nil {
		w.meter.fail(0, fault{"configuration", err.Error()})
		return
	}
	w.client = client
	client.follow(ctx, "resourceslices", &resourceSlice{}, w, &cache.ListWatch{ListWithContextFunc: w.list, WatchFuncWithContext: w.watch})
}

// request begins a request for the slices of the node's GPUs.
func (w *sliceWatch) request(options *metav1.ListOptions) *rest.Request {
	options.FieldSelector = fields.AndSelectors(
		fields.OneTermEqualSelector("spec.nodeName", w.node),
		fields.OneTermEqualSelector("spec.driver", draDriver),
	).String()
	w.mu.Lock()
	w.begun = time.Now()
	w.mu.Unlock()
	return w.client.rest.Get().Resource("resourceslices").VersionedParams(options, metav1.ParameterCodec)
}

// list is the reflector's list.
func (w *sliceWatch) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, apiListDeadline)
	defer cancel()
	list := &resourceSliceList{}
	if err := w.request(&options).Do(ctx).Into(list); err != nil {
		w.failed(ctx, err)
		return nil, err
	}
	return list, nil
}

// watch is the reflector's watch.
func (w *sliceWatch) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	options.Watch = true
	stream, err := w.request(&options).Watch(ctx)
	if err != nil {
		initial := options.SendInitialEvents != nil && *options.SendInitialEvents
		if !initial || !apierrors.IsInvalid(err) {
			w.failed(ctx, err)
		}
		return nil, impatient(err)
	}
	return stream, nil
}

// failed counts a failed request, save one that we ended ourselves. What slices told before stands: a device keeps its name.
func (w *sliceWatch) failed(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	w.mu.Lock()
	took := time.Since(w.begun)
	w.mu.Unlock()
	w.meter.fail(took, explainSlices(err))
}

// explainSlices says why a request for slices failed, and the way out.
func explainSlices(err error) fault {
	if apierrors.IsNotFound(err) {
		return fault{"unserved", fmt.Sprintf("the API server does not serve resourceslices of resource.k8s.io/v1 (Kubernetes 1.34 and "+
			"later): DRA devices are known only where their names hold the minor number: %v", err)}
	}
	return explainRequest(err, "resourceslices (resource.k8s.io)", "do without the owners of DRA devices whose names do not hold the minor number")
}

// health of the slices; none before they are wanted.
func (w *sliceWatch) health() []node.SourceHealth {
	if w == nil || !w.started.Load() {
		return nil
	}
	h := w.meter.read()
	h.Source = "resourceslices"
	return []node.SourceHealth{h}
}

// Add takes a slice; it is part of the reflector's store, as are the methods below.
func (w *sliceWatch) Add(object any) error { return w.Update(object) }

// Update takes a slice.
func (w *sliceWatch) Update(object any) error {
	return w.change(func() error { return keepSlice(w.slices, object) })
}

// Delete drops a slice.
func (w *sliceWatch) Delete(object any) error {
	return w.change(func() error {
		slice, ok := object.(*resourceSlice)
		if !ok {
			return fmt.Errorf("delete resource slice: it is a %T", object)
		}
		delete(w.slices, slice.Name)
		return nil
	})
}

// Replace takes the whole list.
func (w *sliceWatch) Replace(objects []any, _ string) error {
	return w.change(func() error {
		all := make(map[string]*resourceSlice, len(objects))
		for _, object := range objects {
			if err := keepSlice(all, object); err != nil {
				return err
			}
		}
		w.slices = all
		return nil
	})
}

// Resync does nothing.
func (w *sliceWatch) Resync() error { return nil }

// keepSlice enters a slice by its name.
func keepSlice(all map[string]*resourceSlice, object any) error {
	slice, ok := object.(*resourceSlice)
	if !ok {
		return fmt.Errorf("store resource slice: it is a %T", object)
	}
	all[slice.Name] = slice
	return nil
}

// change changes the slices, makes another index of them and tells.
func (w *sliceWatch) change(do func() error) error {
	w.mu.Lock()
	err := do()
	if err == nil {
		all := make([]*resourceSlice, 0, len(w.slices))
		for _, slice := range w.slices {
			all = append(all, slice)
		}
		w.index.Store(new(indexSlices(all)))
		w.meter.ok(time.Now(), time.Since(w.begun))
	}
	w.mu.Unlock()
	if err == nil {
		w.changed()
	}
	return err
}
