// Package load puts a load of known duty on a GPU and writes down what it did: when each kernel ran, by the GPU's events and by this
// machine's clock. What a meter says of the GPU is held against that, and against nothing of gpusignal. A driver's notion of "busy"
// is the share of its sample period in which some kernel was resident; here a kernel is resident from the event before it to the
// event after it.
package load
