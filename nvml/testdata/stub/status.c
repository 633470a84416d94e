/*
 * What is told by a call of its own: power, energy, temperature, clocks, fans and the like. Keys of a script beside those in
 * stub.h; after any of them "KEY.return CODE" is the code of its call, and "KEY -" the pattern for "not available":
 *
 *   gpu.N.clock.graphics, .sm, .memory, .video    MHz
 *   gpu.N.fan PERCENT                             a fan, a line each; there is none without
 *   gpu.N.performance_state                       0 to 15, 32 for unknown
 *   gpu.N.encoder, decoder, jpeg, ofa             percent
 *   gpu.N.pcie.generation, .width                 of the link as it is
 */
#include "stub.h"

enum { NOT_TOLD = -1 }; /* as a default: the call is not supported unless the script names the key */

enum { IDLE = 100000, FULL = 600000 }; /* mW, and mW more */

double power(int gpu) {
	double load = bursts_of(gpu) != NULL ? utilization(gpu) / 100 : gpu_number(gpu, "duty", 0);
	return gpu_number(gpu, "power", IDLE + FULL * load);
}

/* One number of a call: of the nth line of its key, or of the last one where nth is -1. */
static ret_t tell_line(device_t *device, const char *key, int nth, long long otherwise, ull *out) {
	char value[64];
	CALL(device->gpu, key);
	if (device->slot >= 0)
		return leave(device->gpu, NOT_SUPPORTED);
	if (!gpu_text(device->gpu, key, nth, value, sizeof value)) {
		*out = (ull)otherwise;
		return leave(device->gpu, otherwise == NOT_TOLD ? NOT_SUPPORTED : SUCCESS);
	}
	*out = strcmp(value, "-") == 0 ? ~0ull : strtoull(value, NULL, 10);
	return leave(device->gpu, SUCCESS);
}

static ret_t tell(device_t *device, const char *key, long long otherwise, uint *out) {
	ull value = 0;
	ret_t ret = tell_line(device, key, -1, otherwise, &value);
	*out = ret == SUCCESS ? (uint)value : 0xdead;
	return ret;
}

