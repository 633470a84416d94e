package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"gpusignal/nvml/cmd/hardware-check/load"
)

// pod that the kubelet tells of; the fields are those of the command kubelet.
type pod struct {
	Namespace, Name, UID, Container, Image, IP string
	Port                                       int
	Devices                                    []string
}

// A rig is the daemon beside a kubelet's sockets.
type rig struct {
	daemon, kubelet *process
	address         string
	client          *http.Client

	mu    sync.Mutex
	pages []Page
	fault error // the last reading of a page that failed, and how many did
	lost  int

	halt context.CancelFunc
	read sync.WaitGroup
}

// patience with what is started.
const patience = 20 * time.Second

// kubelet starts the sockets.
func (r *run) kubelet(pods []pod) (*process, string, error) {
	dir, err := os.MkdirTemp(r.dir, "k")
	if err != nil {
		return nil, "", fmt.Errorf("make a folder for sockets: %w", err)
	}
	text, err := json.Marshal(pods)
	if err != nil {
		return nil, "", fmt.Errorf("encode pods: %w", err)
	}
	file := filepath.Join(dir, "pods.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, "", fmt.Errorf("write pods: %w", err)
	}
	p, err := r.begin("kubelet", "listening", "kubelet", "-dir", dir, "-pods", file)
	return p, dir, err
}

// begin starts one of the carried programs, and waits until it has said a word.
func (r *run) begin(name, word, program string, args ...string) (*process, error) {
	p, err := start(name, filepath.Join(r.Tools, program), args...)
	if err != nil {
		return nil, err
	}
	if err := p.await(r.ctx, word, patience); err != nil {
		p.stop(time.Second)
		return nil, err
	}
	return p, nil
}

// rig starts a daemon about the given pods, and reads its page each interval until it is stopped.
func (r *run) rig(pods []pod, interval time.Duration, args ...string) (*rig, error) {
	kubelet, dir, err := r.kubelet(pods)
	if err != nil {
		return nil, err
	}
	g := &rig{kubelet: kubelet, client: &http.Client{Timeout: 5 * time.Second}}
	if err := g.start(r, dir, args); err != nil {
		kubelet.stop(time.Second)
		return nil, err
	}
	ctx, halt := context.WithCancel(r.ctx)
	g.halt = halt
	g.read.Go(func() { g.follow(ctx, interval) })
	return g, nil
}

// start starts the daemon, and waits until it answers.
func (g *rig) start(r *run, dir string, args []string) error {
	var err error
	if g.address, err = freeAddress(); err != nil {
		return err
	}
	g.daemon, err = start("gpusignal", filepath.Join(r.Tools, "gpusignal"), append([]string{
		"--web.listen-address=" + g.address, "--nvml.library=" + r.Library, "--node-name=hardware-check",
		"--kubelet.pod-resources-socket=" + filepath.Join(dir, "pod-resources", "kubelet.sock"),
		"--kubelet.pods-socket=" + filepath.Join(dir, "pods-api", "pods-api.sock"), "--kubernetes.pods=kubelet",
	}, args...)...)
	if err != nil {
		return err
	}
	for end := load.Now() + patience; ; time.Sleep(20 * time.Millisecond) {
		page, err := g.page(r.ctx)
		if _, known := page.Booked(r.gpu.UUID); err == nil && known {
			return nil
		}
		if g.daemon.ended() || r.ctx.Err() != nil || load.Now() > end {
			g.daemon.stop(2 * time.Second)
			return fmt.Errorf("gpusignal shows nothing of the GPU within %v: %w: %s", patience, orEnded(err), g.daemon.said.String())
		}
	}
}

// follow reads a page each interval.
func (g *rig) follow(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		page, err := g.page(ctx)
		g.mu.Lock()
		switch {
		case err == nil:
			g.pages = append(g.pages, page)
		case ctx.Err() == nil:
			g.fault, g.lost = err, g.lost+1
		}
		g.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// page reads the daemon's page.
func (g *rig) page(ctx context.Context) (Page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.address+"/metrics", nil)
	if err != nil {
		return Page{}, fmt.Errorf("read page: %w", err)
	}
	from := load.Now()
	response, err := g.client.Do(request)
	if err != nil {
		return Page{}, fmt.Errorf("read page: %w", err)
	}
	defer response.Body.Close()
	at := (from + load.Now()) / 2
	if response.StatusCode != http.StatusOK {
		return Page{}, fmt.Errorf("read page: %s", response.Status)
	}
	series, err := ParsePage(response.Body)
	return Page{At: at, Series: series}, err
}

// seen are the pages so far.
func (g *rig) seen() []Page {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.pages)
}

// stop ends the reading, the daemon and the kubelet, in this order, and returns the daemon's exit code.
func (g *rig) stop() int {
	g.halt()
	g.read.Wait()
	code := g.daemon.stop(10 * time.Second)
	g.kubelet.stop(2 * time.Second)
	g.client.CloseIdleConnections()
	return code
}

// freeAddress is a port of this machine that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// nearest page to an instant, and whether there is any.
func nearest(pages []Page, at time.Duration) (Page, bool) {
	i := slices.IndexFunc(pages, func(p Page) bool { return p.At >= at })
	switch {
	case len(pages) == 0:
		return Page{}, false
	case i < 0:
		return pages[len(pages)-1], true
	case i > 0 && at-pages[i-1].At < pages[i].At-at:
		return pages[i-1], true
	}
	return pages[i], true
}

// loader starts the program that loads the GPU, and waits until it has opened it. Its log is in a file.
func (r *run) loader(name string, args ...string) (*process, string, error) {
	file := filepath.Join(r.dir, name+".jsonl")
	p, err := r.begin(name, "ready", "hardware-check", slices.Concat(
		[]string{"load", "-cuda", r.CUDA, "-pci", r.gpu.PCI, "-log", file}, args)...)
	return p, file, err
}

// logOf reads what a load did.
func logOf(file string) (load.Log, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read log of load: %w", err)
	}
	defer f.Close()
	return load.Parse(f)
}

// watcher starts the reader beside the daemon.
func (r *run) watcher(name string, args ...string) (*process, string, error) {
	file := filepath.Join(r.dir, name+".sights.jsonl")
	p, err := r.begin("watch", "ready", "hardware-check", slices.Concat(
		[]string{"watch", "-library", r.Library, "-gpu", strconv.Itoa(r.Index), "-log", file}, args)...)
	return p, file, err
}

// sightsOf reads what the reader saw.
func sightsOf(file string) ([]Sight, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read sights: %w", err)
	}
	defer f.Close()
	return ParseSights(f)
}

// errStopped ends a part when the run is told to end.
var errStopped = errors.New("the run was told to end")

// sleep waits until an instant.
func (r *run) sleep(until time.Duration) error {
	timer := time.NewTimer(until - load.Now())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.ctx.Done():
		return errStopped
	}
}
