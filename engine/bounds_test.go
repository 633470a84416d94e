package engine_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"gpusignal/engine"
	"gpusignal/node"
)

// manyModels is a page of Triton's with the models from the first to before the last, each with every family that is read.
func manyModels(from, to int, requests float64) string {
	var b strings.Builder
	for _, family := range []string{
		"nv_inference_request_success", "nv_inference_request_failure", "nv_inference_request_duration_us",
		"nv_inference_queue_duration_us", "nv_inference_compute_input_duration_us", "nv_inference_pending_request_count",
	} {
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, "%s{model=\"model_%05d\",version=\"1\"} %g\n", family, i, requests)
		}
	}
	return b.String()
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Ten thousand models are two hundred and one: what is too many is summed and told, and nothing of it is lost.
func TestTenThousandModels(t *testing.T) {
	const models = 10_000
	one, two := manyModels(0, models, 1), manyModels(0, models, 3)
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Now()))
		before := heap()
		s.show(one, read)
		got := s.show(two, read)
		grown := heap() - before
		t.Logf("%d KiB are kept for %d models", grown>>10, models)
		if grown > 40<<20 {
			t.Errorf("%d MiB are kept for %d models", grown>>20, models)
		}
		if len(got.Models) != 201 || got.Merged != models-200 || got.Fault != "" {
			t.Fatalf("%d models, %d merged, fault %q; want 200 and the rest in one", len(got.Models), got.Merged, got.Fault)
		}
		var waiting, requests float64
		for _, m := range got.Models {
			waiting += m.Waiting.Value.Last
			requests += m.Requests["success"].Total
		}
		if waiting != 3*models || requests != 2*models {
			t.Errorf("%g waiting and %g requests over all models, want %d and %d", waiting, requests, 3*models, 2*models)
		}
		other := got.Models[0]
		if other.Name != "_other" || other.Waiting.Value.Last != 3*(models-200) || other.Queue.Value.Count.Total != 2*(models-200) {
			t.Errorf("the rest is %+v", other)
		}
	})
}

// Models that come and go, a thousand new ones a page, cost no more in the end than in the beginning.
func TestModelsWithoutEnd(t *testing.T) {
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Now()))
		var got node.Server
		var early uint64
		for i := range 30 {
			got = s.show(manyModels(1000*i, 1000*(i+1), 1), read)
			if got.Fault != "" {
				t.Fatalf("page %d: fault %q %s", i, got.Fault, got.Detail)
			}
			if i == 10 {
				early = heap()
			}
		}
		if late := heap(); late > early+16<<20 {
			t.Errorf("%d MiB after 30 pages, %d after 10", late>>20, early>>20)
		}
		if len(got.Models) > 201 {
			t.Errorf("%d models", len(got.Models))
		}
	})
}
