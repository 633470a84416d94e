// Package sim is a simulated GPU node: devices behind a driver, a kubelet's gRPC sockets, a /proc with the processes that
// are on the devices, and vLLM and Triton servers that answer requests over HTTP. It stands behind the same seams as the
// real ones, so that a program can be shown, and judged, on a machine without a GPU.
//
// Nothing in it is a curve. Clients send requests; servers queue them, give them slots and take time to serve them; a
// device is busy while one of them executes on it, and everything a page or a driver says is derived from that. What
// really happened is written to a truth log, in a format that is described in log.go.
package sim
