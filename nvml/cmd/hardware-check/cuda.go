//go:build cgo && linux

package main

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// CUDA's driver API as cuda.h declares it: handles are pointers, device pointers 64 bits, results ints with 0 for success.
struct cuda {
	int (*init)(unsigned int flags);
	int (*device)(int *device, const char *pci);
	int (*retain)(void **context, int device);
	int (*release)(int device);
	int (*current)(void *context);
	int (*alloc)(uint64_t *pointer, size_t bytes);
	int (*release_memory)(uint64_t pointer);
	int (*load)(void **module, const void *image);
	int (*function)(void **function, void *module, const char *name);
	int (*launch)(void *function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by, unsigned int bz,
	              unsigned int shared, void *stream, void **parameters, void **extra);
	int (*synchronize)(void);
	int device_number;
	void *context, *spin;
};

// cuda_find binds the functions. It returns NULL, or what is missing.
static const char *cuda_find(struct cuda *c, const char *library) {
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL)
		return dlerror();
	const struct { void **to; const char *name; } functions[] = {
		{(void **)&c->init, "cuInit"},
		{(void **)&c->device, "cuDeviceGetByPCIBusId"},
		{(void **)&c->retain, "cuDevicePrimaryCtxRetain"},
		{(void **)&c->release, "cuDevicePrimaryCtxRelease_v2"},
		{(void **)&c->current, "cuCtxSetCurrent"},
		{(void **)&c->alloc, "cuMemAlloc_v2"},
		{(void **)&c->release_memory, "cuMemFree_v2"},
		{(void **)&c->load, "cuModuleLoadData"},
		{(void **)&c->function, "cuModuleGetFunction"},
		{(void **)&c->launch, "cuLaunchKernel"},
		{(void **)&c->synchronize, "cuCtxSynchronize"},
	};
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
		if ((*functions[i].to = dlsym(lib, functions[i].name)) == NULL)
			return functions[i].name;
	return NULL;
}

// cuda_open takes the primary context of the GPU at a PCI address, for the calling thread.
static int cuda_open(struct cuda *c, const char *pci) {
	int ret = c->init(0);
	if (ret == 0)
		ret = c->device(&c->device_number, pci);
	if (ret == 0)
		ret = c->retain(&c->context, c->device_number);
	if (ret == 0)
		ret = c->current(c->context);
	return ret;
}

static int cuda_close(struct cuda *c) { return c->release(c->device_number); }

static int cuda_load(struct cuda *c, const char *ptx) {
	void *module = NULL;
	int ret = c->load(&module, ptx);
	return ret != 0 ? ret : c->function(&c->spin, module, "spin");
}

static int cuda_spin(struct cuda *c, uint64_t ns) {
	void *parameters[] = {&ns};
	int ret = c->launch(c->spin, 1, 1, 1, 1, 1, 1, 0, NULL, parameters, NULL);
	return ret != 0 ? ret : c->synchronize();
}

static int cuda_alloc(struct cuda *c, uint64_t *pointer, size_t bytes) { return c->alloc(pointer, bytes); }
static int cuda_free(struct cuda *c, uint64_t pointer) { return c->release_memory(pointer); }
*/
import "C"

import (
	"fmt"
	"strings"
	"time"
	"unsafe"
)

// ptx is a kernel of one thread that spins for so many nanoseconds by the GPU's own clock. TARGET is the oldest architecture it is
// for; the driver compiles it for the GPU that is there.
const ptx = `.version 6.0
.target TARGET
.address_size 64
.visible .entry spin(.param .u64 ns)
{
	.reg .u64 %limit, %start, %now;
	.reg .pred %early;
	ld.param.u64 %limit, [ns];
	mov.u64 %start, %globaltimer;
again:
	mov.u64 %now, %globaltimer;
	sub.u64 %now, %now, %start;
	setp.lt.u64 %early, %now, %limit;
	@%early bra again;
	ret;
}
`

// cuda is one GPU by CUDA's driver library. All its methods belong on one thread: a guard's.
type cuda struct{ c C.struct_cuda }

// open finds the library and the GPU at a PCI address such as 0000:1a:00.0.
func (d *cuda) open(library, pci string) error {
	name, address := C.CString(library), C.CString(pci)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(address))
	if missing := C.cuda_find(&d.c, name); missing != nil {
		return fmt.Errorf("open %q: %s", library, C.GoString(missing))
	}
	if err := result("open GPU "+pci, C.cuda_open(&d.c, address)); err != nil {
		return err
	}
	var err error
	for _, target := range []string{"sm_50", "sm_75", "sm_90"} {
		image := C.CString(strings.Replace(ptx, "TARGET", target, 1))
		err = result("load kernel for "+target, C.cuda_load(&d.c, image))
		C.free(unsafe.Pointer(image))
		if err == nil {
			return nil
		}
	}
	d.close()
	return err
}

func (d *cuda) close() { C.cuda_close(&d.c) }

// spin runs a kernel for a time and waits for its end.
func (d *cuda) spin(length time.Duration) error {
	return result("run kernel", C.cuda_spin(&d.c, C.uint64_t(length)))
}

func (d *cuda) alloc(bytes uint64) (uint64, error) {
	var pointer C.uint64_t
	err := result("allocate memory", C.cuda_alloc(&d.c, &pointer, C.size_t(bytes)))
	return uint64(pointer), err
}

func (d *cuda) free(pointer uint64) error {
	return result("free memory", C.cuda_free(&d.c, C.uint64_t(pointer)))
}

func result(doing string, ret C.int) error {
	if ret == 0 {
		return nil
	}
	return fmt.Errorf("%s: CUDA error %d", doing, int(ret))
}
