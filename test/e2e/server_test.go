package e2e

import (
	"strings"
	"testing"
	"text/template"
)

// server is how a workload's simulated servers are deployed: as examples/hpa/llm-server.yaml, or model-server.yaml for Triton, with
// the same names, annotations and claim.
type server struct {
	Namespace string
	// Engine is triton or vllm.
	Engine string
	// Args are those of the real server, and of the simulation.
	Args []string
	// Resource is what a pod asks for one of.
	Resource string
	Replicas int
	// Grace is how many seconds a pod has to end what it has begun.
	Grace int
}

// workloadLabel marks the pods and Deployments of all workloads.
const workloadLabel = "gpusignal.test/workload"

// Deployment is the name that the examples scale.
func (s server) Deployment() string {
	if s.Engine == "triton" {
		return "model-server"
	}
	return "llm-server"
}

// Port of the API and the page.
func (s server) Port() string {
	if s.Engine == "triton" {
		return "8002"
	}
	return "8000"
}

// Ready is where the server says that it is.
func (s server) Ready() string {
	if s.Engine == "triton" {
		return "/v2/health/ready"
	}
	return "/health"
}

// manifest of the server's namespace and Deployment.
func (s server) manifest(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	if err := serverManifest(t).Execute(&out, s); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func serverManifest(t *testing.T) *template.Template {
	t.Helper()
	parsed, err := template.New("server").Parse(`
---
apiVersion: v1
kind: Namespace
metadata: {name: {{.Namespace}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{.Deployment}}, namespace: {{.Namespace}}, labels: {` + workloadLabel + `: "true"}}
spec:
  replicas: {{.Replicas}}
  selector:
    matchLabels: {app.kubernetes.io/name: {{.Deployment}}}
  template:
    metadata:
      labels: {app.kubernetes.io/name: {{.Deployment}}, ` + workloadLabel + `: "true"}
      annotations: {gpusignal/engine: {{.Engine}}, gpusignal/port: "{{.Port}}"}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{.Grace}}
      containers:
        - name: {{.Engine}}
          image: gpusignal.test/{{.Engine}}:1
          imagePullPolicy: Never
          args: [{{range .Args}}{{printf "%q" .}}, {{end}}]
          ports: [{name: http, containerPort: {{.Port}}}]
          readinessProbe: {httpGet: {path: {{.Ready}}, port: http}, periodSeconds: 1}
          # It serves on until clients have heard that it ends.
          lifecycle: {preStop: {sleep: {seconds: 2}}}
          resources:
            requests: {cpu: 10m}
            limits: {{"{"}}{{.Resource}}: 1}
`)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
