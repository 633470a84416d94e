package web

import (
	"maps"
	"math"
	"net/url"
	"slices"
	"time"

	"gpusignal/node"
)

// snapshotView is a snapshot as JSON. What is not known is null; times are RFC 3339, durations seconds, energies joules.
type snapshotView struct {
	At       time.Time      `json:"at"`
	Devices  []deviceView   `json:"devices"`
	Accounts []accountView  `json:"accounts"`
	Claims   []claimView    `json:"claims"`
	Unmapped []unmappedView `json:"unmapped"`
	Pods     []podView      `json:"pods"`
	Servers  []serverView   `json:"servers"`
	Sources  []sourceView   `json:"sources"`
}

type accountView struct {
	containerView
	Device      string     `json:"device"`
	Attribution string     `json:"attribution"`
	Opened      *time.Time `json:"opened"`
	Closed      *time.Time `json:"closed"`
	Booked      *time.Time `json:"booked"`
	Busy        *float64   `json:"busy_seconds"`
	Observed    *float64   `json:"observed_seconds"`
	Energy      *float64   `json:"energy_joules"`
	Utilization *float64   `json:"utilization_ratio"`
	Memory      *uint64    `json:"memory_used_bytes"`
}

type containerView struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	UID       string `json:"uid"`
	Container string `json:"container"`
}

type claimView struct {
	containerView
	Device string `json:"device"`
	Weight int    `json:"weight"`
}

type unmappedView struct {
	Device string `json:"device"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

type podView struct {
	Namespace    string            `json:"namespace"`
	Pod          string            `json:"pod"`
	UID          string            `json:"uid"`
	WorkloadKind string            `json:"workload_kind"`
	Workload     string            `json:"workload"`
	Role         string            `json:"role"`
	Group        string            `json:"group"`
	PartOf       string            `json:"part_of"`
	Phase        string            `json:"phase"`
	Ready        bool              `json:"ready"`
	Deleted      *time.Time        `json:"deleted"`
	IPs          []string          `json:"ips"`
	HostNetwork  bool              `json:"host_network"`
	Annotations  map[string]string `json:"annotations"`
	Images       []string          `json:"images"`
}

type sourceView struct {
	Source   string     `json:"source"`
	Up       bool       `json:"up"`
	Detail   string     `json:"detail"`
	Success  *time.Time `json:"success"`
	Took     float64    `json:"duration_seconds"`
	Attempts uint64     `json:"attempts"`
	Failures uint64     `json:"failures"`
	// Via is which of its ways the source takes now, empty where it has only one.
	Via string `json:"via"`
	// Confirmed is when the oldest part of what the source tells was last confirmed.
	Confirmed *time.Time `json:"confirmed"`
}

// nodeView returns the snapshot as it is published. Arguments of containers stay out of it: they may hold secrets.
func nodeView(s *node.Snapshot) snapshotView {
	totals := make(map[node.DeviceID]*node.Total, len(s.Totals))
	for i := range s.Totals {
		totals[s.Totals[i].Device] = &s.Totals[i]
	}
	return snapshotView{
		At:       s.At,
		Devices:  each(s.Devices, func(d node.DeviceState) deviceView { return viewDevice(d, totals[d.Device.ID]) }),
		Accounts: each(s.Accounts, func(a node.Account) accountView { return viewAccount(a, totals[a.Device]) }),
		Claims: each(s.Claims, func(c node.Claim) claimView {
			return claimView{viewContainer(c.Container), string(c.Device), c.Weight}
		}),
		Unmapped: each(s.Unmapped, func(u node.Unmapped) unmappedView { return unmappedView{u.Device, u.Reason, u.Detail} }),
		Pods:     each(s.Pods, viewPod),
		Servers:  each(s.Servers, viewServer),
		Sources: each(s.Health, func(h node.SourceHealth) sourceView {
			return sourceView{h.Source, h.Up, h.Detail, instant(h.Success), h.Took.Seconds(), h.Attempts, h.Failures, h.Via, instant(h.Confirmed)}
		}),
	}
}

func viewAccount(a node.Account, total *node.Total) accountView {
	out := accountView{
		containerView: viewContainer(a.Container), Device: string(a.Device), Attribution: string(a.Attribution),
		Opened: instant(a.Opened), Closed: instant(a.Closed), Booked: instant(a.Booked), Busy: timeOf(total, a.Busy),
		Observed: timeOf(total, a.Observed), Energy: energyOf(total, a.Energy), Utilization: number(a.Utilization),
	}
	if a.Memory.Known {
		out.Memory = new(a.Memory.Value)
	}
	return out
}

func viewContainer(c node.ContainerID) containerView {
	return containerView{c.Pod.Namespace, c.Pod.Name, c.Pod.UID, c.Name}
}

func viewPod(p node.Pod) podView {
	out := podView{
		Namespace: p.ID.Namespace, Pod: p.ID.Name, UID: p.ID.UID, WorkloadKind: p.Workload.Kind, Workload: p.Workload.Name,
		Role: string(p.Place.Role), Group: p.Place.Group, PartOf: p.Place.PartOf.String(),
		Phase: p.Phase, Ready: p.Ready, Deleted: instant(p.Deleted), IPs: []string{}, HostNetwork: p.HostNetwork,
		Annotations: map[string]string{}, Images: each(p.Containers, func(c node.Container) string { return c.Image }),
	}
	for _, ip := range p.IPs {
		out.IPs = append(out.IPs, ip.String())
	}
	maps.Copy(out.Annotations, p.Annotations)
	return out
}

// each returns what f makes of every item, never nil: an empty list is [] in JSON.
func each[A, B any](items []A, f func(A) B) []B {
	out := make([]B, 0, len(items))
	for item := range slices.Values(items) {
		out = append(out, f(item))
	}
	return out
}

// instant is nil for an instant that has not come.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// number is nil for what is not known, or is no number.
func number(v node.Opt[float64]) *float64 {
	if !v.Known || math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
		return nil
	}
	return &v.Value
}

func joules(micro int64) float64 { return float64(micro) / 1e6 }

// address is a page's address without a password in it.
func address(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Redacted()
}
