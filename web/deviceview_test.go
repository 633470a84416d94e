package web

import (
	"testing"
	"time"

	"gpusignal/node"
)

// Use that no reading ever covered, and energy that was never read, are null: of the device, and of who holds it.
func TestUnknownUseIsNull(t *testing.T) {
	for _, known := range []bool{false, true} {
		s := &node.Snapshot{
			Devices:  []node.DeviceState{{Device: node.Device{ID: "GPU-1"}}},
			Totals:   []node.Total{{Device: "GPU-1", EnergyKnown: known}},
			Accounts: []node.Account{{Device: "GPU-1"}},
		}
		if known {
			s.Totals[0].Observed = time.Second
		}
		view := nodeView(s)
		use, account := view.Devices[0].Use, view.Accounts[0]
		for name, value := range map[string]*float64{
			"busy": use.Busy, "unowned busy": use.UnownedBusy, "observed": use.Observed, "energy": use.Energy, "unowned energy": use.UnownedEnergy,
			"account's busy": account.Busy, "account's observed": account.Observed, "account's energy": account.Energy,
		} {
			if (value != nil) != known {
				t.Errorf("%s is there: %v, want %v", name, value != nil, known)
			}
		}
	}
}
