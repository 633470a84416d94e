// Package proof proves the whole of gpusignal on the GPU of this machine: what it says of a load is held against what the load did,
// what it costs the load is measured with and without it, and the daemon runs for a while against a real driver with the sockets of a
// kubelet and a model server. It starts what it needs as processes of their own and works out every number by itself, from their logs
// and from the daemon's pages: no code of gpusignal judges gpusignal.
package proof
