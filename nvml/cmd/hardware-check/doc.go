// Command hardware-check proves gpusignal on the GPU of this machine (prove, by package proof), and has the parts of that as commands
// of their own. Without one it is the probe: it measures what the machine's NVML gives gpusignal: how long each call takes, how often
// each reading is renewed, what the ring of utilisation samples holds and by which clock, how steady hardware counters are, and how
// soon memory and utilisation follow a program on the GPU. It needs the driver and glibc, nothing else: build it, carry it, run it.
// docs/hardware/README.md says what its numbers are for.
package main
