//go:build cgo && linux

package cuda

/*
#cgo LDFLAGS: -ldl
#include "driver.h"
*/
import "C"

import (
	"embed"
	"fmt"
	"strings"
	"time"
	"unsafe"
)

// kernels are PTX; in each TARGET stands for the oldest architecture that it is compiled for, and VERSION for the PTX that knows it.
//
//go:embed kernels/*.ptx
var kernels embed.FS

// Device is one GPU by CUDA's driver library. All its methods belong on the thread that opened it.
type Device struct {
	c    C.struct_cuda
	spin unsafe.Pointer
}

// Open finds the library, and the GPU at a PCI address such as 0000:1a:00.0.
func Open(library, pci string) (*Device, error) {
	name, address := C.CString(library), C.CString(pci)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(address))
	d := &Device{}
	if missing := C.cuda_find(&d.c, name); missing != nil {
		return nil, fmt.Errorf("open %q: %s", library, C.GoString(missing))
	}
	if err := result("open GPU "+pci, C.cuda_open(&d.c, address)); err != nil {
		return nil, err
	}
	var err error
	if d.spin, err = d.kernel("spin"); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// kernel has the driver compile a kernel.
func (d *Device) kernel(name string) (unsafe.Pointer, error) {
	ptx, err := kernels.ReadFile("kernels/" + name + ".ptx")
	if err != nil {
		return nil, fmt.Errorf("find kernel %q: %w", name, err)
	}
	entry := C.CString(name)
	defer C.free(unsafe.Pointer(entry))
	const size = 4096
	log := (*C.char)(C.calloc(1, size))
	defer C.free(unsafe.Pointer(log))
	for _, t := range targets() {
		image := C.CString(t.of(string(ptx)))
		var kernel unsafe.Pointer
		err = result("load kernel "+name+" for "+t.architecture, C.cuda_load(&d.c, image, entry, &kernel, log, size-1))
		C.free(unsafe.Pointer(image))
		if err == nil {
			return kernel, nil
		}
	}
	return nil, fmt.Errorf("%w %s", err, strings.TrimSpace(C.GoString(log)))
}

// A target of compilation, and the first version of PTX that has it (PTX ISA, release notes).
type target struct{ architecture, version string }

// targets from the oldest on: a driver drops old ones in time.
func targets() []target { return []target{{"sm_50", "6.0"}, {"sm_75", "6.3"}, {"sm_90", "7.8"}} }

// of puts a target into a kernel.
func (t target) of(ptx string) string {
	return strings.NewReplacer("TARGET", t.architecture, "VERSION", t.version).Replace(ptx)
}

// Close lets the GPU go.
func (d *Device) Close() { C.cuda_close(&d.c) }

// Spin runs a kernel for a time and waits for its end.
func (d *Device) Spin(length time.Duration) error {
	if err := d.SpinOn(Stream{}, length); err != nil {
		return err
	}
	return d.Synchronize()
}

// Synchronize waits until all that was started has ended.
func (d *Device) Synchronize() error { return result("run kernel", C.cuda_synchronize(&d.c)) }

// Alloc takes device memory.
func (d *Device) Alloc(bytes uint64) (uint64, error) {
	var pointer C.uint64_t
	err := result("allocate memory", C.cuda_alloc(&d.c, &pointer, C.size_t(bytes)))
	return uint64(pointer), err
}

// Free gives memory back.
func (d *Device) Free(pointer uint64) error {
	return result("free memory", C.cuda_free(&d.c, C.uint64_t(pointer)))
}

func result(doing string, ret C.int) error {
	if ret == 0 {
		return nil
	}
	return fmt.Errorf("%s: CUDA error %d", doing, int(ret))
}
