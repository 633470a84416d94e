// Package programs builds what the end-to-end tests run beside the daemon: Kubernetes, etcd, KEDA, Prometheus, prometheus-adapter and
// kube-state-metrics. Each folder below holds a module of its own that pins the versions, but build/, which is the command for it;
// prometheus/ also measures what our rules cost its engine.
package programs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// kubernetesVersion is the one pinned in kubernetes/go.mod: the newest whose kubelet runs on cgroup v1.
const kubernetesVersion = "v1.34.4"

// program is a main package of one of the modules below.
type program struct {
	name, module, path string
	flags              []string
}

// all programs, those with the longest build first.
func all() []program {
	x := "k8s.io/component-base/version"
	major, minor, _ := strings.Cut(strings.TrimPrefix(kubernetesVersion, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	kubernetes := []string{"-ldflags", fmt.Sprintf("-s -w -X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s -X %s.gitTreeState=clean",
		x, kubernetesVersion, x, major, x, minor, x)}
	stripped := []string{"-ldflags", "-s -w"}
	// The service discoveries of clouds make up most of Prometheus, and one of their modules cannot be downloaded.
	prometheus := append([]string{"-tags", "remove_all_sd,enable_kubernetes_sd"}, stripped...)
	return []program{
		{"keda-operator", "keda", "github.com/kedacore/keda/v2/cmd/operator", stripped},
		{"kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", kubernetes},
		{"kubelet", "kubernetes", "k8s.io/kubernetes/cmd/kubelet", kubernetes},
		{"kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", kubernetes},
		{"kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", kubernetes},
		{"kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl", kubernetes},
		{"etcd", "kubernetes", "go.etcd.io/etcd/server/v3", stripped},
		{"prometheus", "prometheus", "github.com/prometheus/prometheus/cmd/prometheus", prometheus},
		{"promtool", "prometheus", "github.com/prometheus/prometheus/cmd/promtool", prometheus},
		{"prometheus-adapter", "adapter", "sigs.k8s.io/prometheus-adapter/cmd/adapter", stripped},
		{"keda-adapter", "keda", "github.com/kedacore/keda/v2/cmd/adapter", stripped},
		{"kube-state-metrics", "kubestatemetrics", "k8s.io/kube-state-metrics/v2", stripped},
	}
}

// Build builds the named programs, or all for none, that the user's cache does not hold yet and returns their paths by name. source
// is the folder of this package. What it does is told on log: a build of all from nothing takes an hour of CPU time.
func Build(ctx context.Context, source string, log io.Writer, names ...string) (map[string]string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find a folder to build into: %w", err)
	}
	paths := make(map[string]string)
	for _, p := range all() {
		if len(names) > 0 && !slices.Contains(names, p.name) {
			continue
		}
		path, err := p.cached(cache, source)
		if err != nil {
			return nil, err
		}
		paths[p.name] = path
		if _, err := os.Stat(path); err == nil {
			continue
		}
		started := time.Now()
		fmt.Fprintf(log, "building %s (once)\n", p.name)
		if err := p.build(ctx, source, path, log); err != nil {
			return nil, err
		}
		fmt.Fprintf(log, "built %s in %v\n", p.name, time.Since(started).Round(time.Second))
	}
	return paths, nil
}

// First returns the names of the programs without which no autoscaler runs.
func First() []string {
	return []string{
		"kube-apiserver", "kubelet", "kube-controller-manager", "kube-scheduler", "kubectl", "etcd", "prometheus", "prometheus-adapter",
	}
}

// Missing returns those of the named programs, or of all for none, that the user's cache does not hold yet. source is the folder of
// this package.
func Missing(source string, names ...string) ([]string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find the folder of built programs: %w", err)
	}
	var missing []string
	for _, p := range all() {
		if len(names) > 0 && !slices.Contains(names, p.name) {
			continue
		}
		path, err := p.cached(cache, source)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, p.name)
		}
	}
	return missing, nil
}

// cached is the path of the program in the cache of a user.
func (p program) cached(cache, source string) (string, error) {
	key, err := p.key(source)
	return filepath.Join(cache, "gpusignal-e2e", p.module+"-"+key, p.name), err
}

// key changes with the versions, the flags, and the toolchain.
func (p program) key(source string) (string, error) {
	hash := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(source, p.module, name))
		if err != nil {
			return "", fmt.Errorf("read the pinned versions of %s: %w", p.name, err)
		}
		hash.Write(content)
	}
	fmt.Fprint(hash, p.path, p.flags, runtime.Version(), runtime.GOARCH)
	return hex.EncodeToString(hash.Sum(nil))[:12], nil
}

// build writes the program to path in one step: a build that was cut off leaves nothing that looks like one.
func (p program) build(ctx context.Context, source, path string, log io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", p.name, err)
	}
	next := path + ".next"
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-o", next}, p.flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, p.path)...)
	cmd.Dir = filepath.Join(source, p.module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOARCH="+runtime.GOARCH, "GOOS="+runtime.GOOS)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", p.name, err)
	}
	return os.Rename(next, path)
}
