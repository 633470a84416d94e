package sampler

import (
	"testing"
	"testing/synctest"
	"time"

	"gpusignal/node"
)

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
