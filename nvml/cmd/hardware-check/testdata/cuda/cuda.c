/*
 * A libcuda.so.1 for tests. What is done with it shows in NVML's stub library beside it: it adds lines to the script that the
 * environment variable GPUSIGNAL_STUB_SCRIPT names. Memory taken is used, and while a kernel runs utilisation is 100.
 * CUDA_STUB_LATE_MS is how much later that shows, CUDA_STUB_HANG makes kernels run for ever.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char base[1 << 16];
static int gpu;
static unsigned long long used;
static uint64_t kernel_ns;

static void nap(double ms) {
	struct timespec t = {(time_t)(ms / 1e3), (long)(1e6 * ms) % 1000000000l};
	nanosleep(&t, NULL);
}

static double setting(const char *name) {
	const char *value = getenv(name);
	return value == NULL ? 0 : atof(value);
}

static void show(int utilization) {
	const char *path = getenv("GPUSIGNAL_STUB_SCRIPT");
	char next[4096];
	snprintf(next, sizeof next, "%s.cuda", path);
	FILE *f = fopen(next, "w");
	fprintf(f, "%s\ngpu.%d.memory.used %llu\ngpu.%d.utilization %d\n", base, gpu, used, gpu, utilization);
	fclose(f);
	rename(next, path);
}

int cuInit(unsigned flags) {
	FILE *f = fopen(getenv("GPUSIGNAL_STUB_SCRIPT"), "r");
	base[fread(base, 1, sizeof base - 1, f)] = 0;
	fclose(f);
	return (int)flags;
}

/* NVML's stub puts GPU n at bus 1a + 10 n. */
int cuDeviceGetByPCIBusId(int *device, const char *pci) {
	unsigned bus;
	if (sscanf(pci, "%*x:%x:%*x.0", &bus) != 1)
		return 101;
	*device = gpu = (int)(bus - 0x1a) / 0x10;
	return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
	static int it;
	*context = &it;
	return device == gpu ? 0 : 201;
}

int cuDevicePrimaryCtxRelease_v2(int device) { return device == gpu ? 0 : 201; }

static __thread void *current;

int cuCtxSetCurrent(void *context) {
	current = context;
	return 0;
}

int cuMemAlloc_v2(uint64_t *pointer, size_t bytes) {
	if (current == NULL)
		return 201;
	*pointer = bytes;
	used += bytes;
	show(0);
	return 0;
}

int cuMemFree_v2(uint64_t pointer) {
	used -= pointer;
	show(0);
	return 0;
}

int cuModuleLoadData(void **module, const void *image) {
	*module = (void *)image;
	return strstr(image, ".target sm_75") != NULL ? 0 : 218; /* a driver that knows no older target */
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
	*function = module;
	return strcmp(name, "spin") == 0 ? 0 : 500;
}

int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   void *stream, void **parameters, void **extra) {
	if (current == NULL || function == NULL || gx * gy * gz * bx * by * bz != 1 || shared != 0 || stream != NULL || extra != NULL)
		return 1;
	kernel_ns = *(uint64_t *)parameters[0];
	return 0;
}

int cuCtxSynchronize(void) {
	double late = setting("CUDA_STUB_LATE_MS");
	if (setting("CUDA_STUB_HANG") > 0)
		pause();
	nap(late);
	show(100);
	nap((double)kernel_ns / 1e6 - late);
	show(0);
	return 0;
}
