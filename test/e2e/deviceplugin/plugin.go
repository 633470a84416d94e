// Package deviceplugin offers devices to a kubelet, as the device plugin of a GPU vendor does.
package deviceplugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	// pollInterval is how often the plugin looks for its socket, and tries again to register.
	pollInterval = 200 * time.Millisecond
	// registerTimeout is what the kubelet gets for a registration, in which it dials the plugin for up to 10 s.
	registerTimeout = 15 * time.Second
)

// Plugin offers the devices of one resource.
type Plugin struct {
	dir, socket string
	resource    string
	ids         []string
	log         *slog.Logger
}

// New returns a plugin that offers the devices ids as resource ("nvidia.com/gpu") to the kubelet that listens on
// kubelet.sock in dir. Ids of the form "GPU-x::n" are shares of one device. A nil logger discards. New starts nothing.
func New(dir, resource string, ids []string, logger *slog.Logger) *Plugin {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Plugin{
		dir: dir, socket: filepath.Join(dir, strings.ReplaceAll(resource, "/", "_")+".sock"),
		resource: resource, ids: slices.Clone(ids), log: logger.With("resource", resource),
	}
}

// Run serves the devices and registers them until ctx ends, and returns nil then. It begins anew whenever its socket is
// gone: a kubelet that starts empties the folder. The kubelet need not run yet; only a failure to serve is an error.
func (p *Plugin) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := p.serve(ctx); err != nil {
			return err
		}
	}
	return nil
}

// serve makes the socket and serves on it, registered, until ctx ends or the socket is gone.
func (p *Plugin) serve(ctx context.Context) error {
	listener, err := p.listen()
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	api.RegisterDevicePluginServer(server, &service{ids: p.ids})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer server.Stop() // which also removes the socket
	served := make(chan error, 1)
	wg.Go(func() { served <- server.Serve(listener) })

	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for registered, warned := false, false; ; {
		if _, err := os.Lstat(p.socket); errors.Is(err, fs.ErrNotExist) {
			p.log.Info("The socket is gone: a kubelet has started", "socket", p.socket)
			return nil
		}
		if !registered {
			switch err := p.register(ctx); {
			case err == nil:
				registered = true
				p.log.Info("Registered", "devices", len(p.ids))
			case !warned && ctx.Err() == nil:
				warned = true
				p.log.Warn("Cannot register yet, trying on", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-served:
			return fmt.Errorf("serve %q: %w", p.socket, err)
		case <-poll.C:
		}
	}
}

// listen makes the socket, in place of one that an earlier process left behind.
func (p *Plugin) listen() (net.Listener, error) {
	if err := os.MkdirAll(p.dir, 0o750); err != nil {
		return nil, fmt.Errorf("make folder of sockets: %w", err)
	}
	if err := os.Remove(p.socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	listener, err := net.Listen("unix", p.socket)
	if err != nil {
		return nil, fmt.Errorf("make socket: %w", err)
	}
	return listener, nil
}

// register tells the kubelet of the socket.
func (p *Plugin) register(ctx context.Context) error {
	conn, err := grpc.NewClient("unix:"+filepath.Join(p.dir, "kubelet.sock"),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableServiceConfig())
	if err != nil {
		return fmt.Errorf("make client of the kubelet: %w", err)
	}
	defer func() { _ = conn.Close() }()
	with, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	_, err = api.NewRegistrationClient(conn).Register(with, &api.RegisterRequest{
		Version: api.Version, Endpoint: filepath.Base(p.socket), ResourceName: p.resource,
		Options: &api.DevicePluginOptions{},
	})
	if err != nil {
		return fmt.Errorf("register %q: %w", p.resource, err)
	}
	return nil
}
