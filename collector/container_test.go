package collector

import (
	"fmt"
	"strings"
	"testing"
)

func TestUseAddsUp(t *testing.T) {
	got := series(t, full())
	sum := func(prefix, device string) float64 {
		var total float64
		for name, value := range got {
			if strings.HasPrefix(name, prefix) && strings.Contains(name, device) {
				var v float64
				if _, err := fmt.Sscan(value, &v); err != nil {
					t.Fatal(err)
				}
				total += v
			}
		}
		return total
	}
	// GPU-0 also has an account of an earlier pod, 5 s busy, that the fixture's total leaves out.
	for device, extra := range map[string]float64{`gpu_uuid="GPU-0"`: 5, `gpu_uuid="GPU-1"`: 0, `gpu_uuid="MIG-1"`: 0} {
		whole := sum("gpusignal_device_busy_seconds_total", device)
		parts := sum("gpusignal_container_gpu_busy_seconds_total", device) + sum("gpusignal_device_unowned_busy_seconds_total", device)
		if whole+extra != parts {
			t.Errorf("%s: device %v, parts %v", device, whole, parts)
		}
	}
	expect(t, got, map[string]string{
		`gpusignal_container_gpu_busy_seconds_total{attribution="exclusive",container="server",gpu="0",gpu_uuid="GPU-0",namespace="chat",pod="llm-0"}`:   "80",
		`gpusignal_container_gpu_energy_joules_total{attribution="exclusive",container="server",gpu="0",gpu_uuid="GPU-0",namespace="chat",pod="llm-0"}`:  "32",
		`gpusignal_container_gpu_busy_seconds_total{attribution="process",container="server",gpu="1",gpu_uuid="GPU-1",namespace="vision",pod="batch-x"}`: "30",
		`gpusignal_container_gpu_claims{container="server",gpu="1",gpu_uuid="GPU-1",namespace="vision",pod="batch-x"}`:                                   "3",
		`gpusignal_container_gpu_memory_used_bytes{container="server",gpu="3:1",gpu_uuid="MIG-1",namespace="chat",pod="llm-1"}`:                          "9.663676416e+10",
		`gpusignal_device_up{gpu="2",gpu_uuid="GPU-2"}`:                 "0",
		`gpusignal_device_power_watts{gpu="2",gpu_uuid="GPU-2"}`:        "",
		`gpusignal_device_busy_seconds_total{gpu="2",gpu_uuid="GPU-2"}`: "100",
	})
}
