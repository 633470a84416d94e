package cluster

import (
	"crypto/x509/pkix"
	"fmt"
	"path/filepath"
	"time"

	"gpusignal/test/e2e/machine"
)

// containerd is its socket.
const containerd = "/run/containerd/containerd.sock"

// PauseImage is the name of an image whose program waits for its end. Another of its containers holds a pod's namespaces.
const PauseImage = "gpusignal.test/pause:1"

// startNode starts containerd and the kubelet, and waits until the node is ready.
func (c *Cluster) startNode() {
	c.t.Helper()
	networks, config := filepath.Join(c.dir, "cni"), filepath.Join(c.dir, "containerd.toml")
	writeFile(c.t, filepath.Join(networks, "10-pods.conflist"), network)
	writeFile(c.t, config, fmt.Sprintf(containerdConfig, machine.NetworkPlugins(), networks))
	c.start("containerd", nil, "containerd", "--config="+config)
	c.Wait("containerd", time.Minute, func() error { _, err := c.ctr("version"); return err })
	c.Import(Image{Name: PauseImage, Files: map[string]string{"/pause": c.programs + "/pause"}, Entrypoint: []string{"/pause"}})

	resolve, settings := filepath.Join(c.dir, "resolv.conf"), filepath.Join(c.dir, "kubelet.yaml")
	writeFile(c.t, resolve, "")
	writeFile(c.t, settings, fmt.Sprintf(kubeletConfig, c.ca.dir, resolve))
	user := c.ca.kubeconfig(c.t, "kubelet-user", pkix.Name{CommonName: "system:node:" + Node, Organization: []string{"system:nodes"}})
	c.start("kubelet", nil, c.programs+"/kubelet", "--config="+settings, "--kubeconfig="+user, "--hostname-override="+Node, "--node-ip="+NodeIP)
	c.Wait("the node to be ready", 2*time.Minute, func() error {
		_, err := c.Kubectl("wait", "--for=condition=Ready", "node/"+Node, "--timeout=1s")
		return err
	})
}

// ctr is containerd's own client, in the namespace of the kubelet.
func (c *Cluster) ctr(args ...string) (string, error) {
	return run("", "ctr", append([]string{"--address", containerd, "--namespace", "k8s.io"}, args...)...)
}

const containerdConfig = `version = 2
[grpc]
  address = "` + containerd + `"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "` + PauseImage + `"
  stream_server_address = "127.0.0.1"
  disable_apparmor = true # its profile would stay in the kernel
  # Without CAP_SYS_RESOURCE runc may not lower an oom_score_adj, and dies of it.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "%[1]s"
    conf_dir = "%[2]s"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`

const network = `{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "ipam": {
    "type": "host-local", "ranges": [[{"subnet": "` + podRange + `"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "loopback"}]}
`

const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupRoot: ` + machine.CgroupRoot + `
failSwapOn: false
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix://` + containerd + `
address: 0.0.0.0
tlsCertFile: %[1]s/kubelet.crt
tlsPrivateKeyFile: %[1]s/kubelet.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[1]s/ca.crt}}
authorization: {mode: Webhook}
enforceNodeAllocatable: [pods]
evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
resolvConf: %[2]s
nodeStatusUpdateFrequency: 2s # which also tells what device plugins offer
`
