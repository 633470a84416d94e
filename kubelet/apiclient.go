package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

const (
	// apiListDeadline bounds a list of what belongs to one node. A watch has no deadline of ours.
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

// apiClient speaks to the API server of one kind of object.
type apiClient struct {
	http *http.Client
	rest rest.Interface
}

// apiKind is a kind of object at the API server.
type apiKind struct {
	// path is where its group begins: "/api" for core, "/apis" for the others.
	path    string
	version schema.GroupVersion
	name    string
	// object and list are empty ones to read into.
	object, list runtime.Object
	// accept are the content types that they can be read from, the best first.
	accept string
}

// newAPIClient makes the client. Its scheme knows the kind and its list alone: client-go's own clientset would add 37 MB to
// the binary.
func newAPIClient(config *rest.Config, kind apiKind) (*apiClient, error) {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(kind.version.WithKind(kind.name), kind.object)
	scheme.AddKnownTypeWithName(kind.version.WithKind(kind.name+"List"), kind.list)
	metav1.AddToGroupVersion(scheme, kind.version)
	config = rest.CopyConfig(config)
	config.APIPath = kind.path
	config.GroupVersion = &kind.version
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType, _, _ = strings.Cut(kind.accept, ",")
	config.AcceptContentTypes = kind.accept
	config.WarningHandler = rest.NoWarnings{}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make client of API server %q: %w", config.Host, err)
	}
	client, err := rest.RESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("make client of API server %q: %w", config.Host, err)
	}
	return &apiClient{http: httpClient, rest: client}, nil
}

// follow keeps a store like the API server until the context ends. The reflector of client-go does the work.
func (c *apiClient) follow(ctx context.Context, name string, kind runtime.Object, store cache.ReflectorStore, lw *cache.ListWatch) {
	defer utilnet.CloseIdleConnectionsFor(c.http.Transport)
	// The zero logger drops everything. klog's own writes to standard error in a format of its own; what matters of it comes
	// back as errors.
	var silent klog.Logger
	ctx = klog.NewContext(ctx, silent)
	reflector := cache.NewReflectorWithOptions(lw, kind, store, cache.ReflectorOptions{Name: name, Logger: &silent})
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

// impatient hides from the reflector the errors after which it would sleep, up to a minute and deaf to the end of the
// context, before it tries again. It returns them instead, and follow waits.
func impatient(err error) error {
	if utilnet.IsConnectionRefused(err) || apierrors.IsTooManyRequests(err) {
		return errors.New(err.Error())
	}
	return err
}

// explainRequest says why a request for a resource failed, and the way out; without is how to do without it.
func explainRequest(err error, resource, without string) fault {
	switch {
	case apierrors.IsForbidden(err):
		return fault{"forbidden", fmt.Sprintf("the API server does not let this service account read %s: bind it to a "+
			"ClusterRole with get, list and watch on %s, or %s: %v", resource, resource, without, err)}
	case apierrors.IsUnauthorized(err):
		return fault{"unauthorized", fmt.Sprintf("the API server does not accept the token of the service account: %v", err)}
	case apierrors.IsTooManyRequests(err):
		return fault{"limited", fmt.Sprintf("the API server is overloaded; trying again: %v", err)}
	}
	return fault{"unreachable", fmt.Sprintf("cannot list %s at the API server; trying again: %v", resource, err)}
}
