package cluster

import (
	"net"
	"time"
)

// StateMetricsAddress is where kube-state-metrics listens.
const StateMetricsAddress = NodeIP + ":8080"

// StartKubeStateMetrics runs kube-state-metrics, beside the cluster with the administrator's rights, for the objects that our
// examples ask about: how many replicas a Deployment has.
func (c *Cluster) StartKubeStateMetrics() {
	c.t.Helper()
	host, port, err := net.SplitHostPort(StateMetricsAddress)
	if err != nil {
		c.t.Fatal(err)
	}
	c.start("kube-state-metrics", nil, c.programs+"/kube-state-metrics", "--kubeconfig="+c.admin, "--resources=deployments",
		"--host="+host, "--port="+port, "--telemetry-host=127.0.0.1", "--telemetry-port=8083")
	c.Wait("kube-state-metrics", time.Minute, func() error { return answers("http://" + StateMetricsAddress + "/metrics") })
}
