package collector

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"gpusignal/node"
	"gpusignal/scaling"
)

// useRow is what containers of one name used of one device, by attribution: the sum of their accounts, so that a pod
// goes on with the counter of its predecessor of the same name. What is not known of the device is not known of its containers.
type useRow struct {
	labels         *labelSet
	total          *node.Total // of the device
	busy, observed time.Duration
	energy         int64
}

// holdRow is what a container holds of a device.
type holdRow struct {
	labels *labelSet
	memory node.Opt[uint64]
	weight int
}

// containerPart is the families of containers' shares of devices.
type containerPart struct {
	uses  []family[useRow]
	holds []family[holdRow]

	useLabels, holdLabels *labelNames
	gpus                  map[node.DeviceID]string
	totals                map[node.DeviceID]*node.Total
	accounts              []*node.Account
	claims                []*node.Claim
	useRows               []useRow
	holdRows              []holdRow
}

func newContainerPart() *containerPart {
	hold := newLabelNames("namespace", "pod", "container", "gpu_uuid", "gpu")
	use := hold.with("attribution")
	return &containerPart{
		useLabels: use, holdLabels: hold, gpus: make(map[node.DeviceID]string), totals: make(map[node.DeviceID]*node.Total),
		uses: []family[useRow]{
			counterOf(use, "container_gpu_busy_seconds_total", "Time in which a kernel of the container ran on the device, and how that was attributed.",
				func(r *useRow) (float64, bool) { return r.busy.Seconds(), r.total != nil && r.total.Observed > 0 }),
			counterOf(use, "container_gpu_observed_seconds_total", "Time of the device, or the container's part of it, that readings cover.",
				func(r *useRow) (float64, bool) { return r.observed.Seconds(), r.total != nil && r.total.Observed > 0 }),
			counterOf(use, "container_gpu_energy_joules_total", "The container's part of the board's energy, and how that was attributed.",
				func(r *useRow) (float64, bool) { return joules(r.energy), r.total != nil && r.total.EnergyKnown }),
		},
		holds: []family[holdRow]{
			gaugeOf(hold, "container_gpu_memory_used_bytes", "Device memory that the container uses: of a device that it holds alone all that is in use, else what its processes hold; absent where they cannot be told apart.",
				func(r *holdRow) (float64, bool) { return float64(r.memory.Value), r.memory.Known }),
			gaugeOf(hold, "container_gpu_claims", "How many times the container claims the device: more than once only where the device is time-sliced.",
				func(r *holdRow) (float64, bool) { return float64(r.weight), r.weight > 0 }),
		},
	}
}

func (c *containerPart) describe() []*desc {
	return describeAll(describeAll(nil, c.uses), c.holds)
}

func (c *containerPart) write(p *page, s *node.Snapshot, _ []scaling.Pod) {
	clear(c.gpus)
	for i := range s.Devices {
		if id := s.Devices[i].Device.ID; c.gpus[id] == "" {
			c.gpus[id] = s.Devices[i].Device.Label()
		}
	}
	for i := range s.Totals {
		if id := s.Totals[i].Device; c.totals[id] == nil {
			c.totals[id] = &s.Totals[i]
		}
	}
	c.collectAccounts(p, s)
	c.collectClaims(p, s)
	writeAll(p, c.uses, c.useRows, func(r *useRow) *labelSet { return r.labels })
	writeAll(p, c.holds, c.holdRows, func(r *holdRow) *labelSet { return r.labels })
	clear(c.useRows)
	clear(c.totals)
	clear(c.accounts)
	clear(c.claims)
}

// collectAccounts sums accounts by their label set.
func (c *containerPart) collectAccounts(p *page, s *node.Snapshot) {
	c.accounts, c.useRows, c.holdRows = c.accounts[:0], c.useRows[:0], c.holdRows[:0]
	for i := range s.Accounts {
		c.accounts = append(c.accounts, &s.Accounts[i])
	}
	slices.SortFunc(c.accounts, func(a, b *node.Account) int {
		if order := compareHold(a.Container, a.Device, b.Container, b.Device); order != 0 {
			return order
		}
		return cmp.Compare(a.Attribution, b.Attribution)
	})
	var last *node.Account
	for _, a := range c.accounts {
		sameHold := last != nil && compareHold(a.Container, a.Device, last.Container, last.Device) == 0
		if !sameHold {
			c.holdRows = append(c.holdRows, holdRow{labels: p.labels.of(c.holdLabels, c.values(a.Container, a.Device))})
		}
		if !sameHold || a.Attribution != last.Attribution {
			hold := c.holdRows[len(c.holdRows)-1].labels
			c.useRows = append(c.useRows, useRow{labels: p.labels.child(c.useLabels, hold, string(a.Attribution)), total: c.totals[a.Device]})
		}
		use := &c.useRows[len(c.useRows)-1]
		use.busy, use.observed, use.energy = use.busy+a.Busy, use.observed+a.Observed, use.energy+a.Energy
		if hold := &c.holdRows[len(c.holdRows)-1]; a.Memory.Known && a.Closed.IsZero() {
			// A container has several accounts where the way of attribution changed: they speak of the same memory.
			hold.memory = node.Some(max(hold.memory.Value, a.Memory.Value))
		}
		last = a
	}
}

// collectClaims adds the weights of claims.
func (c *containerPart) collectClaims(p *page, s *node.Snapshot) {
	c.claims = c.claims[:0]
	for i := range s.Claims {
		c.claims = append(c.claims, &s.Claims[i])
	}
	slices.SortFunc(c.claims, func(a, b *node.Claim) int { return compareHold(a.Container, a.Device, b.Container, b.Device) })
	for i, claim := range c.claims {
		if i == 0 || compareHold(claim.Container, claim.Device, c.claims[i-1].Container, c.claims[i-1].Device) != 0 {
			c.holdRows = append(c.holdRows, holdRow{labels: p.labels.of(c.holdLabels, c.values(claim.Container, claim.Device))})
		}
		c.holdRows[len(c.holdRows)-1].weight += max(1, claim.Weight)
	}
}

func (c *containerPart) values(container node.ContainerID, device node.DeviceID) values {
	return values{container.Pod.Namespace, container.Pod.Name, container.Name, string(device), c.gpus[device]}
}

// compareHold orders by what is in a label: never by UID.
func compareHold(a node.ContainerID, aDevice node.DeviceID, b node.ContainerID, bDevice node.DeviceID) int {
	if c := strings.Compare(a.Pod.Namespace, b.Pod.Namespace); c != 0 {
		return c
	}
	if c := strings.Compare(a.Pod.Name, b.Pod.Name); c != 0 {
		return c
	}
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return cmp.Compare(aDevice, bDevice)
}