#ifndef NO_POWER
ret_t nvmlDeviceGetPowerUsage(device_t *device, uint *mw) {
	CALL(device->gpu, "power");
	if (device->slot >= 0)
		return leave(device->gpu, NOT_SUPPORTED);
	*mw = (uint)gpu_number(device->gpu, "power_average", power(device->gpu));
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_POWER_LIMIT
ret_t nvmlDeviceGetEnforcedPowerLimit(device_t *device, uint *mw) { return tell(device, "power_limit", 700000, mw); }
#endif

/* What has risen since a counter was first asked for in this life, by a rate per second; it stands still while that is 0. */
double risen(int gpu, int counter, double rate) {
	static double sum[MAX_GPUS][COUNTERS], seen[MAX_GPUS][COUNTERS]; /* these are guarded by the rule of one call per GPU */
	static int life[MAX_GPUS][COUNTERS];
	double now = rate != 0 ? monotonic() : 0;
	if (life[gpu][counter] != script_life)
		sum[gpu][counter] = seen[gpu][counter] = 0;
	life[gpu][counter] = script_life;
	if (rate != 0 && seen[gpu][counter] > 0)
		sum[gpu][counter] += rate * (now - seen[gpu][counter]);
	seen[gpu][counter] = now;
	return sum[gpu][counter];
}

ull energy(int gpu) {
	char unused[64];
	struct bursts *bursts = bursts_of(gpu);
	if (bursts != NULL) /* the same for every process that asks */
		return gpu_integer(gpu, "energy", 0) + (ull)(IDLE * now() + FULL * busy_in(bursts, now()));
	int duty = gpu_text(gpu, "duty", -1, unused, sizeof unused);
	return gpu_integer(gpu, "energy", 0) + (ull)risen(gpu, 0, duty ? power(gpu) : 0);
}

#ifndef NO_ENERGY
ret_t nvmlDeviceGetTotalEnergyConsumption(device_t *device, ull *mj) {
	CALL(device->gpu, "energy");
	if (device->slot >= 0)
		return leave(device->gpu, NOT_SUPPORTED);
	*mj = energy(device->gpu);
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_TEMPERATURE
ret_t nvmlDeviceGetTemperature(device_t *device, int sensor, uint *celsius) {
	if (sensor != 0)
		return INVALID_ARGUMENT;
	return tell(device, "temperature", 45, celsius);
}
#endif

#ifndef NO_TEMPERATURE_V
typedef struct { uint version; int sensor, celsius; } temperature_t;

/* The same number by another call, with a code of its own. */
ret_t nvmlDeviceGetTemperatureV(device_t *device, temperature_t *temperature) {
	CALL(device->gpu, "temperature_v");
	if (device->slot >= 0)
		return leave(device->gpu, NOT_SUPPORTED);
	if (temperature->version != (sizeof *temperature | 1u << 24))
		return leave(device->gpu, ARGUMENT_VERSION_MISMATCH);
	temperature->celsius = (int)gpu_integer(device->gpu, "temperature", 45);
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_STATUS
ret_t nvmlDeviceGetClockInfo(device_t *device, uint type, uint *mhz) {
	static const char *const keys[] = {"clock.graphics", "clock.sm", "clock.memory", "clock.video"};
	static const uint otherwise[] = {1980, 1980, 3201, 1545};
	return type < 4 ? tell(device, keys[type], otherwise[type], mhz) : INVALID_ARGUMENT;
}

ret_t nvmlDeviceGetPerformanceState(device_t *device, uint *state) { return tell(device, "performance_state", 0, state); }

/* Utilisation of an engine is not told with MIG on. */
static ret_t engine(device_t *device, const char *key, uint *percent, uint *period_us) {
	mig_t mig;
	*period_us = 167000;
	int on = mig_line(device->gpu, 0, &mig) || gpu_number(device->gpu, "mig_mode", 0) != 0;
	ret_t ret = tell(device, key, 0, percent);
	return on ? NOT_SUPPORTED : ret;
}

ret_t nvmlDeviceGetEncoderUtilization(device_t *device, uint *percent, uint *us) { return engine(device, "encoder", percent, us); }
ret_t nvmlDeviceGetDecoderUtilization(device_t *device, uint *percent, uint *us) { return engine(device, "decoder", percent, us); }
#ifndef NO_JPEG
ret_t nvmlDeviceGetJpgUtilization(device_t *device, uint *percent, uint *us) { return engine(device, "jpeg", percent, us); }
ret_t nvmlDeviceGetOfaUtilization(device_t *device, uint *percent, uint *us) { return engine(device, "ofa", percent, us); }
#endif

ret_t nvmlDeviceGetCurrPcieLinkGeneration(device_t *device, uint *n) { return tell(device, "pcie.generation", 5, n); }
ret_t nvmlDeviceGetCurrPcieLinkWidth(device_t *device, uint *n) { return tell(device, "pcie.width", 16, n); }

ret_t nvmlDeviceGetTotalEccErrors(device_t *device, int type, int counter, ull *n) {
	if (counter != 0)
		return INVALID_ARGUMENT;
	return tell_line(device, type == 0 ? "ecc.corrected" : "ecc.uncorrected", -1, 0, n);
}
#endif

#ifndef NO_FAN
ret_t nvmlDeviceGetFanSpeed(device_t *device, uint *percent) { return tell(device, "fan", NOT_TOLD, percent); }

#ifndef NO_FANS
ret_t nvmlDeviceGetNumFans(device_t *device, uint *n) {
	char unused[64];
	CALL(device->gpu, "fans");
	for (*n = 0; gpu_text(device->gpu, "fan", (int)*n, unused, sizeof unused);)
		++*n;
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlDeviceGetFanSpeed_v2(device_t *device, uint fan, uint *percent) {
	ull value = 0xdead;
	ret_t ret = tell_line(device, "fan", (int)fan, NOT_TOLD, &value);
	*percent = (uint)value;
	return ret;
}
#endif
#endif
