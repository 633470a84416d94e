package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gpusignal/test/e2e/cluster"
	"gpusignal/test/e2e/deviceplugin"
	"gpusignal/test/e2e/machine"
)

// gpus of the stub of the driver's library, which is in the image of the daemon, unless a test wants another number of them.
const gpus = 8

// uuids of so many GPUs of the stub.
func uuids(gpus int) []string {
	var ids []string
	for n := range gpus {
		ids = append(ids, fmt.Sprintf("GPU-00000000-0000-0000-0000-%012d", n))
	}
	return ids
}

// utilization in percent that the stub tells of one of its GPUs: each another, so that a wrong owner shows.
func utilization(n int) int { return 20 + 10*n }

// offer is what a device plugin offers.
type offer struct {
	resource string
	ids      []string
}

// startCluster starts a cluster whose node has the stub's GPUs, offered in some way, and gpusignal on it from daemonset.yaml as it
// stands.
func startCluster(t *testing.T, downscale time.Duration, offers ...offer) *cluster.Cluster {
	t.Helper()
	c := startNode(t, downscale, offers...)
	c.Apply(read(t, root+"/daemonset.yaml"))
	return c
}

// startNode starts a cluster whose node has the stub's GPUs, offered in some way, and all that gpusignal needs, but not gpusignal.
func startNode(t *testing.T, downscale time.Duration, offers ...offer) *cluster.Cluster {
	t.Helper()
	c := cluster.Start(t, machine.Dir(), cluster.Settings{Programs: built, Downscale: downscale})
	c.Import(daemonImage(t))
	for _, o := range offers {
		startDevicePlugin(t, o)
	}
	c.Wait("the node to offer its GPUs", time.Minute, func() error {
		var node struct {
			Status struct{ Allocatable map[string]string }
		}
		err := c.API("/api/v1/nodes/"+cluster.Node, &node)
		for _, o := range offers {
			if got := node.Status.Allocatable[o.resource]; err == nil && got != fmt.Sprint(len(o.ids)) {
				err = fmt.Errorf("allocatable of %s: %q, want %d", o.resource, got, len(o.ids))
			}
		}
		return err
	})
	c.MustKubectl("label", "node", cluster.Node, "nvidia.com/gpu.present=true")
	c.Apply(read(t, "testdata/runtime-class.yaml"))
	return c
}

// daemonImage is the daemon with the libraries it is linked with, the stub in place of the driver's, and the environment of the
// Dockerfile. It has the name that daemonset.yaml asks for.
func daemonImage(t *testing.T) cluster.Image {
	t.Helper()
	files, err := cluster.Libraries(daemon)
	if err != nil {
		t.Fatal(err)
	}
	var libraries string
	for path := range files {
		if strings.HasPrefix(filepath.Base(path), "libc.so") {
			libraries = filepath.Dir(path)
		}
	}
	script := filepath.Join(t.TempDir(), "script")
	write(t, script, stubScript())
	files["/usr/local/bin/gpusignal"] = daemon
	files[libraries+"/libnvidia-ml.so.1"] = built + "/libnvidia-ml.so.1"
	files["/etc/nvml-stub"] = script
	return cluster.Image{
		Name: imageName(t, root+"/daemonset.yaml"), Files: files, Entrypoint: []string{"/usr/local/bin/gpusignal"},
		Env: []string{"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=utility", "GPUSIGNAL_STUB_SCRIPT=/etc/nvml-stub"},
	}
}

// stubScript is what the stub of the driver's library tells of its GPUs.
func stubScript() string {
	lines := fmt.Sprintf("devices %d\n", gpus)
	for n, uuid := range uuids(gpus) {
		lines += fmt.Sprintf("gpu.%d.uuid %s\ngpu.%d.utilization %d\n", n, uuid, n, utilization(n))
	}
	return lines
}

// mountScript makes the stub of gpusignal's image read the script of a folder of the node, which can change. more is what else changes in
// the pod.
func mountScript(c *cluster.Cluster, folder, more string) {
	c.MustKubectl("-n", "gpusignal", "patch", "daemonset", "gpusignal", "--patch", fmt.Sprintf(`{"spec": {"template": {"spec": {%s
  "containers": [{"name": "gpusignal", "env": [{"name": "GPUSIGNAL_STUB_SCRIPT", "value": "/stub/script"}], "volumeMounts": [{"name": "stub", "mountPath": "/stub", "readOnly": true}]}],
  "volumes": [{"name": "stub", "hostPath": {"path": %q, "type": "Directory"}}]}}}}`, more, folder))
}

// writeScript replaces the script of a folder, at once.
func writeScript(folder, content string) error {
	if err := os.WriteFile(folder+"/next", []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(folder+"/next", folder+"/script")
}

// imageName is the one that a manifest asks for.
func imageName(t *testing.T, manifest string) string {
	t.Helper()
	for line := range strings.Lines(read(t, manifest)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "image: "); ok {
			return name
		}
	}
	t.Fatalf("%s asks for no image", manifest)
	return ""
}

// startAdapter deploys prometheus-adapter by the files that users apply, with the address of the Prometheus that runs here, and with
// more rules, as text that follows theirs.
func startAdapter(t *testing.T, c *cluster.Cluster, more string) {
	t.Helper()
	const folder = root + "/examples/prometheus-adapter"
	c.Import(cluster.Image{
		Name: imageName(t, folder+"/deployment.yaml"), Files: map[string]string{"/adapter": built + "/prometheus-adapter"},
		Entrypoint: []string{"/adapter"}, User: "65534",
	})
	c.Apply(read(t, folder+"/rbac.yaml"))
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, rules, read(t, folder+"/rules.yaml")+more)
	c.MustKubectl("-n", "monitoring", "create", "configmap", "gpusignal-metrics-adapter", "--from-file="+rules)
	c.Apply(strings.ReplaceAll(read(t, folder+"/deployment.yaml"), "prometheus.monitoring.svc:9090", cluster.PrometheusAddress))
	c.Apply(read(t, folder+"/apiservice.yaml"))
	c.Wait("the custom metrics API", 2*time.Minute, func() error {
		_, err := c.Kubectl("wait", "--for=condition=Available", "apiservice/v1beta1.custom.metrics.k8s.io", "--timeout=1s")
		return err
	})
}

// startDevicePlugin offers GPUs to the kubelet.
func startDevicePlugin(t *testing.T, o offer) {
	t.Helper()
	plugin := deviceplugin.New("/var/lib/kubelet/device-plugins", o.resource, o.ids, slog.New(slog.NewTextHandler(t.Output(), nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- plugin.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the device plugin: %v", err)
		}
	})
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
