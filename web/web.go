// Package web answers people and probes: whether the daemon is alive and ready, what it knows of the node, why a pod is as
// saturated as it is, and a landing page that leads there. It asks for a snapshot and never for anything else.
package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"gpusignal/node"
	"gpusignal/scaling"
)

// Config of the web pages.
type Config struct {
	// Snapshot returns the node as it is now.
	Snapshot func() *node.Snapshot
	// Targets returns what counts as full.
	Targets func() scaling.Targets
	// Started is when the daemon started.
	Started time.Time
	// Window over which signals are taken.
	Window time.Duration
	// Version of the daemon.
	Version string
	// Links are further links for the landing page, as a dashboard or a handbook.
	Links []Link
}

// Link is a link of the landing page.
type Link struct{ Address, Text, Description string }

// Web makes the handlers. It is safe for concurrent use.
type Web struct {
	cfg     Config
	landing *template.Template
	ready   atomic.Bool
}

// New returns the web pages.
func New(cfg Config) *Web {
	return &Web{cfg: cfg, landing: template.Must(template.New("landing").Parse(landingPage))}
}

// Handler returns all paths of the daemon; /metrics and /signals are answered by the handlers given.
func (w *Web) Handler(metrics, signals http.Handler) http.Handler {
	mux := http.NewServeMux()
	for path, handler := range w.paths(metrics, signals) {
		mux.Handle("GET "+path, handler)
	}
	return mux
}

// paths of the daemon; docs/openapi.yaml describes them.
func (w *Web) paths(metrics, signals http.Handler) map[string]http.Handler {
	const workload = "/api/v1/workloads/{namespace}/{kind}/{name}/{signal}"
	return map[string]http.Handler{
		"/metrics":                          metrics,
		"/signals":                          signals,
		"/{$}":                              http.HandlerFunc(w.serveLanding),
		"/-/healthy":                        http.HandlerFunc(serveHealthy),
		"/-/ready":                          http.HandlerFunc(w.serveReady),
		"/api/v1/node":                      http.HandlerFunc(w.serveNode),
		"/api/v1/explain/{namespace}/{pod}": http.HandlerFunc(w.serveExplain),
		workload:                            http.HandlerFunc(w.serveWorkload),
		workload + "/{aggregation}":         http.HandlerFunc(w.serveWorkload),
	}
}

func serveHealthy(out http.ResponseWriter, _ *http.Request) { writeText(out, http.StatusOK, "ok\n") }

// serveReady answers 503 and the reasons until the daemon has once been ready, and 200 from then on.
func (w *Web) serveReady(out http.ResponseWriter, _ *http.Request) {
	if !w.ready.Load() {
		if reasons := unready(w.cfg.Snapshot(), w.cfg.Started, w.cfg.Window); len(reasons) > 0 {
			writeText(out, http.StatusServiceUnavailable, "not ready:\n- "+strings.Join(reasons, "\n- ")+"\n")
			return
		}
		w.ready.Store(true)
	}
	writeText(out, http.StatusOK, "ready\n")
}

func (w *Web) serveNode(out http.ResponseWriter, _ *http.Request) {
	writeJSON(out, http.StatusOK, nodeView(w.cfg.Snapshot()))
}

// serveExplain answers why a pod is as saturated as it is. A pod without a namespace is asked for as "-".
func (w *Web) serveExplain(out http.ResponseWriter, request *http.Request) {
	namespace, name := request.PathValue("namespace"), request.PathValue("pod")
	if namespace == "-" {
		namespace = ""
	}
	snapshot := w.cfg.Snapshot()
	for _, pod := range scaling.Derive(snapshot, w.cfg.Targets()) {
		if pod.Pod.Namespace == namespace && pod.Pod.Name == name {
			writeJSON(out, http.StatusOK, explain(pod))
			return
		}
	}
	for i := range snapshot.Servers {
		if pod := snapshot.Servers[i].Pod; pod.Namespace == namespace && pod.Name == name {
			writeJSON(out, http.StatusOK, explainUnread(&snapshot.Servers[i]))
			return
		}
	}
	writeJSON(out, http.StatusNotFound, problem{fmt.Sprintf("no signals of pod %q in namespace %q on this node: it holds no GPU here and "+
		"is not known as a model server; /api/v1/node lists the pods and servers that this node has", name, namespace)})
}

func writeText(out http.ResponseWriter, code int, text string) {
	out.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out.Header().Set("Cache-Control", "no-store")
	out.WriteHeader(code)
	// An error here is a client that has gone: nobody is left to tell.
	_, _ = out.Write([]byte(text))
}

func writeJSON(out http.ResponseWriter, code int, v any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		writeText(out, http.StatusInternalServerError, fmt.Sprintf("encode answer: %v\n", err))
		return
	}
	out.Header().Set("Content-Type", "application/json; charset=utf-8")
	out.Header().Set("Cache-Control", "no-store")
	out.WriteHeader(code)
	_, _ = out.Write(body.Bytes())
}
