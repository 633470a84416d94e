package web

import (
	"strconv"
	"time"

	"gpusignal/node"
)

type deviceView struct {
	ID              string     `json:"id"`
	Parent          string     `json:"parent,omitempty"`
	GPU             string     `json:"gpu"`
	Index           int        `json:"index"`
	Model           string     `json:"model"`
	Profile         string     `json:"mig_profile,omitempty"`
	PCIAddress      string     `json:"pci_address"`
	Driver          string     `json:"driver"`
	Down            string     `json:"down"`
	At              *time.Time `json:"at"`
	Utilization     *float64   `json:"utilization_ratio"`
	UtilizationPeak *float64   `json:"utilization_peak_ratio"`
	// Activity of the device's units, empty where the device does not tell.
	Activity    map[string]float64 `json:"activity_ratio"`
	MemoryUsed  *uint64            `json:"memory_used_bytes"`
	MemoryTotal *uint64            `json:"memory_total_bytes"`
	Power       *float64           `json:"power_watts"`
	Temperature *float64           `json:"temperature_celsius"`
	XIDs        map[string]uint64  `json:"xid_errors"`
	// XIDLast is when each of them was last reported.
	XIDLast map[string]time.Time `json:"xid_last"`
	Events  map[string]uint64    `json:"events"`
	// Lacks are the features that the device was asked for and cannot tell.
	Lacks   []string    `json:"lacks"`
	Reading readingView `json:"reading"`
	Use     *useView    `json:"use"`
}

// readingView is how reading the device goes.
type readingView struct {
	// Slowdown is the factor by which it is read less often than asked, 1 for not at all, null before the first reading.
	Slowdown   *float64 `json:"slowdown_ratio"`
	DriverTime *float64 `json:"driver_time_ratio"`
	Refresh    *float64 `json:"utilization_refresh_seconds"`
	Took       float64  `json:"duration_seconds"`
	Reads      uint64   `json:"reads"`
	Failures   uint64   `json:"failures"`
	Missed     uint64   `json:"missed"`
}

type useView struct {
	Busy            *float64 `json:"busy_seconds"`
	Observed        *float64 `json:"observed_seconds"`
	Energy          *float64 `json:"energy_joules"`
	UnownedBusy     *float64 `json:"unowned_busy_seconds"`
	UnownedObserved *float64 `json:"unowned_observed_seconds"`
	UnownedEnergy   *float64 `json:"unowned_energy_joules"`
}

// timeOf is a time of a device's use, null where no reading ever covered it.
func timeOf(total *node.Total, d time.Duration) *float64 {
	if total == nil || total.Observed == 0 {
		return nil
	}
	return new(d.Seconds())
}

// energyOf is a device's energy in joules, null where it was never read.
func energyOf(total *node.Total, micro int64) *float64 {
	if total == nil || !total.EnergyKnown {
		return nil
	}
	return new(joules(micro))
}

func viewDevice(d node.DeviceState, total *node.Total) deviceView {
	out := deviceView{
		ID: string(d.Device.ID), Parent: string(d.Device.Parent), GPU: d.Device.Label(), Index: d.Device.Index, Model: d.Device.Model,
		Profile: d.Device.Profile, PCIAddress: d.Device.PCIAddress, Driver: d.Device.Driver, Down: d.Down, At: instant(d.At),
		Utilization: number(d.Utilization), UtilizationPeak: number(d.UtilizationPeak), Power: number(d.Last.Power),
		Temperature: number(d.Last.Temperature), Activity: make(map[string]float64), XIDs: make(map[string]uint64),
		XIDLast: make(map[string]time.Time), Events: make(map[string]uint64), Lacks: d.Lacks.Labels(), Reading: viewReading(&d),
	}
	if d.Last.Memory.Known {
		out.MemoryUsed, out.MemoryTotal = new(d.Last.Memory.Value.Used), new(d.Last.Memory.Value.Total)
	}
	for unit, activity := range d.Activity {
		if v := number(activity); v != nil {
			out.Activity[node.Unit(unit).Label()] = *v
		}
	}
	for code, xid := range d.XIDs {
		out.XIDs[strconv.Itoa(code)], out.XIDLast[strconv.Itoa(code)] = xid.Count, xid.Last
	}
	for kind, n := range d.Events {
		if n > 0 {
			out.Events[node.EventKind(kind).Label()] = n
		}
	}
	if total != nil {
		out.Use = &useView{
			timeOf(total, total.Busy), timeOf(total, total.Observed), energyOf(total, total.Energy),
			timeOf(total, total.UnownedBusy), timeOf(total, total.UnownedObserved), energyOf(total, total.UnownedEnergy),
		}
	}
	return out
}

func viewReading(d *node.DeviceState) readingView {
	out := readingView{Refresh: seconds(d.Refresh), DriverTime: number(d.Busy), Took: d.Took.Seconds(), Reads: d.Reads, Failures: d.Failures, Missed: d.Missed}
	if d.Slowed > 0 {
		out.Slowdown = number(node.Some(d.Slowed))
	}
	return out
}
