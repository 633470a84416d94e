package kubelet

import (
	"context"

	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

// lister lists what the kubelet gave to whom, sorted, each allocation once. Explain says why List failed.
type lister interface {
	List(ctx context.Context) ([]allocation, error)
	Explain(err error) fault
}

// podResources is the kubelet's pod-resources API, version 1, on its socket.
type podResources struct {
	socket *socket
	client podresources.PodResourcesListerClient
}

// newPodResources returns the API behind a socket.
func newPodResources(s *socket) *podResources {
	return &podResources{socket: s, client: podresources.NewPodResourcesListerClient(s.conn)}
}

// List asks the kubelet.
func (p *podResources) List(ctx context.Context) ([]allocation, error) {
	answer, err := p.client.List(ctx, &podresources.ListPodResourcesRequest{})
	if err != nil {
		return nil, err
	}
	return allocations(answer), nil
}

// Explain says why List failed.
func (p *podResources) Explain(err error) fault { return p.socket.explain(err) }
