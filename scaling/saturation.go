package scaling

import (
	"fmt"
	"strings"
	"time"

	"gpusignal/node"
)

// What counts as full where nobody says otherwise.
const (
	fullSlots   = 0.8 // of the requests that a server runs at once
	fullKVCache = 0.7 // of the key-value cache
)

// saturate adds the components of saturation, and saturation itself where every component that is present is known. A
// server that cannot be read has none, whatever its GPUs do.
func saturate(out *Pod, isServer bool, v *view, gpu gpuView, target Target) {
	s := saturation{out: out}
	readable := !isServer || v.windowed
	if lost := v.missed(target); len(lost) > 0 {
		s.unknown = true
		s.problem("saturation is not published: pages of the pod told %s and tell it no more", strings.Join(lost, ", "))
	}
	if isServer && v.windowed {
		s.byDefault(v, target)
		s.load(v, target)
		s.times(v, target)
	}
	s.gpu(gpu, target)
	if readable && !s.unknown && len(out.Components) > 0 {
		out.add(Saturation, min(Cap, s.greatest))
	}
}

// missed returns what of the lost readings a component is worked out from.
func (v *view) missed(target Target) []string {
	var names []string
	for _, name := range v.lost {
		needed := true
		switch name {
		case "prompt_tokens", "compute_input_time":
			needed = false
		case "queue_time":
			needed = target.QueueTime.Set()
		case "time_to_first_token":
			needed = target.TimeToFirstToken.Set()
		case "inter_token_latency":
			needed = target.InterTokenLatency.Set()
		}
		if needed {
			names = append(names, name)
		}
	}
	return names
}

// saturation collects components, and the greatest of them.
type saturation struct {
	out      *Pod
	greatest float64
	// unknown says that the input of a component which is present is not known.
	unknown bool
}

func (s *saturation) add(name string, value, input, target float64, source string, age time.Duration) {
	if !publishable(value) || !publishable(input) || !publishable(target) {
		s.unknown = true
		return
	}
	s.greatest = max(s.greatest, value)
	s.out.Components = append(s.out.Components, Component{
		Name: name, Value: value, Input: input, Target: target, Source: source, Age: max(0, age),
	})
}

// against adds the component input ÷ target where the target is set, and tells where its input never was.
func (s *saturation) against(name string, input node.Opt[float64], target Setting, age time.Duration) {
	switch {
	case !target.Set():
	case !input.Known && s.unknown: // it was told, and is lost
	case !input.Known:
		s.problem("target %s of %s is not used: no page of the pod has told its input; take the target away or expose the metric", name, target.Source)
	default:
		s.add(name, input.Value/target.Value, input.Value, target.Value, target.Source, age)
	}
}

func (s *saturation) problem(format string, args ...any) {
	s.out.Problems = append(s.out.Problems, fmt.Sprintf(format, args...))
}

// byDefault adds what is there without anybody setting a target.
func (s *saturation) byDefault(v *view, target Target) {
	if v.capacity.Known {
		full := target.Queue.Value * v.tokenRanks
		s.add(componentQueue, v.capacity.Value/full, v.capacity.Value, full, target.Queue.Source, v.age)
	}
	s.slots(v, target.MaxRunning)
	if v.kvCache.Known {
		s.add(componentKVCache, v.kvCache.Value/fullKVCache, v.kvCache.Value, fullKVCache, sourceDefault, v.age)
	}
	if v.rejected.Known {
		var value float64
		switch {
		case v.rejected.Value <= 0:
		case v.accepted <= 0:
			value = Cap
		default:
			value = 1 + v.rejected.Value/v.accepted
		}
		s.add(componentRejected, value, v.rejected.Value, 0, sourceDefault, v.age)
	}
}

// slots adds how many of the requests that the pod runs at once it has, by the number set by hand or else that of the
// server's pages.
func (s *saturation) slots(v *view, byHand Setting) {
	switch {
	case byHand.Set():
		full := Setting{fullSlots * byHand.Value * v.ranks, byHand.Source}
		s.against(componentSlots, inHand(v), full, v.age)
	case v.maxRunning.Known:
		full := fullSlots * v.maxRunning.Value
		s.add(componentSlots, v.slotsUsed.Value/full, v.slotsUsed.Value, full, sourcePage, v.age)
	}
}

func (s *saturation) load(v *view, target Target) {
	s.against(componentConcurrency, inHand(v), target.Concurrency, v.age)
}

func (s *saturation) times(v *view, target Target) {
	s.against(componentQueueTime, v.queue.mean, target.QueueTime, v.age)
	s.against(componentFirstToken, v.firstToken.mean, target.TimeToFirstToken, v.age)
	s.against(componentInterToken, v.interToken.mean, target.InterTokenLatency, v.age)
}

// gpu adds utilisation where a target is set. Where utilisation is not known then, nobody can tell whether it was before,
// and saturation must not be computed from the rest.
func (s *saturation) gpu(v gpuView, target Target) {
	if !target.GPU.Set() {
		return
	}
	if !v.utilization.Known {
		s.unknown = true
		s.problem("target %s of %s keeps saturation unpublished: %s", componentGPU, target.GPU.Source, v.why)
		return
	}
	s.add(componentGPU, v.utilization.Value/target.GPU.Value, v.utilization.Value, target.GPU.Value, target.GPU.Source, v.age)
}

// inHand is the number of requests running and waiting, known where both are.
func inHand(v *view) node.Opt[float64] {
	return node.Opt[float64]{Value: v.running.Value + v.waiting.Value, Known: v.running.Known && v.waiting.Known}
}
