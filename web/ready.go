package web

import (
	"fmt"
	"time"

	"gpusignal/node"
)

// patience is how long readiness waits for a driver and for pods. A node may have neither, and a rollout must end there
// too.
const patience = 30 * time.Second

// unready says what the daemon still waits for: a driver and claims, for no longer than patience; the first reading of
// each device that can be read, and a full window of each that tells its utilisation.
func unready(s *node.Snapshot, started time.Time) []string {
	var reasons []string
	waiting := s.At.Sub(started) < patience
	if waiting {
		for _, source := range []string{"nvml", "kubelet", "pods"} {
			if reason := missing(s, source); reason != "" {
				reasons = append(reasons, reason)
			}
		}
		if len(s.Devices) == 0 {
			reasons = append(reasons, "no GPU has been found yet")
		}
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
