// Package cluster starts a real Kubernetes cluster of one node: etcd, the control plane, a kubelet with containerd and runc; and
// beside it Prometheus, KEDA and kube-state-metrics, when it is asked for them. It needs namespaces of its own, such as package
// machine makes: it uses the default folders of all of them, and addresses that may be in use elsewhere.
package cluster

import (
	"crypto/x509/pkix"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Addresses. There is no kube-proxy: of the Services, only the API server's can be reached, because it listens on its address.
const (
	podRange    = "10.88.0.0/24"
	serviceCIDR = "10.96.0.0/16"
	apiServerIP = "10.96.0.1" // of the Service kubernetes: the first of the range
	apiServer   = apiServerIP + ":443"
)

// Node is the name of the one node, and NodeIP its address: what listens on it here is reached by pods.
const (
	Node   = "gpu-node-1"
	NodeIP = "10.77.0.1"
)

// Settings of the cluster that a test chooses.
type Settings struct {
	// Programs is the folder of the cluster's programs. One of them, pause, is a static program that waits for its end.
	Programs string
	// Downscale is the stabilisation of the horizontal pod autoscaler before it takes replicas away; 5 minutes in a cluster
	// nobody has changed.
	Downscale time.Duration
}

// Cluster is a running cluster.
type Cluster struct {
	t          testing.TB
	dir        string
	programs   string
	downscale  time.Duration
	ca, front  *authority
	admin      string // kubeconfig
	client     *http.Client
	components []*component
}

// Start a cluster and wait until its node is ready. Its programs end with the test; containers, addresses and folders stay until
// the namespaces end, so there can be one cluster in a run.
func Start(t testing.TB, dir string, s Settings) *Cluster {
	t.Helper()
	c := &Cluster{t: t, dir: dir, programs: s.Programs, downscale: s.Downscale}
	c.network()
	c.certificates()
	c.client = c.newClient()
	c.startControlPlane()
	c.startNode()
	t.Cleanup(c.explain)
	return c
}

// For is the same cluster for a subtest: what it asks of the cluster and does not get ends the subtest alone.
func (c *Cluster) For(t testing.TB) *Cluster {
	its := *c
	its.t = t
	return &its
}

// explain a test that failed by what a user would look at.
func (c *Cluster) explain() {
	if !c.t.Failed() {
		return
	}
	for _, command := range []string{"get pods -A -o wide", "get events -A", "-n gpusignal logs daemonset/gpusignal --tail=30", "-n monitoring logs deployment/gpusignal-metrics-adapter --tail=30"} {
		out, err := c.Kubectl(strings.Fields(command)...)
		c.t.Logf("$ kubectl %s\n%s%v", command, out, err)
	}
}

// network gives the machine the addresses of the node and of the API server's Service. There is a default route, without which
// nothing is reachable by pods, but nothing behind it.
func (c *Cluster) network() {
	c.t.Helper()
	for _, command := range []string{
		"addr add " + apiServerIP + "/32 dev lo",
		"link add node0 type bridge",
		"addr add " + NodeIP + "/24 dev node0",
		"link set node0 up",
		"route add default dev node0",
	} {
		if _, err := run("", "ip", strings.Fields(command)...); err != nil {
			c.t.Fatal(err)
		}
	}
}

// certificates makes the authorities, and the keys of the API server.
func (c *Cluster) certificates() {
	c.t.Helper()
	dir := filepath.Join(c.dir, "pki")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	c.ca, c.front = newAuthority(c.t, dir, "ca"), newAuthority(c.t, dir, "front-proxy-ca")
	c.ca.pair(c.t, "service-accounts")
	c.ca.issue(c.t, "apiserver", pkix.Name{CommonName: "kube-apiserver"}, "kubernetes.default.svc", "localhost", "127.0.0.1", apiServerIP)
	c.ca.issue(c.t, "apiserver-kubelet-client", pkix.Name{CommonName: "apiserver", Organization: []string{"system:masters"}})
	c.ca.issue(c.t, "kubelet", pkix.Name{CommonName: Node}, Node, NodeIP)
	c.front.issue(c.t, "front-proxy-client", pkix.Name{CommonName: "front-proxy-client"})
	c.admin = c.ca.kubeconfig(c.t, "admin", pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}})
}

// pki is the path of a file of the authorities.
func (c *Cluster) pki(name string) string { return filepath.Join(c.ca.dir, name) }
