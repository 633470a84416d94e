package e2e

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"gpusignal/test/e2e/load"
)

// runClients lets clients ask the servers that are ready, until the test ends.
func runClients(t *testing.T, clients *load.Load, servers func() ([]load.Target, error)) {
	t.Helper()
	list, err := servers()
	if err != nil {
		t.Fatal(err)
	}
	clients.SetTargets(list)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- clients.Run(ctx) }()
	go func() { done <- follow(ctx, clients, servers) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, <-done); err != nil {
			t.Errorf("the clients: %v", err)
		}
	})
}

// follow keeps the clients' list of servers. A question that fails now and then leaves the list as it is.
func follow(ctx context.Context, clients *load.Load, servers func() ([]load.Target, error)) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for failed := 0; ; {
		list, err := servers()
		if err != nil {
			if failed++; failed > 20 {
				return err
			}
		} else {
			failed = 0
			clients.SetTargets(list)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// targets are the servers that are ready, at a port.
func targets(list []pod, port string) []load.Target {
	var out []load.Target
	for _, p := range list {
		if p.ready() {
			out = append(out, load.Target{Name: p.Metadata.Name, URL: "http://" + net.JoinHostPort(p.Status.PodIP, port)})
		}
	}
	return out
}
