package web

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gpusignal/node"
	"gpusignal/scaling"
)

// landingView is what the landing page shows.
type landingView struct {
	Version, Devices, Servers string
	Links                     []Link
	GPUs                      []landingGPU
	Pods                      []landingPod
	Sources                   []landingSource
}

type landingPod struct{ Address, Name, Engine, State, Saturation, Decides string }

type landingGPU struct{ Name, Model, State, Note, Used, Holders, Lacks string }

type landingSource struct{ Name, State, Age, Detail string }

func (w *Web) serveLanding(out http.ResponseWriter, _ *http.Request) {
	var body bytes.Buffer
	if err := w.landing.Execute(&body, w.viewLanding(w.cfg.Snapshot())); err != nil {
		writeText(out, http.StatusInternalServerError, fmt.Sprintf("write page: %v\n", err))
		return
	}
	out.Header().Set("Content-Type", "text/html; charset=utf-8")
	out.Header().Set("Cache-Control", "no-store")
	out.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = out.Write(body.Bytes())
}

func (w *Web) viewLanding(s *node.Snapshot) landingView {
	view := landingView{
		Version: w.cfg.Version, Devices: several(len(s.Devices), "device"), Servers: several(len(s.Servers), "metrics page"),
		Links: append([]Link{
			{"metrics", "metrics", "everything, for Prometheus"},
			{"signals", "signals", "signals and their details alone, for short scrape intervals"},
			{"api/v1/node", "api/v1/node", "the node as it is now, as JSON"},
			{"-/ready", "-/ready", "whether the first readings are taken and a window is full"},
			{"-/healthy", "-/healthy", "whether the daemon is alive"},
		}, w.cfg.Links...),
	}
	for i := range s.Devices {
		view.GPUs = append(view.GPUs, viewLandingGPU(s, &s.Devices[i]))
	}
	for _, pod := range scaling.Derive(s, w.cfg.Targets()) {
		view.Pods = append(view.Pods, viewLandingPod(pod))
	}
	for _, h := range s.Health {
		source := landingSource{Name: h.Source, State: "down", Age: "never", Detail: h.Detail}
		if h.Up {
			source.State = "up"
		}
		if !h.Success.IsZero() {
			source.Age = max(0, s.At.Sub(h.Success)).Round(time.Millisecond).String() + " ago"
		}
		view.Sources = append(view.Sources, source)
	}
	return view
}

func viewLandingGPU(s *node.Snapshot, d *node.DeviceState) landingGPU {
	out := landingGPU{Name: d.Device.Label(), Model: d.Device.Model, State: "up", Lacks: strings.Join(d.Lacks.Labels(), ", ")}
	switch {
	case d.Down != "":
		out.State = d.Down
	case d.Slowed > 1:
		out.Note = fmt.Sprintf("read %g times less often: its driver answers slowly", d.Slowed)
	}
	if used := number(d.Utilization); used != nil {
		out.Used = strconv.FormatFloat(*used, 'f', 2, 64)
	}
	var holders []string
	for _, c := range s.Claims {
		if name := c.Container.Pod.Namespace + "/" + c.Container.Pod.Name; c.Device == d.Device.ID && !slices.Contains(holders, name) {
			holders = append(holders, name)
		}
	}
	for _, u := range s.Unmapped {
		if u.Device == string(d.Device.ID) {
			holders = append(holders, "nobody ("+u.Reason+")")
		}
	}
	out.Holders = strings.Join(holders, ", ")
	return out
}

func viewLandingPod(pod scaling.Pod) landingPod {
	namespace := pod.Pod.Namespace
	if namespace == "" {
		namespace = "-"
	}
	out := landingPod{
		Address: "api/v1/explain/" + url.PathEscape(namespace) + "/" + url.PathEscape(pod.Pod.Name),
		Name:    namespace + "/" + pod.Pod.Name, Engine: pod.Engine, State: string(pod.State),
	}
	if v, ok := pod.Value(scaling.Saturation); ok {
		out.Saturation = strconv.FormatFloat(v, 'f', 2, 64)
		out.Decides = pod.Components[decisive(pod)].Name
	}
	return out
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
