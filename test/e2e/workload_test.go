package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"gpusignal/test/e2e/cluster"
)

// pod of the Deployment, as the API server tells it.
type pod struct {
	Metadata struct {
		Name              string
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
	out, err := c.Kubectl("-n", namespace, "get", "pods", "-l", selector, "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct{ Items []pod }
	err = json.Unmarshal([]byte(out), &list)
	return list.Items, err
}

// watcher asks the daemon what it holds, over and over: which GPU each pod claims, and when it read each server's page.
type watcher struct {
	mu     sync.Mutex
	claims map[string][]string // UUIDs by pod
	pages  map[string][]time.Time
}

// view is the part of /api/v1/node that the watcher reads.
type view struct {
	Claims []struct {
		Namespace, Pod, Device string
	}
	Servers []struct {
		Namespace, Pod string
		At             time.Time
	}
}

// watch begins to ask the daemon at an address, until the test ends.
func watch(t *testing.T, address string) *watcher {
	t.Helper()
	w := &watcher{claims: make(map[string][]string), pages: make(map[string][]time.Time)}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(250 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				if err := w.look(address); err != nil {
					t.Errorf("ask the daemon: %v", err)
				}
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return w
}

func (w *watcher) look(address string) error {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + address + "/api/v1/node")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var v view
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.claims)
	for _, claim := range v.Claims {
		w.claims[claim.Pod] = append(w.claims[claim.Pod], claim.Device)
	}
	for _, server := range v.Servers {
		seen := w.pages[server.Pod]
		if !server.At.IsZero() && (len(seen) == 0 || server.At.After(seen[len(seen)-1])) {
			w.pages[server.Pod] = append(seen, server.At)
		}
	}
	return nil
}

// claim is the one GPU that a pod claims.
func (w *watcher) claim(pod string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if claims := w.claims[pod]; len(claims) == 1 {
		return claims[0], nil
	}
	return "", fmt.Errorf("pod %s claims %v, want one GPU", pod, w.claims[pod])
}

// page is when the daemon read the page that it knew of a pod at an instant.
func (w *watcher) page(pod string, at time.Time) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var newest time.Time
	for _, page := range w.pages[pod] {
		if !page.After(at) {
			newest = page
		}
	}
	return newest, !newest.IsZero()
}

// around are the pages between which an instant lies: before it or at it, and after it.
func (w *watcher) around(pod string, at time.Time) (before, after time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, page := range w.pages[pod] {
		if page.After(at) {
			return before, page, !before.IsZero()
		}
		before = page
	}
	return before, after, false
}
