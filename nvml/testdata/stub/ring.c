/* The driver's ring of utilisation samples: one for each period of its own, the mean of that period. */
#include "stub.h"
#include <time.h>

typedef struct { ull stamp; union { double d; uint u; ull ull; } value; } sample_t;

double epoch(int gpu) {
	char clock[16];
	if (gpu_text(gpu, "ring.clock", -1, clock, sizeof clock) && strcmp(clock, "boot") == 0)
		return 0;
	if (number("clock", -1) >= 0)
		return 1.7e9;
	static double offset; /* several threads may work it out, and come to the same */
	if (offset == 0) {
		struct timespec t;
		clock_gettime(CLOCK_REALTIME, &t);
		offset = (double)t.tv_sec - monotonic();
	}
	return offset;
}

#ifndef NO_SAMPLES
static int put(sample_t *out, int n, int room, ull stamp, uint value, ull last) {
	if (stamp <= last || n >= room)
		return n;
	out[n] = (sample_t){.stamp = stamp, .value.u = value};
	return n + 1;
}

/* Fills the newest first, as many as there is room for, and turns them round. */
static int fill(int gpu, ull last, sample_t *out, int room) {
	load_t load = load_of(gpu, "");
	char idle[16];
	int leaves = gpu_text(gpu, "ring.idle", -1, idle, sizeof idle), length = (int)gpu_number(gpu, "ring.length", 72), n = 0;
	double w = window(gpu), from = gpu_number(gpu, "ring.from", 0), base = epoch(gpu), shift = gpu_number(gpu, "ring.shift_us", 0);
	int garbage = gpu_number(gpu, "ring.garbage", 0) != 0;
	long long k = (long long)(now() / w + 1e-9);
	for (int back = 0, held = 0; held < length && back < 4096 && k > 0 && w * (double)(k - 1) >= from; back++, k--) {
		uint value = (uint)(100 * (busy(load, w * (double)k) - busy(load, w * (double)(k - 1))) / w + 0.5);
		if (leaves && value == 0)
			continue;
		held++;
		ull stamp = (ull)(1e6 * base + shift + 1e6 * w * (double)k + 0.5);
		n = put(out, n, room, stamp, value, last);
		if (garbage && held % 5 == 1) {
			n = put(out, n, room, stamp, value, last); /* a repeat */
			n = put(out, n, room, stamp - 7, held % 2 ? 101 : 0xFFFFFFFF, last);
			if (n < room)
				out[n++] = (sample_t){.stamp = 0, .value.u = 100};
		}
	}
	for (int i = 0; !garbage && i < n / 2; i++) {
		sample_t swap = out[i];
		out[i] = out[n - 1 - i];
		out[n - 1 - i] = swap;
	}
	return n;
}

ret_t nvmlDeviceGetSamples(device_t *device, int type, ull last, int *value_type, uint *n, sample_t *out) {
	CALL_ON(device, "samples");
	if (type != 1 || device->slot >= 0 || mig_on(device->gpu))
		return leave(device->gpu, NOT_SUPPORTED);
	*value_type = 1; /* unsigned int */
	if (out == NULL) {
		*n = 2 * (uint)gpu_number(device->gpu, "ring.length", 72);
		return leave(device->gpu, SUCCESS);
	}
	*n = (uint)fill(device->gpu, last, out, (int)*n);
	return leave(device->gpu, *n == 0 ? NOT_FOUND : SUCCESS);
}
#endif
