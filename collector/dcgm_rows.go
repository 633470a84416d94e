package collector

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"gpusignal/node"
)

// dcgmRows makes the rows of the DCGM families: exactly one for each device and owner.
type dcgmRows struct {
	hostname string
	xids     map[int]string
	// all are the labels that a series can have; those of a series are without what does not apply: no label is empty.
	all *labelNames
	// names are by what the row is of (a GPU, a MIG instance, one of several compute instances), whether it has an owner, and
	// whether it names an XID error.
	names [3][2][2]*labelNames

	rows    []dcgmRow
	devices map[node.DeviceID]*node.DeviceState
	claims  []*node.Claim
}

func newDCGMRows(hostname string) dcgmRows {
	base := []string{"gpu", "UUID", "pci_bus_id", "device", "modelName", "hostname", "DCGM_FI_DRIVER_VERSION"}
	instances := [3][]string{{}, {"GPU_I_PROFILE", "GPU_I_ID"}, {"GPU_I_PROFILE", "GPU_I_ID", "GPU_CI_ID"}}
	owner := []string{"namespace", "pod", "container"}
	xid := []string{"err_code", "err_msg"}
	r := dcgmRows{hostname: hostname, xids: xidNames(), devices: make(map[node.DeviceID]*node.DeviceState)}
	r.all = newLabelNames(slices.Concat(base, instances[2], owner)...)
	for i, instance := range instances {
		r.names[i] = [2][2]*labelNames{
			{newLabelNames(slices.Concat(base, instance)...), newLabelNames(slices.Concat(base, instance, xid)...)},
			{newLabelNames(slices.Concat(base, instance, owner)...), newLabelNames(slices.Concat(base, instance, owner, xid)...)},
		}
	}
	return r
}

// collect makes the rows of a snapshot. They are good until the next call.
func (d *dcgmRows) collect(p *page, s *node.Snapshot) []dcgmRow {
	d.rows = d.rows[:0]
	clear(d.devices)
	for i := range s.Devices {
		if id := s.Devices[i].Device.ID; d.devices[id] == nil {
			d.devices[id] = &s.Devices[i]
		}
	}
	d.claims = d.claims[:0]
	for i := range s.Claims {
		d.claims = append(d.claims, &s.Claims[i])
	}
	slices.SortFunc(d.claims, func(a, b *node.Claim) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), compareHold(a.Container, "", b.Container, ""))
	})
	d.claims = slices.CompactFunc(d.claims, func(a, b *node.Claim) bool {
		return compareHold(a.Container, a.Device, b.Container, b.Device) == 0
	})
	for i := range s.Devices {
		if state := &s.Devices[i]; d.devices[state.Device.ID] == state {
			d.add(p, s, state)
		}
	}
	clear(d.claims)
	return d.rows
}

// add makes the rows of one device.
func (d *dcgmRows) add(p *page, s *node.Snapshot, state *node.DeviceState) {
	first, _ := slices.BinarySearchFunc(d.claims, state.Device.ID, func(c *node.Claim, id node.DeviceID) int { return cmp.Compare(c.Device, id) })
	owners := d.claims[first:]
	for n, claim := range owners {
		if claim.Device != state.Device.ID {
			owners = owners[:n]
			break
		}
	}
	if len(owners) == 0 {
		d.rows = append(d.rows, d.row(p, state, nil))
		return
	}
	for _, claim := range owners {
		row := d.row(p, state, &claim.Container)
		if len(owners) > 1 {
			row.own = partOf(s, claim)
		}
		d.rows = append(d.rows, row)
	}
}

// partOf finds what the processes of an owner used of a shared device.
func partOf(s *node.Snapshot, claim *node.Claim) *node.Account {
	for i := range s.Accounts {
		a := &s.Accounts[i]
		if a.Device == claim.Device && a.Attribution == node.ByProcess && a.Closed.IsZero() &&
			compareHold(a.Container, "", claim.Container, "") == 0 {
			return a
		}
	}
	return nil
}

// row makes one row; owner is nil for a device that nobody holds.
func (d *dcgmRows) row(p *page, state *node.DeviceState, owner *node.ContainerID) dcgmRow {
	device := &state.Device
	gpu := strconv.Itoa(device.Index)
	v := values{
		gpu, string(cmp.Or(device.Parent, device.ID)), busID(device.PCIAddress), "nvidia" + gpu, device.Model, d.hostname, device.Driver,
	}
	n, instance, owned := 7, 0, 0
	add := func(more ...string) { n += copy(v[n:], more) }
	if device.Parent != "" {
		instance = 1
		add(device.Profile, strconv.Itoa(device.GPUInstance))
		if device.ComputeInstances > 1 {
			instance = 2
			add(strconv.Itoa(device.ComputeInstance))
		}
	}
	if owner != nil {
		owned = 1
		add(owner.Pod.Namespace, owner.Pod.Name, owner.Name)
	}
	names := &d.names[instance][owned]
	row := dcgmRow{state: state, labels: p.labels.of(names[0], v), xid: lastXID(state)}
	if row.xid.Known {
		add(strconv.Itoa(row.xid.Value), cmp.Or(d.xids[row.xid.Value], "Unknown Error"))
		row.xidLabels = p.labels.of(names[1], v)
	}
	return row
}

// lastXID is the error that a device reported last, 0 where a GPU that was read and tells of errors has had none.
func lastXID(state *node.DeviceState) node.Opt[int] {
	var last node.XID
	out := node.Opt[int]{Known: tellsEvents(state)}
	for code, xid := range state.XIDs {
		if !xid.Last.Before(last.Last) && (xid.Last.After(last.Last) || code > out.Value) {
			out, last = node.Some(code), xid
		}
	}
	return out
}

// busID is a PCI address as DCGM writes it: "0000:0a:00.0" is "00000000:0A:00.0".
func busID(address string) string {
	domain, rest, found := strings.Cut(address, ":")
	if !found || len(domain) > 8 {
		return address
	}
	return strings.ToUpper(strings.Repeat("0", 8-len(domain)) + domain + ":" + rest)
}
