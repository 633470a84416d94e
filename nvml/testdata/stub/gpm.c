/* Hardware counters of Hopper and later: a sample holds integrals, and a metric is the difference of two. */
#include "stub.h"

atomic_int gpm_samples;

#ifndef NO_GPM
enum { METRICS = 128, MAGIC = 0x47504d };
typedef struct { int magic, gpu, gi; double at, integrals[METRICS]; } sample_t;
typedef struct { uint id, ret; double value; char *names[3]; } metric_t;
typedef struct { uint version, n; sample_t *first, *second; metric_t metrics[]; } get_t;
typedef struct { uint version, supported; } support_t;

/* What a metric is while the load is full: percent, and MiB/s of PCIe and NVLink. */
static double full(uint metric) {
	switch (metric) {
	case 1: return 100;
	case 2: return 80;
	case 3: return 50;
	case 5: return 40;
	case 10: return 30;
	case 12: return 10;
	case 13: return 5;
	case 20: return 1000;
	case 21: return 2000;
	case 60: return 3000;
	case 61: return 4000;
	default: return 0;
	}
}

ret_t nvmlGpmQueryDeviceSupport(device_t *device, support_t *support) {
	CALL_ON(device, "gpm_support");
	if (support->version != 1)
		return leave(device->gpu, ARGUMENT_VERSION_MISMATCH);
	support->supported = gpu_number(device->gpu, "gpm", 1) != 0;
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlGpmSampleAlloc(sample_t **sample) {
	*sample = calloc(1, sizeof **sample);
	(*sample)->magic = MAGIC;
	gpm_samples++;
	return SUCCESS;
}

ret_t nvmlGpmSampleFree(sample_t *sample) {
	if (sample == NULL || sample->magic != MAGIC) {
		fprintf(stderr, "stub: a sample is freed that is none\n");
		abort();
	}
	sample->magic = 0;
	gpm_samples--;
	free(sample);
	return SUCCESS;
}

static void take(int gpu, int gi, sample_t *sample) {
	char prefix[32] = "", key[64];
	if (gi >= 0)
		snprintf(prefix, sizeof prefix, "gi.%d.", gi);
	sample->gpu = gpu;
	sample->gi = gi;
	sample->at = now();
	double worked = busy(load_of(gpu, prefix), sample->at);
	for (uint m = 1; m < METRICS; m++) {
		if (full(m) == 0 && m > 13)
			continue;
		snprintf(key, sizeof key, "%sgpm.%u", prefix, m);
		double mean = gpu_number(gpu, key, -1);
		sample->integrals[m] = mean >= 0 ? mean * sample->at : full(m) * worked;
	}
}

ret_t nvmlGpmSampleGet(device_t *device, sample_t *sample) {
	CALL_ON(device, "gpm_sample");
	mig_t mig;
	int gi = device->slot >= 0 && mig_slot(device->gpu, device->slot, &mig) ? mig.gi : -1;
	if (gpu_number(device->gpu, "gpm", 1) == 0)
		return leave(device->gpu, NOT_SUPPORTED);
	take(device->gpu, gi, sample);
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlGpmMigSampleGet(device_t *device, uint gi, sample_t *sample) {
	CALL_ON(device, "gpm_sample");
	if (gpu_number(device->gpu, "gpm", 1) == 0 || device->slot >= 0)
		return leave(device->gpu, NOT_SUPPORTED);
	if (!mig_instance(device->gpu, gi))
		return leave(device->gpu, INVALID_ARGUMENT);
	take(device->gpu, (int)gi, sample);
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlGpmMetricsGet(get_t *get) {
	sample_t *a = get->first, *b = get->second;
	if (get->version != 1)
		return ARGUMENT_VERSION_MISMATCH;
	if (a->magic != MAGIC || b->magic != MAGIC || a->gpu != b->gpu || a->gi != b->gi)
		return INVALID_ARGUMENT;
	CALL(b->gpu, "gpm_metrics");
	if (b->at <= a->at)
		return leave(b->gpu, UNKNOWN);
	for (uint i = 0; i < get->n; i++) {
		metric_t *m = &get->metrics[i];
		char key[64];
		snprintf(key, sizeof key, "gpm.%u.return", m->id);
		m->ret = m->id >= METRICS ? NOT_SUPPORTED : (uint)gpu_number(b->gpu, key, SUCCESS);
		double rise = m->id < METRICS ? b->integrals[m->id] - a->integrals[m->id] : 0;
		if (rise < 0 && rise > -1e-6)
			rise = 0; /* doubles count worse than hardware */
		if (m->ret == SUCCESS)
			m->value = rise / (b->at - a->at);
	}
	return leave(b->gpu, SUCCESS);
}
#endif
