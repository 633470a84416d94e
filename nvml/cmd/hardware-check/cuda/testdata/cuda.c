/*
 * A libcuda.so.1 for tests. What is done with it shows in NVML's stub library beside it, by the script that the environment
 * variable GPUSIGNAL_STUB_SCRIPT names. Where that names a file of bursts of the GPU, each spin of a kernel adds a line to it, so
 * that several processes can use one GPU; else lines of the script say that memory taken is used, and that utilisation is 100
 * while a kernel runs. Kernels other than spin take a time of their own and show nowhere. CUDA_STUB_LATE_MS is how much later use
 * shows by the script, CUDA_STUB_HANG makes kernels run for ever, CUDA_STUB_NO_KERNEL names one that does not load.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SPIN = 1, OTHER = 2 };

/* When a stream, or the whole GPU, is done; an event is the time of its stream when it was recorded. Seconds of the machine. */
typedef struct { double end; } stream_t;
typedef struct { double at; } event_t;

static char base[1 << 16], bursts[1024];
static int gpu;
static unsigned long long used;
static uint64_t kernel_ns;
static stream_t standard, *streams[64];
static int stream_count;

static double clock_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Sleeps until a time, though signals may come meanwhile. */
static void nap_until(double end) {
	for (double rest; (rest = end - clock_now()) > 0;) {
		struct timespec t = {(time_t)rest, (long)(1e9 * (rest - (double)(time_t)rest)) + 1};
		nanosleep(&t, NULL);
	}
}

static double setting(const char *name) {
	const char *value = getenv(name);
	return value == NULL ? 0 : atof(value);
}

static void show(int utilization) {
	if (bursts[0] != 0)
		return;
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
	char key[64];
	snprintf(key, sizeof key, "gpu.%d.bursts ", gpu);
	const char *line = strstr(base, key);
	if (line != NULL)
		sscanf(line + strlen(key), "%1023[^\n]", bursts);
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

int cuMemsetD32_v2(uint64_t pointer, unsigned value, size_t n) { return current == NULL ? 201 : pointer < 4 * n || value == 0; }

int cuModuleLoadDataEx(void **module, const void *image, unsigned n, int *options, void **values) {
	*module = (void *)image;
	const char *missing = getenv("CUDA_STUB_NO_KERNEL");
	if (strstr(image, ".target sm_75") != NULL && (missing == NULL || strstr(image, missing) == NULL))
		return 0;
	if (n == 2 && options[0] == 5 && options[1] == 6) /* the log of errors, and its size */
		snprintf(values[0], (size_t)values[1], "this driver knows no such target");
	return 218; /* a driver that knows no older target */
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
	static int kinds[] = {0, SPIN, OTHER};
	char entry[64];
	snprintf(entry, sizeof entry, ".entry %s(", name);
	*function = &kinds[strcmp(name, "spin") == 0 ? SPIN : OTHER];
	return strstr(module, entry) != NULL ? 0 : 500;
}

static stream_t *of(void *stream) { return stream == NULL ? &standard : stream; }

static double later(double a, double b) { return a > b ? a : b; }

/* The kernel takes its place behind what the stream holds. The file is opened first, so that a reader sees the line with the kernel. */
static void place(stream_t *s, int shown) {
	FILE *f = shown ? fopen(bursts, "a") : NULL;
	double from = later(clock_now(), s->end);
	s->end = from + 1e-9 * (double)kernel_ns;
	if (f != NULL) {
		fprintf(f, "%.6f %.6f %d\n", from, s->end, (int)getpid());
		fclose(f);
	}
}

int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   void *stream, void **parameters, void **extra) {
	int kind = *(int *)function;
	if (current == NULL || gx * gy * gz == 0 || bx * by * bz == 0 || bx * by * bz > 1024 || shared != 0 || extra != NULL ||
	    (kind == SPIN && gx * gy * gz * bx * by * bz != 1))
		return 1;
	kernel_ns = kind == SPIN ? *(uint64_t *)parameters[0] : 20000;
	place(of(stream), kind == SPIN && bursts[0] != 0);
	return 0;
}

int cuCtxSynchronize(void) {
	double late = 1e-3 * setting("CUDA_STUB_LATE_MS"), end = standard.end;
	if (setting("CUDA_STUB_HANG") > 0)
		pause();
	for (int i = 0; i < stream_count; i++)
		end = later(end, streams[i]->end);
	if (end <= clock_now())
		return 0;
	nap_until(clock_now() + late);
	show(100);
	nap_until(end);
	show(0);
	return 0;
}

int cuStreamCreate(void **stream, unsigned flags) {
	if (current == NULL || flags != 1 || stream_count == 64)
		return 1;
	*stream = streams[stream_count++] = calloc(1, sizeof(stream_t));
	return 0;
}

int cuStreamSynchronize(void *stream) {
	if (setting("CUDA_STUB_HANG") > 0)
		pause();
	nap_until(of(stream)->end);
	return 0;
}

int cuEventCreate(void **event, unsigned flags) {
	*event = calloc(1, sizeof(event_t));
	return current == NULL || flags != 0;
}

int cuEventRecord(void *event, void *stream) {
	((event_t *)event)->at = later(clock_now(), of(stream)->end);
	return 0;
}

int cuEventElapsedTime(float *ms, void *from, void *to) {
	*ms = (float)(1e3 * (((event_t *)to)->at - ((event_t *)from)->at));
	return ((event_t *)to)->at > clock_now() ? 600 : 0; /* not ready */
}

int cuEventDestroy_v2(void *event) {
	free(event);
	return 0;
}
