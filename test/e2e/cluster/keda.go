package cluster

import (
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Where KEDA listens: its external metrics API for the API server, its operator for that API and for who asks whether it is ready.
const (
	kedaPort     = "6443"
	kedaOperator = "127.0.0.1:9666"
	kedaProbes   = "127.0.0.1:8181"
)

// StartKEDA runs KEDA, which from then on owns external.metrics.k8s.io: its operator, and the adapter that the autoscaler asks.
// Both are processes beside the cluster with the administrator's rights. Its admission webhooks do not run.
func (c *Cluster) StartKEDA() {
	c.t.Helper()
	c.MustKubectl("apply", "--server-side", "-f", c.programs+"/keda-definitions")
	c.MustKubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
	c.Apply("{apiVersion: v1, kind: Namespace, metadata: {name: keda}}")
	// The operator serves gRPC, of which the adapter is the client; each looks for its certificate under the same names.
	c.ca.issue(c.t, "keda-operator/tls", pkix.Name{CommonName: "keda-operator"}, "127.0.0.1")
	c.ca.issue(c.t, "keda-adapter/tls", pkix.Name{CommonName: "keda-adapter"})
	c.ca.issue(c.t, "keda-metrics-apiserver", pkix.Name{CommonName: "keda-metrics-apiserver"}, "keda-metrics-apiserver.keda.svc", NodeIP)
	authority, err := os.ReadFile(c.pki("ca.crt"))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, name := range []string{"keda-operator", "keda-adapter"} {
		writeFile(c.t, filepath.Join(c.pki(name), "ca.crt"), string(authority))
	}
	// An empty WATCH_NAMESPACE is all of them.
	env := []string{"KUBECONFIG=" + c.admin, "WATCH_NAMESPACE=", "POD_NAMESPACE=keda", "KEDA_CLUSTER_OBJECT_NAMESPACE=keda"}
	c.start("keda-operator", env, c.programs+"/keda-operator", "--cert-dir="+c.pki("keda-operator"),
		"--metrics-service-bind-address="+kedaOperator, "--health-probe-bind-address="+kedaProbes, "--metrics-bind-address=0")
	c.Wait("KEDA's operator", time.Minute, func() error { return answers("http://" + kedaProbes + "/readyz") })
	c.start("keda-adapter", env, c.programs+"/keda-adapter", "--cert-dir="+c.pki("keda-adapter"), "--metrics-service-address="+kedaOperator,
		"--bind-address="+NodeIP, "--secure-port="+kedaPort, "--port=0",
		"--tls-cert-file="+c.pki("keda-metrics-apiserver.crt"), "--tls-private-key-file="+c.pki("keda-metrics-apiserver.key"),
		"--lister-kubeconfig="+c.admin, "--authentication-kubeconfig="+c.admin, "--authorization-kubeconfig="+c.admin)
	c.Apply(fmt.Sprintf(kedaService, NodeIP, kedaPort, base64.StdEncoding.EncodeToString(authority)))
	c.Wait("the external metrics API", time.Minute, func() error {
		_, err := c.Kubectl("wait", "--for=condition=Available", "apiservice/v1beta1.external.metrics.k8s.io", "--timeout=1s")
		return err
	})
}

// kedaService leads the API server to the adapter, which is no pod: a Service selects nothing, so its endpoints are written by hand.
// The API server finds the endpoint by the name of the Service's port.
const kedaService = `apiVersion: v1
kind: Service
metadata: {name: keda-metrics-apiserver, namespace: keda}
spec:
  ports: [{name: https, port: 443}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: keda-metrics-apiserver
  namespace: keda
  labels: {kubernetes.io/service-name: keda-metrics-apiserver}
addressType: IPv4
ports: [{name: https, port: %[2]s}]
endpoints: [{addresses: [%[1]s], conditions: {ready: true}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.external.metrics.k8s.io}
spec:
  group: external.metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  caBundle: %[3]s
  service: {name: keda-metrics-apiserver, namespace: keda, port: 443}
`
