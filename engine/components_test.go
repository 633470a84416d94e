package engine_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/engine"
	"gpusignal/node"
	"gpusignal/scaling"
)

// What counts as full for each server without any target: waiting for capacity over 5 a rank, what is in hand over 0.8 of
// the slots, usage of the key-value cache over 0.7. A component is there where the page tells its input.
func TestComponentsOfEachServer(t *testing.T) {
	for _, tt := range []struct {
		file string
		args []string
		want map[string]float64
	}{
		{"nim-1.prom", nil, map[string]float64{"queue": 7.0 / 5, "slots": 55 / (0.8 * 64), "kv_cache": 0.625 / 0.7}},
		{"sglang-2026.prom", []string{"--max-running-requests=48"}, map[string]float64{
			"queue": 9.0 / 10, "slots": 27 / (0.8 * 48), "kv_cache": 0.75 / 0.7, "rejected": 0, // of two ranks
		}},
		{"tgi-3.prom", nil, map[string]float64{"queue": 9.0 / 5, "rejected": 0}},
		{"trtllm-1.3.prom", nil, map[string]float64{"queue": 12.0 / 5, "slots": 32 / (0.8 * 32), "kv_cache": 0.4375 / 0.7, "rejected": 0}},
		{"trtllm-1.1.prom", nil, map[string]float64{}},
		{"llamacpp-2026.prom", []string{"llama-server", "-np", "4"}, map[string]float64{"queue": 46.0 / 5, "slots": 50 / (0.8 * 4)}},
		{"llamacpp-2024.prom", nil, map[string]float64{"queue": 2.0 / 5, "kv_cache": 0.5 / 0.7}},
		{"lmdeploy.prom", nil, map[string]float64{"queue": 7.0 / 10, "kv_cache": 0.75 / 0.7}},
		{"dynamo-worker.prom", nil, map[string]float64{"kv_cache": 0.125 / 0.7}},
		{"torchserve-0.12.prom", nil, map[string]float64{}},
		{"triton-24.08-gpu.prom", nil, map[string]float64{}},
		{"triton-tensorrtllm.prom", nil, map[string]float64{"slots": 14 / (0.8 * 64), "kv_cache": 0.3 / 0.7}},
		{"vllm-2026.prom", []string{"--max-num-seqs=16"}, map[string]float64{
			"queue": 6.0 / 10, "slots": 22 / (0.8 * 32), "kv_cache": 0.875 / 0.7, "rejected": 0,
		}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			page, err := os.ReadFile(filepath.Join("testdata/pages", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			play(t, engine.Config{}, func(s *stage) {
				s.setPods(vllmPod(time.Now(), tt.args...))
				s.show(string(page), 16*time.Second)
				sources := node.Sources{Servers: s.engine.Servers, ServerGrace: time.Minute}
				pods := scaling.Derive(sources.Snapshot(time.Now()), scaling.Targets{})
				if len(pods) != 1 {
					t.Fatalf("%d pods", len(pods))
				}
				got := make(map[string]float64)
				for _, c := range pods[0].Components {
					got[c.Name] = c.Value
				}
				if diff := cmp.Diff(tt.want, got, near()); diff != "" {
					t.Errorf("components (-want +got):\n%s", diff)
				}
			})
		})
	}
}
