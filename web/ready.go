package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gpusignal/node"
)

// patience is how long readiness waits, beside a signal window, for what may never come: a driver, pods, the pages of model
// servers. A node may have none of them, and a rollout must end there too.
const patience = 15 * time.Second

// unready says what the daemon still waits for: a driver, claims and full windows of servers, for no longer than patience
// and a window; the first reading of each device that can be read, and a full window of each that tells its utilisation.
func unready(s *node.Snapshot, started time.Time, window time.Duration) []string {
	var reasons []string
	waiting := s.At.Sub(started) < patience+window
	if waiting {
		for _, source := range []string{"nvml", "kubelet", "pods"} {
			if reason := missing(s, source); reason != "" {
				reasons = append(reasons, reason)
			}
		}
		if len(s.Devices) == 0 {
			reasons = append(reasons, "no GPU has been found yet")
		}
		reasons = append(reasons, unserved(s)...)
	}
	for i := range s.Devices {
		d := &s.Devices[i]
		switch {
		case d.Down != "": // it is told by its own series
		case d.At.IsZero():
			if waiting {
				reasons = append(reasons, fmt.Sprintf("GPU %s has not been read yet", d.Device.Label()))
			}
		case d.Last.Utilization.Known && !d.Utilization.Known:
			reasons = append(reasons, fmt.Sprintf("the first signal window of GPU %s is not full yet", d.Device.Label()))
		}
	}
	return reasons
}

// unserved says which servers have no signals yet and may soon. One whose first read failed may be loading for minutes, or
// never answer: it is not waited for.
func unserved(s *node.Snapshot) []string {
	var reasons []string
	for i := range s.Servers {
		server := &s.Servers[i]
		name := strings.TrimPrefix(server.Pod.Namespace+"/"+server.Pod.Name, "/")
		switch {
		case server.Fault == node.Unread:
			reasons = append(reasons, fmt.Sprintf("the metrics page of %s has not been read yet", name))
		case len(server.Models) > 0 && server.Span == 0:
			reasons = append(reasons, fmt.Sprintf("the first signal window of %s is not full yet", name))
		}
	}
	return slices.Compact(reasons) // A pod may have several pages.
}

// missing says why a source does not work yet, empty where it does or where the node does not have it.
func missing(s *node.Snapshot, source string) string {
	for _, h := range s.Health {
		switch {
		case h.Source != source || h.Up || !h.Success.IsZero():
		case h.Detail == "":
			return fmt.Sprintf("source %s has not answered yet", source)
		default:
			return fmt.Sprintf("source %s: %s", source, h.Detail)
		}
	}
	return ""
}
