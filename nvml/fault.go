//go:build cgo && linux

package nvml

import (
	"fmt"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// fault makes an error of a return code, and has the library opened again where the code says that its life has ended.
func (d *Driver) fault(doing string, ret gonvml.Return) error {
	switch ret {
	case gonvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return fmt.Errorf("%s: %w: %q is not of the version of the loaded kernel module: "+
			"restart this pod once the driver upgrade has finished, so that it gets the new library",
			doing, node.ErrDriverMismatch, d.library)
	case gonvml.ERROR_LIBRARY_NOT_FOUND, gonvml.ERROR_DRIVER_NOT_LOADED:
		d.stale.Store(true)
		return fmt.Errorf("%s: %w: %s: %q needs the kernel module nvidia and the files /dev/nvidia*: "+
			"load the driver, give the container its devices (NVIDIA_VISIBLE_DEVICES=all), "+
			"or name another library with --nvml.library", doing, node.ErrNoDriver, text(ret), d.library)
	case gonvml.ERROR_GPU_IS_LOST, gonvml.ERROR_GPU_NOT_FOUND:
		return fmt.Errorf("%s: %w: %s", doing, node.ErrDeviceLost, text(ret))
	case gonvml.ERROR_RESET_REQUIRED:
		return fmt.Errorf("%s: %w: %s", doing, node.ErrResetRequired, text(ret))
	case gonvml.ERROR_UNINITIALIZED:
		d.stale.Store(true)
		return fmt.Errorf("%s: %s: opening the library again", doing, text(ret))
	case gonvml.ERROR_NO_PERMISSION, gonvml.ERROR_OPERATING_SYSTEM:
		return fmt.Errorf("%s: %s: give the container the devices (NVIDIA_VISIBLE_DEVICES=all)", doing, text(ret))
	default:
		return fmt.Errorf("%s: %s", doing, text(ret))
	}
}

// ends says that a return code speaks of the whole device, or of the whole library: no other call would fare better.
func ends(ret gonvml.Return) bool {
	switch ret {
	case gonvml.ERROR_LIB_RM_VERSION_MISMATCH, gonvml.ERROR_LIBRARY_NOT_FOUND, gonvml.ERROR_DRIVER_NOT_LOADED,
		gonvml.ERROR_GPU_IS_LOST, gonvml.ERROR_RESET_REQUIRED, gonvml.ERROR_UNINITIALIZED, gonvml.ERROR_GPU_NOT_FOUND:
		return true
	default:
		return false
	}
}

// never says that a call will not work on this device however often it is tried.
func never(ret gonvml.Return) bool {
	switch ret {
	case gonvml.ERROR_NOT_SUPPORTED, gonvml.ERROR_NO_PERMISSION, gonvml.ERROR_FUNCTION_NOT_FOUND,
		gonvml.ERROR_ARGUMENT_VERSION_MISMATCH, gonvml.ERROR_DEPRECATED:
		return true
	default:
		return false
	}
}

// text is a return code in words. go-nvml would ask the library, which may lack the function for it.
func text(ret gonvml.Return) string {
	switch ret {
	case gonvml.ERROR_UNINITIALIZED:
		return "library is not initialised (NVML error 1)"
	case gonvml.ERROR_INVALID_ARGUMENT:
		return "invalid argument (NVML error 2)"
	case gonvml.ERROR_NOT_SUPPORTED:
		return "not supported (NVML error 3)"
	case gonvml.ERROR_NO_PERMISSION:
		return "no permission (NVML error 4)"
	case gonvml.ERROR_NOT_FOUND:
		return "not found (NVML error 6)"
	case gonvml.ERROR_DRIVER_NOT_LOADED:
		return "driver is not loaded (NVML error 9)"
	case gonvml.ERROR_TIMEOUT:
		return "timeout (NVML error 10)"
	case gonvml.ERROR_LIBRARY_NOT_FOUND:
		return "library not found (NVML error 12)"
	case gonvml.ERROR_FUNCTION_NOT_FOUND:
		return "function not found (NVML error 13)"
	case gonvml.ERROR_GPU_IS_LOST:
		return "GPU is lost (NVML error 15)"
	case gonvml.ERROR_RESET_REQUIRED:
		return "GPU needs a reset (NVML error 16)"
	case gonvml.ERROR_OPERATING_SYSTEM:
		return "denied by the operating system (NVML error 17)"
	case gonvml.ERROR_NOT_READY:
		return "not ready (NVML error 27)"
	case gonvml.ERROR_GPU_NOT_FOUND:
		return "GPU not found (NVML error 28)"
	default:
		return fmt.Sprintf("NVML error %d", int(ret))
	}
}
