package kubelet

import (
	"context"

	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

// listing is one answer of the kubelet.
type listing struct {
	// allocations are what it gave to whom, sorted, each once.
	allocations []allocation
	// pods is how many pods it lists, with devices or without. A node has some always, be it the one that asks.
	pods int
	// anew says that it came over a new connection: the kubelet has restarted since the one before.
	anew bool
}

// lister lists what the kubelet gave to whom. Explain says why List failed.
type lister interface {
	List(ctx context.Context) (listing, error)
	Explain(err error) fault
}

// podResources is the kubelet's pod-resources API, version 1, on its socket.
type podResources struct {
	socket *socket
	client podresources.PodResourcesListerClient
	// connections is how many there had been when the newest good answer came.
	connections uint64
}

// newPodResources returns the API behind a socket.
func newPodResources(s *socket) *podResources {
	return &podResources{socket: s, client: podresources.NewPodResourcesListerClient(s.conn)}
}

// List asks the kubelet.
func (p *podResources) List(ctx context.Context) (listing, error) {
	answer, err := p.client.List(ctx, &podresources.ListPodResourcesRequest{})
	if err != nil {
		return listing{}, err
	}
	connections := p.socket.connections.Load()
	anew := connections != p.connections
	p.connections = connections
	return listing{allocations: allocations(answer), pods: len(answer.GetPodResources()), anew: anew}, nil
}

// Explain says why List failed.
func (p *podResources) Explain(err error) fault { return p.socket.explain(err) }
