package sim

import "math/rand/v2"

// kernels is what the kernels of a workload do to a device while they run.
type kernels struct {
	watts  float64 // drawn on top of idleWatts
	memory float64 // share of the time in which memory is read or written
	// Shares of what the hardware could do, 0–1.
	sm, occupancy, tensor, dram, fp32, fp16 float64
	// Bytes per second over PCIe, and over NVLink in either direction.
	sent, received, exchanged float64
}

// A language model that decodes is held up by its memory, small models in batches by what comes in over PCIe, and training
// uses all there is and exchanges gradients.

func decoding() kernels {
	return kernels{watts: 390, memory: 0.6, sm: 0.78, occupancy: 0.28, tensor: 0.31, dram: 0.57, fp32: 0.06, fp16: 0.11, sent: 3e8, received: 9e8}
}

func inferring() kernels {
	return kernels{watts: 240, memory: 0.3, sm: 0.52, occupancy: 0.21, tensor: 0.17, dram: 0.24, fp32: 0.09, fp16: 0.04, sent: 6e8, received: 2.4e9}
}

func training() kernels {
	return kernels{
		watts: 560, memory: 0.7, sm: 0.89, occupancy: 0.44, tensor: 0.58, dram: 0.48, fp32: 0.08, fp16: 0.12,
		sent: 2e8, received: 1.5e9, exchanged: 6e10,
	}
}

// anything is what a process does of which nothing is known.
func anything() kernels {
	return kernels{watts: 300, memory: 0.45, sm: 0.35, occupancy: 0.12, dram: 0.33, fp32: 0.22, sent: 1e8, received: 4e8}
}

// vary returns them with their shares and bytes a tenth more or less, each by itself: no two devices do quite the same.
func (w kernels) vary(random *rand.Rand) kernels {
	for _, v := range []*float64{&w.sm, &w.occupancy, &w.tensor, &w.dram, &w.fp32, &w.fp16, &w.sent, &w.received, &w.exchanged} {
		*v *= 0.9 + 0.2*random.Float64()
	}
	return w
}
