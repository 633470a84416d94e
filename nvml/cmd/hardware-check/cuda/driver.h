/* CUDA's driver API as cuda.h declares it: handles are pointers, device pointers 64 bits, results ints with 0 for success. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct cuda {
	int (*init)(unsigned flags);
	int (*device)(int *device, const char *pci);
	int (*retain)(void **context, int device);
	int (*release)(int device);
	int (*current)(void *context);
	int (*alloc)(uint64_t *pointer, size_t bytes);
	int (*release_memory)(uint64_t pointer);
	int (*set)(uint64_t pointer, unsigned value, size_t n);
	int (*load)(void **module, const void *image, unsigned n, int *options, void **values);
	int (*function)(void **function, void *module, const char *name);
	int (*launch)(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
	              unsigned shared, void *stream, void **parameters, void **extra);
	int (*synchronize)(void);
	int (*stream)(void **stream, unsigned flags);
	int (*stream_synchronize)(void *stream);
	int (*event)(void **event, unsigned flags);
	int (*record)(void *event, void *stream);
	int (*elapsed)(float *ms, void *from, void *to);
	int (*release_event)(void *event);
	int device_number;
	void *context;
};

/* cuda_find binds the functions. It returns NULL, or what is missing. */
static inline const char *cuda_find(struct cuda *c, const char *library) {
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
		{(void **)&c->set, "cuMemsetD32_v2"},
		{(void **)&c->load, "cuModuleLoadDataEx"},
		{(void **)&c->function, "cuModuleGetFunction"},
		{(void **)&c->launch, "cuLaunchKernel"},
		{(void **)&c->synchronize, "cuCtxSynchronize"},
		{(void **)&c->stream, "cuStreamCreate"},
		{(void **)&c->stream_synchronize, "cuStreamSynchronize"},
		{(void **)&c->event, "cuEventCreate"},
		{(void **)&c->record, "cuEventRecord"},
		{(void **)&c->elapsed, "cuEventElapsedTime"},
		{(void **)&c->release_event, "cuEventDestroy_v2"},
	};
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
		if ((*functions[i].to = dlsym(lib, functions[i].name)) == NULL)
			return functions[i].name;
	return NULL;
}

/* cuda_open takes the primary context of the GPU at a PCI address, for the calling thread. */
static inline int cuda_open(struct cuda *c, const char *pci) {
	int ret = c->init(0);
	if (ret == 0)
		ret = c->device(&c->device_number, pci);
	if (ret == 0)
		ret = c->retain(&c->context, c->device_number);
	if (ret == 0)
		ret = c->current(c->context);
	return ret;
}

/* cuda_load compiles a kernel; what the compiler says of a fault is put in log. */
static inline int cuda_load(struct cuda *c, const char *ptx, const char *name, void **kernel, char *log, size_t size) {
	void *module = NULL;
	int options[] = {5, 6}; /* CU_JIT_ERROR_LOG_BUFFER and its size */
	void *values[] = {log, (void *)size};
	int ret = c->load(&module, ptx, 2, options, values);
	return ret != 0 ? ret : c->function(kernel, module, name);
}

static inline int cuda_spin(struct cuda *c, void *kernel, void *stream, uint64_t ns) {
	void *parameters[] = {&ns};
	return c->launch(kernel, 1, 1, 1, 1, 1, 1, 0, stream, parameters, NULL);
}

/* cuda_matrix multiplies two matrices so many times. */
static inline int cuda_matrix(struct cuda *c, void *kernel, uint64_t left, uint64_t right, uint64_t out, unsigned size, int times) {
	void *parameters[] = {&left, &right, &out, &size};
	int ret = 0;
	for (int i = 0; i < times && ret == 0; i++)
		ret = c->launch(kernel, size / 16, size / 16, 1, 16, 16, 1, 0, NULL, parameters, NULL);
	return ret;
}

/* cuda_decode goes through the layers, each so many kernels that read weights of their own: blocks of 256 threads, rows floats each. */
static inline int cuda_decode(struct cuda *c, void *kernel, uint64_t weights, uint64_t out, unsigned blocks, unsigned rows, int kernels) {
	unsigned stride = blocks * 256;
	void *parameters[] = {&weights, &out, &stride, &rows};
	int ret = 0;
	for (int i = 0; i < kernels && ret == 0; i++) {
		ret = c->launch(kernel, blocks, 1, 1, 256, 1, 1, 0, NULL, parameters, NULL);
		weights += 4ull * stride * rows;
	}
	return ret;
}

/* cgo cannot call through pointers. */
static inline int cuda_close(struct cuda *c) { return c->release(c->device_number); }
static inline int cuda_alloc(struct cuda *c, uint64_t *pointer, size_t bytes) { return c->alloc(pointer, bytes); }
static inline int cuda_free(struct cuda *c, uint64_t pointer) { return c->release_memory(pointer); }
static inline int cuda_ones(struct cuda *c, uint64_t pointer, size_t bytes) { return c->set(pointer, 0x3f800000, bytes / 4); }
static inline int cuda_synchronize(struct cuda *c) { return c->synchronize(); }
static inline int cuda_stream(struct cuda *c, void **stream) { return c->stream(stream, 1); /* CU_STREAM_NON_BLOCKING */ }
static inline int cuda_stream_synchronize(struct cuda *c, void *stream) { return c->stream_synchronize(stream); }
static inline int cuda_event(struct cuda *c, void **event) { return c->event(event, 0); }
static inline int cuda_record(struct cuda *c, void *event, void *stream) { return c->record(event, stream); }
static inline int cuda_elapsed(struct cuda *c, float *ms, void *from, void *to) { return c->elapsed(ms, from, to); }
static inline int cuda_release_event(struct cuda *c, void *event) { return c->release_event(event); }
