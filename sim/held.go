package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HeldPod is a pod of one container that holds devices of this machine's real driver.
type HeldPod struct {
	Namespace, Name, UID string
	// Container is its name, Image and Args what it runs.
	Container, Image string
	Args             []string
	// IP and Port are where it serves; a pod without a port serves nothing.
	IP   string
	Port int
	// Devices are ids as a device plugin gives them out: UUIDs, with "::n" for a replica.
	Devices []string
}

func (p HeldPod) spec() *podSpec {
	c := container{name: p.Container, image: p.Image, args: p.Args, devices: p.Devices, resource: gpuResource}
	if p.Port > 0 {
		c.ports = ports("http", p.Port)
	}
	return &podSpec{
		namespace: p.Namespace, name: p.Name, uid: p.UID, ip: p.IP, containers: []container{c}, started: time.Now(), ready: true,
		owner: metav1.OwnerReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: p.Name},
	}
}

// Kubelet is a kubelet's sockets alone, about pods that are given: for a daemon that reads a real driver on a machine without
// Kubernetes.
type Kubelet struct{ node *Node }

// NewKubelet opens the sockets below a directory and starts nothing.
func NewKubelet(dir string, held []HeldPod) (*Kubelet, error) {
	if dir == "" {
		return nil, errors.New("make kubelet: no directory for the sockets: give one that can be written")
	}
	log := newTruth(nil)
	n := &Node{cfg: Config{Dir: dir}, log: log, pods: newPods(log), driver: &Driver{}}
	for _, p := range held {
		if p.Namespace == "" || p.Name == "" || p.UID == "" || p.Container == "" {
			return nil, fmt.Errorf("make kubelet: pod %q needs a namespace, a name, a uid and a container", p.Name)
		}
		s := p.spec()
		n.pods.add(s.build(n.NodeName()), s.containers...)
	}
	if err := n.listenKubelet(); err != nil {
		return nil, errors.Join(err, (&Kubelet{n}).Close())
	}
	return &Kubelet{n}, nil
}

// PodResourcesSocket is the path of the pod-resources socket.
func (k *Kubelet) PodResourcesSocket() string { return k.node.PodResourcesSocket() }

// PodsSocket is the path of the pods socket.
func (k *Kubelet) PodsSocket() string { return k.node.PodsSocket() }

// Run serves until ctx ends.
func (k *Kubelet) Run(ctx context.Context) error {
	with, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, s := range k.node.sockets {
		wg.Go(func() {
			if err := s.run(with); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(with)
}

// Close removes the sockets.
func (k *Kubelet) Close() error { return k.node.closeSockets() }
