package sampler

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"gpusignal/node"
)

// Health tells how the driver fares: whether it lists devices and one of them at least can be read.
func (s *Sampler) Health(at time.Time) []node.SourceHealth {
	r := s.roll.report.Load()
	h := node.SourceHealth{
		Source: "nvml", Success: r.success, Took: r.took, Attempts: r.attempts, Failures: r.failures,
	}
	latest := r.ended
	var down []string
	devices := s.Devices(at)
	for _, d := range devices {
		h.Attempts += d.Reads
		h.Failures += d.Failures
		if d.At.After(h.Success) {
			h.Success = d.At
		}
		if d.At.After(latest) {
			latest, h.Took = d.At, d.Took
		}
		if why := cmp.Or(d.Down, unread(d)); why != "" {
			down = append(down, d.Device.Label()+" "+why)
		}
	}
	h.Up = r.err == nil && len(down) < len(devices) && !s.roll.call.hung(at, s.deadline())
	h.Detail = s.detail(at, r, devices, down)
	return []node.SourceHealth{h}
}

// unread tells of a device of which no reading has come yet.
func unread(d node.DeviceState) string {
	if d.At.IsZero() {
		return "not read yet"
	}
	return ""
}

// detail says what is wrong, and the way out.
func (s *Sampler) detail(at time.Time, r *report, devices []node.DeviceState, down []string) string {
	switch {
	case s.roll.call.hung(at, s.deadline()):
		return "the driver has not returned from listing its devices: see dmesg for Xid errors, and reboot the node if it stays"
	case r.err != nil:
		return r.err.Error()
	case r.attempts == 0:
		return "the driver has not been asked yet"
	case len(devices) == 0:
		return "the driver lists no device: check that nvidia-smi -L shows one here, and NVIDIA_VISIBLE_DEVICES=all"
	case len(down) == 0:
		return ""
	}
	return fmt.Sprintf("%d of %d devices cannot be read (%s): see nvidia-smi and dmesg, and reset those that stay",
		len(down), len(devices), strings.Join(down, ", "))
}
