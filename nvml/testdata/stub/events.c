/* Events: each line of the script once. */
#include "stub.h"

#ifndef NO_EVENTS
enum { LINES = 8, TYPES = 0x1 | 0x2 | 0x4 | 0x8 | 0x80 | 0x100 };
typedef struct { int freed; ull registered[MAX_GPUS]; char told[MAX_GPUS][LINES + 1][64]; } set_t;
typedef struct { device_t *device; ull type, data; uint gi, ci; } event_t;

ret_t nvmlEventSetCreate(set_t **set) {
	if (!initialised)
		return UNINITIALIZED;
	*set = calloc(1, sizeof **set);
	return SUCCESS;
}

/* What is freed stays in memory, to be seen when it is used again. */
ret_t nvmlEventSetFree(set_t *set) {
	set->freed = 1;
	return SUCCESS;
}

static void in_use(set_t *set) {
	if (set->freed) {
		fprintf(stderr, "stub: a set of events is used after it was freed\n");
		abort();
	}
}

#ifndef NO_EVENT_TYPES
ret_t nvmlDeviceGetSupportedEventTypes(device_t *device, ull *types) {
	CALL_ON(device, "event_types");
	*types = gpu_integer(device->gpu, "event_types", TYPES);
	return leave(device->gpu, SUCCESS);
}
#endif

ret_t nvmlDeviceRegisterEvents(device_t *device, ull types, set_t *set) {
	CALL_ON(device, "events");
	in_use(set);
	ull can = gpu_integer(device->gpu, "event_types.registered", gpu_integer(device->gpu, "event_types", TYPES));
	if (device->slot >= 0 || (types & ~can) != 0)
		return leave(device->gpu, NOT_SUPPORTED);
	set->registered[device->gpu] |= types;
	return leave(device->gpu, SUCCESS);
}

/* Whether a line of a GPU is there, and was not told before. */
static int fresh(set_t *set, int gpu, const char *key, int nth, char *told, char *value) {
	if (!gpu_text(gpu, key, nth, value, 64) || strcmp(value, told) == 0)
		return 0;
	memcpy(told, value, 64);
	return 1;
}

static int next(set_t *set, event_t *event) {
	for (int gpu = 0; gpu < count(); gpu++) {
		char value[64] = "";
		if ((set->registered[gpu] & 8) != 0 && fresh(set, gpu, "xid", -1, set->told[gpu][LINES], value)) {
			*event = (event_t){handle_of(gpu, -1, ""), 8, strtoull(value, NULL, 10), 0xFFFFFFFF, 0xFFFFFFFF};
			return 1;
		}
		for (int i = 0; i < LINES; i++) {
			if (!fresh(set, gpu, "event", i, set->told[gpu][i], value))
				continue;
			ull type = strtoull(value, NULL, 10);
			if ((set->registered[gpu] & type) == 0)
				continue;
			*event = (event_t){handle_of(gpu, -1, ""), type, 0, 0xFFFFFFFF, 0xFFFFFFFF};
			return 1;
		}
	}
	return 0;
}

static ret_t wait(set_t *set, event_t *event, uint timeout_ms) {
	double start = monotonic();
	nap("wait.sleep_ms", "wait.notify");
	for (;;) {
		in_use(set);
		ret_t ret = (ret_t)number("wait.return", SUCCESS);
		for (int gpu = 0; gpu < count() && ret == SUCCESS; gpu++)
			if (set->registered[gpu] != 0)
				ret = (ret_t)gpu_number(gpu, "wait.return", SUCCESS);
		if (ret != SUCCESS)
			return ret;
		if (next(set, event))
			return SUCCESS;
		if (1e3 * (monotonic() - start) >= timeout_ms)
			return TIMEOUT;
		doze();
	}
}

#ifndef NO_EVENT_WAIT_V2
ret_t nvmlEventSetWait_v2(set_t *set, event_t *event, uint timeout_ms) { return wait(set, event, timeout_ms); }
#endif
ret_t nvmlEventSetWait(set_t *set, event_t *event, uint timeout_ms) { return wait(set, event, timeout_ms); }
#endif
