package cluster

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net/http"
	"time"
)

// featureGates are what is beta, and on, in the versions after this one: tolerances of an autoscaler's own.
const featureGates = "HPAConfigurableTolerance=true"

// startControlPlane starts etcd, the API server, the controller manager with its autoscaler, and the scheduler.
func (c *Cluster) startControlPlane() {
	c.t.Helper()
	c.start("etcd", nil, c.programs+"/etcd", "--data-dir="+c.dir+"/etcd", "--unsafe-no-fsync",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380")
	c.Wait("etcd", time.Minute, func() error { return answers("http://127.0.0.1:2379/health") })

	c.start("kube-apiserver", nil, c.programs+"/kube-apiserver", "--etcd-servers=http://127.0.0.1:2379",
		"--secure-port=443", "--bind-address="+apiServerIP, "--advertise-address="+NodeIP, "--service-cluster-ip-range="+serviceCIDR,
		"--tls-cert-file="+c.pki("apiserver.crt"), "--tls-private-key-file="+c.pki("apiserver.key"), "--client-ca-file="+c.pki("ca.crt"),
		"--authorization-mode=Node,RBAC", "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.pki("service-accounts.pub"), "--service-account-signing-key-file="+c.pki("service-accounts.key"),
		// Without a kube-proxy the API server has to go to the pods of a Service itself.
		"--enable-aggregator-routing", "--allow-privileged", "--feature-gates="+featureGates,
		"--requestheader-client-ca-file="+c.pki("front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+c.pki("front-proxy-client.crt"), "--proxy-client-key-file="+c.pki("front-proxy-client.key"),
		"--kubelet-client-certificate="+c.pki("apiserver-kubelet-client.crt"), "--kubelet-client-key="+c.pki("apiserver-kubelet-client.key"),
		"--kubelet-certificate-authority="+c.pki("ca.crt"), "--kubelet-preferred-address-types=InternalIP")
	c.Wait("the API server", time.Minute, func() error { _, err := c.Kubectl("get", "--raw", "/readyz"); return err })

	manager := c.ca.kubeconfig(c.t, "controller-manager", pkix.Name{CommonName: "system:kube-controller-manager"})
	c.start("kube-controller-manager", nil, c.programs+"/kube-controller-manager", "--kubeconfig="+manager,
		"--authentication-kubeconfig="+manager, "--authorization-kubeconfig="+manager, "--bind-address=127.0.0.1", "--leader-elect=false",
		"--service-account-private-key-file="+c.pki("service-accounts.key"), "--root-ca-file="+c.pki("ca.crt"), "--use-service-account-credentials",
		"--feature-gates="+featureGates, "--horizontal-pod-autoscaler-downscale-stabilization="+c.downscale.String())
	scheduler := c.ca.kubeconfig(c.t, "scheduler", pkix.Name{CommonName: "system:kube-scheduler"})
	c.start("kube-scheduler", nil, c.programs+"/kube-scheduler", "--kubeconfig="+scheduler,
		"--authentication-kubeconfig="+scheduler, "--authorization-kubeconfig="+scheduler, "--bind-address=127.0.0.1", "--leader-elect=false")
	c.Wait("the controller manager", time.Minute, func() error { return answers("https://127.0.0.1:10257/healthz") })
	c.Wait("the scheduler", time.Minute, func() error { return answers("https://127.0.0.1:10259/healthz") })
	c.Wait("the service account default", time.Minute, func() error { _, err := c.Kubectl("get", "serviceaccount", "default"); return err })
}

// answers asks a server whose certificate nobody signed whether it is well.
func answers(url string) error {
	client := http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s: %s", resp.Status, body)
	}
	return nil
}
