package books

import (
	"fmt"
	"math"
	"time"
)

// keep is how long the daemon goes on to publish the counters of a container that holds a device no more.
const keep = 5 * time.Minute

// Books holds the pages of one daemon against each other, in the order in which they came.
type Books struct {
	last Page
	// held is when each container was last seen to hold a device.
	held map[string]time.Time
	// gone are the counters that are published no more, by identity.
	gone map[string]Series
}

// Enter a page. It returns what is wrong with it: counters that went back, those of a container that went before their time, and
// devices whose counters are not the sum of their containers' and of what nobody owned, to a millionth.
func (b *Books) Enter(p Page) []error {
	if b.held == nil {
		b.held, b.gone = make(map[string]time.Time), make(map[string]Series)
	}
	wrong := append(b.back(p), p.unbalanced(b.gone)...)
	for _, s := range p.Select("gpusignal_container_gpu_claims") {
		b.held[s.holder()] = p.At
	}
	b.last = p
	return wrong
}

// back compares the counters with those of the page before.
func (b *Books) back(p Page) []error {
	var wrong []error
	now := make(map[string]Series)
	for _, s := range p.Series {
		now[s.identity()] = s
		delete(b.gone, s.identity())
	}
	for _, before := range b.last.Series {
		if !before.Counter {
			continue
		}
		id := before.identity()
		s, there := now[id]
		switch {
		case there && s.Value < before.Value:
			wrong = append(wrong, fmt.Errorf("%s went back from %v to %v", id, before.Value, s.Value))
		case !there && before.Labels["container"] == "":
			wrong = append(wrong, fmt.Errorf("%s is gone", id))
		case !there:
			b.gone[id] = before
			// The container still held the device at that page: for the daemon it is no longer ago.
			if since := p.At.Sub(b.held[before.holder()]); since < keep {
				wrong = append(wrong, fmt.Errorf("%s is gone %v after its container held the device, want %v", id, since, keep))
			}
		}
	}
	return wrong
}

// holder is what the counters and the claim of a container on a device have in common.
func (s Series) holder() string {
	return fmt.Sprintf("%q", []string{s.Labels["namespace"], s.Labels["pod"], s.Labels["container"], s.Labels["gpu_uuid"]})
}

// unbalanced devices; counters that are published no more count as well.
func (p Page) unbalanced(gone map[string]Series) []error {
	var wrong []error
	for _, amount := range []string{"busy_seconds_total", "observed_seconds_total", "energy_joules_total"} {
		for _, device := range p.Select("gpusignal_device_" + amount) {
			uuid := device.Labels["gpu_uuid"]
			owned := p.Sum("gpusignal_container_gpu_"+amount, "gpu_uuid", uuid)
			for _, s := range gone {
				if s.Name == "gpusignal_container_gpu_"+amount && s.Labels["gpu_uuid"] == uuid {
					owned += s.Value
				}
			}
			unowned := p.Sum("gpusignal_device_unowned_"+amount, "gpu_uuid", uuid)
			if math.Abs(device.Value-owned-unowned) > 1e-6*device.Value {
				wrong = append(wrong, fmt.Errorf("%s of %s: %v, but containers have %v and nobody %v", amount, uuid, device.Value, owned, unowned))
			}
		}
	}
	return wrong
}
