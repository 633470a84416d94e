// Package cuda puts known loads on a GPU by CUDA's driver library, which comes with the driver: kernels are PTX that the driver
// compiles for the GPU that is there, so nothing of a toolkit is needed. It takes no managed memory and changes no setting.
package cuda
