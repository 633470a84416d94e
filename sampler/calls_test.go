package sampler

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// Calls that no reading tells of are summed up with those of readings.
func TestCallsBesideReadings(t *testing.T) {
	s := New(Config{Driver: &fake{}, Calls: func() (made [node.FeatureCount]node.CallStats) {
		made[node.FeatureInit] = node.CallStats{Count: 1, Sum: time.Second, Max: time.Second}
		made[node.FeatureActivity] = node.CallStats{Count: 2, Sum: 3, Max: 2}
		return made
	}})
	d := newDevice(s, false)
	d.calls.add([]node.Call{{Feature: node.FeatureActivity, Took: 7}})
	s.view.Store(&view{ever: []*device{d}})
	var want calls
	want[node.FeatureInit] = node.CallStats{Count: 1, Sum: time.Second, Max: time.Second}
	want[node.FeatureActivity] = node.CallStats{Count: 3, Sum: 10, Max: 7}
	if diff := cmp.Diff(want, calls(s.Calls())); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// What calls took is told of every device that was ever there: a device that vanishes takes nothing back.
func TestCallsNeverGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := start(t, &fake{
			devices: func() ([]node.Device, error) {
				all, err := twoGPUs()
				if time.Since(began) >= 10*time.Second {
					all = all[1:]
				}
				return all, err
			},
			read: func(_ node.DeviceID, want node.Want) (node.Reading, error) {
				out := reading(want, 0)
				out.Calls = []node.Call{{Feature: node.FeatureMemory, Took: time.Microsecond}}
				return out, nil
			},
		})
		var before node.CallStats
		for range 15 {
			pass(time.Second)
			now := r.Calls()[node.FeatureMemory]
			if now.Count <= before.Count || now.Sum <= before.Sum || now.Max < before.Max {
				t.Errorf("after %v: calls %+v, before %+v", time.Since(began), now, before)
			}
			before = now
		}
	})
}
