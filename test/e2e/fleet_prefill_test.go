package e2e

import (
	"fmt"
	"math"

	"gpusignal/test/e2e/proof"
)

// prefillBound looks once more at the workload that judge has held to its replicas second by second: servers that are full of prompts
// while most of their cache is free keep their replicas, where the cache alone, or saturation alone, would take them away. The cache in
// use scatters with the arrivals, as a queue does.
func (f *fleet) prefillBound() {
	f.t.Helper()
	w := f.named("prefill")
	mean := func(signal string) float64 {
		found, err := f.Query(fmt.Sprintf(`avg(avg_over_time(%s{namespace=%q}[30s]))`, signal, w.Namespace))
		if err != nil || len(found) != 1 {
			f.t.Fatalf("%s: %v, %v", signal, found, err)
		}
		return found[0].Value.Value
	}
	cache, saturation, prompts := mean("gpusignal_kv_cache_usage_ratio"), mean("gpusignal_saturation_ratio"), mean("gpusignal_prompt_tokens_per_second")
	replicas := f.newest()[w.Namespace]
	if cache < 0.1 || cache > 0.35 || replicas < w.many.replicas {
		f.t.Errorf("%d replicas at %.2f of the cache: want %d, at some 0.2 of it", replicas, cache, w.many.replicas)
	}
	asked := func(ratio float64) int { return int(math.Ceil(float64(replicas) * ratio)) }
	if asked(cache/0.7) >= w.many.replicas || asked(saturation) >= w.many.replicas {
		f.t.Errorf("the cache alone would ask for %d replicas, saturation for %d: this shows nothing", asked(cache/0.7), asked(saturation))
	}
	proof.Shown(f.t, "a load bound by prefill, %.0f prompt tokens/s in each server at %.0f %% of its cache, kept its %d replicas; the cache alone would have asked for %d, saturation alone, at %.2f, for %d",
		prompts, 100*cache, replicas, asked(cache/0.7), saturation, asked(saturation))
}
