package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"gpusignal/test/e2e/cluster"
)

// pod of the Deployment, as the API server tells it.
type pod struct {
	Metadata struct {
		Namespace, Name   string
		DeletionTimestamp string
	}
	Status struct {
		PodIP      string
		Conditions []struct{ Type, Status string }
	}
}

func (p pod) ready() bool {
	for _, condition := range p.Status.Conditions {
		if condition.Type == "Ready" {
			return condition.Status == "True" && p.Metadata.DeletionTimestamp == ""
		}
	}
	return false
}

// pods with a label.
func pods(c *cluster.Cluster, namespace, selector string) ([]pod, error) {
	var list struct{ Items []pod }
	err := c.API("/api/v1/namespaces/"+namespace+"/pods?labelSelector="+url.QueryEscape(selector), &list)
	return list.Items, err
}

// replicas that a Deployment is asked for.
func replicas(c *cluster.Cluster, namespace, deployment string) (int, error) {
	var d struct{ Spec struct{ Replicas int } }
	err := c.API("/apis/apps/v1/namespaces/"+namespace+"/deployments/"+deployment, &d)
	return d.Spec.Replicas, err
}

// claims are the GPUs that the kubelet itself says it has given to each pod of a namespace.
func claims(namespace string) (map[string][]string, error) {
	conn, err := grpc.NewClient("unix:///var/lib/kubelet/pod-resources/kubelet.sock", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	list, err := podresources.NewPodResourcesListerClient(conn).List(ctx, &podresources.ListPodResourcesRequest{})
	if err != nil {
		return nil, err
	}
	found := make(map[string][]string)
	for _, p := range list.GetPodResources() {
		for _, container := range p.GetContainers() {
			for _, device := range container.GetDevices() {
				if p.GetNamespace() == namespace {
					found[p.GetName()] = append(found[p.GetName()], device.GetDeviceIds()...)
				}
			}
		}
	}
	return found, nil
}

// pages are the instants at which the daemon has read each server's page, by its own account.
type pages struct {
	mu   sync.Mutex
	read map[string][]time.Time
}

// watchPages asks the daemon at an address over and over, until the test ends. An answer now and then may fail: the pages in it
// are in the next one, or missed, and then nothing is compared with them.
func watchPages(t *testing.T, address string) *pages {
	t.Helper()
	w := &pages{read: make(map[string][]time.Time)}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if err := w.look(address); err != nil {
					t.Logf("ask the daemon: %v", err)
				}
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return w
}

func (w *pages) look(address string) error {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + address + "/api/v1/node")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var v struct {
		Servers []struct {
			Pod string
			At  time.Time
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		return fmt.Errorf("read /api/v1/node: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, server := range v.Servers {
		seen := w.read[server.Pod]
		if !server.At.IsZero() && (len(seen) == 0 || server.At.After(seen[len(seen)-1])) {
			w.read[server.Pod] = append(seen, server.At)
		}
	}
	return nil
}

// around are the pages of a pod between which an instant lies: the last one up to it and the first one after it, which is zero
// where there is none yet.
func (w *pages) around(pod string, at time.Time) (before, after time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, page := range w.read[pod] {
		if page.After(at) {
			return before, page
		}
		before = page
	}
	return before, time.Time{}
}
