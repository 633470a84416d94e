package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/expfmt"

	"gpusignal/node"
)

// checkFor is how long check watches before it speaks: a driver opens, a kubelet lists and a server answers within it.
const checkFor = 4 * time.Second

// once runs the sources until the first window is full, prints the page that /metrics would serve, and ends.
func (d *daemon) once(ctx context.Context, w io.Writer) error {
	return d.watch(ctx, d.opts.window+3*time.Second, func() error {
		families, err := d.all().Gather()
		if err != nil {
			return fmt.Errorf("gather: %w", err)
		}
		for _, family := range families {
			if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
				return fmt.Errorf("print family %q: %w", family.GetName(), err)
			}
		}
		return nil
	})
}

// check runs the sources for a moment and says what they give, what is missing, and the way out.
func (d *daemon) check(ctx context.Context, w io.Writer) error {
	return d.watch(ctx, checkFor, func() error { return printCheck(w, d.snapshot()) })
}

// watch runs every actor for the given time, calls report, and ends them.
func (d *daemon) watch(ctx context.Context, span time.Duration, report func() error) error {
	d.add("report", func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return fmt.Errorf("ended before the report: %w", context.Cause(ctx))
		case <-time.After(span):
			return report()
		}
	})
	return errors.Join(runAll(ctx, d.actors), d.close())
}

// printCheck writes the findings of a snapshot as tables for people.
func printCheck(w io.Writer, s *node.Snapshot) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "SOURCE\tSTATE\tWHAT TO DO")
	for _, h := range s.Health {
		fmt.Fprintf(table, "%s\t%s\t%s\n", h.Source, word(h.Up, "ok", "down"), h.Detail)
	}
	fmt.Fprintln(table, "\nGPU\tMODEL\tSTATE\tHELD BY\tCANNOT TELL")
	for i := range s.Devices {
		dev := &s.Devices[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", dev.Device.Label(), dev.Device.Model, state(dev), holders(s, dev.Device.ID), strings.Join(dev.Lacks.Labels(), " "))
	}
	printUnmapped(table, s)
	printShared(table, s)
	fmt.Fprintln(table, "\nSERVER\tPOD\tFOUND BY\tENGINE\tSTATE")
	for i := range s.Servers {
		server := &s.Servers[i]
		fmt.Fprintf(table, "%s\t%s/%s\t%s\t%s\t%s\n", server.URL, server.Pod.Namespace, server.Pod.Name, server.Found, server.Engine, reading(server))
	}
	return table.Flush()
}

// printUnmapped says of each GPU that has no pod, and of each claim that has no GPU, why that is and what to do.
func printUnmapped(w io.Writer, s *node.Snapshot) {
	if len(s.Unmapped) == 0 {
		return
	}
	fmt.Fprintln(w, "\nWITHOUT OWNER\tREASON\tWHY, AND WHAT TO DO")
	for _, u := range s.Unmapped {
		name := u.Device
		for i := range s.Devices {
			if string(s.Devices[i].Device.ID) == u.Device {
				name = "GPU " + s.Devices[i].Device.Label()
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, u.Reason, u.Detail)
	}
}

// printShared says of each GPU that several containers hold how it is told who uses it, and what would tell it better.
func printShared(w io.Writer, s *node.Snapshot) {
	header := "\nSHARED\tTOLD BY\tWHY, AND WHAT TO DO\n"
	for i := range s.Devices {
		dev := &s.Devices[i]
		var way node.Attribution
		for _, a := range s.Accounts {
			if a.Device == dev.Device.ID && a.Closed.IsZero() && a.Attribution != node.Exclusive {
				way = a.Attribution
			}
		}
		if way == "" {
			continue
		}
		fmt.Fprintf(w, "%sGPU %s\t%s\t%s\n", header, dev.Device.Label(), way, whySplit(s, dev, way))
		header = ""
	}
}

// whySplit says why the use of a shared device is split by claims, so that its pods have no utilisation.
func whySplit(s *node.Snapshot, dev *node.DeviceState, way node.Attribution) string {
	switch {
	case way != node.Split:
		return ""
	case !s.Guests.Known:
		return "its pods have no utilisation: the processes of the host are not visible here; set hostPID: true in the DaemonSet (docs/attribution.md)"
	case dev.Device.Parent != "":
		return "its pods have no utilisation: the driver does not tell how much each process uses a MIG instance; give each pod an instance of its own"
	case dev.Lacks.Has(node.FeatureProcessUtilization) || dev.Lacks.Has(node.FeatureProcesses):
		return "its pods have no utilisation: this GPU or its driver does not tell of processes"
	default:
		return "its pods have no utilisation yet: its processes were not told apart in the last seconds; see the source \"pods\" above if it stays"
	}
}

// state says how a device fares.
func state(dev *node.DeviceState) string {
	if dev.Down == "" && dev.Slowed > 1 {
		return fmt.Sprintf("ok, read %g times less often: its driver answers slowly", dev.Slowed)
	}
	return word(dev.Down == "", "ok", dev.Down)
}

// reading says how reading a server's page goes, and the way out where it does not.
func reading(server *node.Server) string {
	if server.Fault == "" && server.Slowed > 1 {
		return fmt.Sprintf("ok, read %.1f times less often: its page takes %s", server.Slowed, server.Took.Round(time.Millisecond))
	}
	return word(server.Fault == "", "ok", server.Fault+": "+server.Detail)
}

// holders names the pods that claim a device, or why none does.
func holders(s *node.Snapshot, id node.DeviceID) string {
	var out []string
	for _, claim := range s.Claims {
		if claim.Device == id {
			out = append(out, claim.Container.Pod.Namespace+"/"+claim.Container.Pod.Name+"/"+claim.Container.Name)
		}
	}
	for _, u := range s.Unmapped {
		if u.Device == string(id) {
			out = append(out, "nobody ("+u.Reason+")")
		}
	}
	return strings.Join(out, " ")
}

func word(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}
