/*
 * The batch of fields, by the ids, types and units of nvml.h. Keys of a script beside those in stub.h; after any of them
 * "KEY.rate N" lets it rise by N each second, "KEY.return CODE" is its code, "KEY -" the pattern for "not available", and where
 * there is no line at all it is 0, or not supported where that is said:
 *
 *   gpu.N.throttle.power, .thermal, .sync_boost, .board_limit, .low_utilization, .reliability, .application_clocks,
 *       .base_clocks, .sw_thermal, .hw_thermal, .power_brake      ns
 *   gpu.N.pcie.tx, .rx                     bytes, told modulo 2^32
 *   gpu.N.pcie.replays
 *   gpu.N.nvlink.tx, .rx                   KiB of all links
 *   gpu.N.nvlink5.tx, .rx                  bytes of all links; not supported
 *   gpu.N.ecc.corrected, .uncorrected
 *   gpu.N.remapped.correctable, .uncorrectable, .pending, .failed
 *   gpu.N.retired.single_bit, .double_bit, .pending      not supported
 *   gpu.N.field.ID.return CODE             code of one field alone
 *   gpu.N.field.ID.type TYPE               value type of a field
 *   gpu.N.field.ID.skip 1                  leaves a field as it was
 *
 * A driver of before 580.82 has the ids 251 to 273 in another order, and an older one knows none above its own.
 */
#include "stub.h"

#ifndef NO_FIELDS
typedef struct {
	uint id, scope;
	long long timestamp, latency;
	uint type, ret;
	union { double d; uint u; ull ull; unsigned short us; } value;
} field_t;

enum { DOUBLE = 0, UINT = 1, ULONG = 2, ULL = 3, SLL = 4, SINT = 5, USHORT = 6 };
enum { TOLD, ABSENT, SMOOTHING }; /* SMOOTHING: a field of power smoothing, which nobody here asks for on purpose */

typedef struct { uint id; const char *key; uint type; ull otherwise; int kind; } entry_t;

static const entry_t entries[COUNTERS] = {
	{83, "energy", ULL},
	{186, "power_instant", UINT},
	{82, "memory_temperature", UINT, 50},
	{74, "throttle.power", ULL},
	{75, "throttle.thermal", ULL},
	{76, "throttle.sync_boost", ULL},
	{77, "throttle.board_limit", ULL},
	{78, "throttle.low_utilization", ULL},
	{79, "throttle.reliability", ULL},
	{80, "throttle.application_clocks", ULL},
	{81, "throttle.base_clocks", ULL},
	{269, "throttle.sw_thermal", ULL},
	{270, "throttle.hw_thermal", ULL},
	{271, "throttle.power_brake", ULL},
	{251, "smoothing", UINT, 42, SMOOTHING},
	{252, "smoothing", UINT, 42, SMOOTHING},
	{253, "smoothing", UINT, 42, SMOOTHING},
	{94, "pcie.replays", UINT},
	{197, "pcie.tx", UINT},
	{198, "pcie.rx", UINT},
	{138, "nvlink.tx", ULL},
	{139, "nvlink.rx", ULL},
	{202, "nvlink5.tx", ULL, 0, ABSENT},
	{204, "nvlink5.rx", ULL, 0, ABSENT},
	{3, "ecc.corrected", ULL},
	{4, "ecc.uncorrected", ULL},
	{29, "retired.single_bit", ULL, 0, ABSENT},
	{30, "retired.double_bit", ULL, 0, ABSENT},
	{31, "retired.pending", UINT, 0, ABSENT},
	{142, "remapped.correctable", UINT},
	{143, "remapped.uncorrectable", UINT},
	{144, "remapped.pending", UINT},
	{145, "remapped.failed", UINT},
};

/* The id that a field of this driver has in the order of today, and 0 where it has none. */
static uint today(uint id) {
	char version[64];
	int major, minor;
	if (!lookup("driver", -1, version, sizeof version))
		snprintf(version, sizeof version, DRIVER);
	sscanf(version, "%d.%d", &major, &minor);
	int reordered = major > 580 || (major == 580 && minor >= 82);
	uint end = major < 500 ? 164 : major < 570 ? 200 : reordered ? 308 : 274;
	if (id >= end)
		return 0;
	if (reordered)
		return id;
	return id >= 251 && id <= 253 ? id + 18 : id >= 269 && id <= 271 ? id - 18 : id;
}

static ull value_of(int gpu, int counter, const entry_t *entry) {
	char key[64], text[64];
	if (entry->id == 83)
		return energy(gpu);
	if (entry->id == 186)
		return (ull)power(gpu);
	if (gpu_text(gpu, entry->key, -1, text, sizeof text) && strcmp(text, "-") == 0)
		return ~0ull;
	snprintf(key, sizeof key, "%s.rate", entry->key);
	return gpu_integer(gpu, entry->key, entry->otherwise) + (ull)risen(gpu, counter, gpu_number(gpu, key, 0));
}

/* The code of a field, and its value where that is SUCCESS. */
static ret_t field_value(device_t *device, field_t *f, ull *value) {
	int gpu = device->gpu, counter = 0;
	char key[64], text[64];
	uint id = today(f->id);
	snprintf(key, sizeof key, "field.%u.return", f->id);
	ret_t ret = (ret_t)gpu_integer(gpu, key, SUCCESS);
	if (ret != SUCCESS || id == 0)
		return ret != SUCCESS ? ret : INVALID_ARGUMENT;
	while (counter < COUNTERS && entries[counter].id != id)
		counter++;
	if (counter == COUNTERS || device->slot >= 0)
		return NOT_SUPPORTED;
	const entry_t *entry = &entries[counter];
	snprintf(key, sizeof key, "%s.return", entry->key);
	ret = (ret_t)gpu_integer(gpu, key, SUCCESS);
	if (ret == SUCCESS && entry->kind == ABSENT && !gpu_text(gpu, entry->key, -1, text, sizeof text))
		ret = NOT_SUPPORTED;
	mig_t mig;
	if (id >= 142 && id <= 145 && mig_line(gpu, 0, &mig))
		ret = NOT_SUPPORTED;
	*value = value_of(gpu, counter, entry);
	if (strncmp(entry->key, "nvlink", 6) == 0 && f->scope != ~0u)
		*value /= 18; /* a single link */
	snprintf(key, sizeof key, "field.%u.type", f->id);
	f->type = (uint)gpu_integer(gpu, key, entry->type);
	if (id == 197 || id == 198)
		*value &= 0xFFFFFFFF;
	return ret;
}

/* Puts a value in place by its type; the rest of the place holds whatever. */
static void put(field_t *f, ull value) {
	ull before = f->value.ull;
	f->value.ull = 0xdeaddeaddeaddeadull;
	switch (f->type) {
	case DOUBLE:
		f->value.d = (double)value;
		break;
	case UINT:
	case SINT:
		f->value.u = (uint)value;
		break;
	case USHORT:
		f->value.us = (unsigned short)value;
		break;
	default:
		/* Drivers are known to add error counts to what is there (go-nvml's issue 46). */
		f->value.ull = f->id == 3 || f->id == 4 ? before + value : value;
	}
}

ret_t nvmlDeviceGetFieldValues(device_t *device, int n, field_t *fields) {
	int good = 0;
	CALL(device->gpu, "fields");
	for (int i = 0; i < n; i++) {
		field_t *f = &fields[i];
		ull value = 0;
		char key[64];
		snprintf(key, sizeof key, "field.%u.skip", f->id);
		if (gpu_integer(device->gpu, key, 0) != 0)
			continue;
		f->latency = 5;
		f->timestamp = (long long)(1e6 * monotonic());
		f->ret = (uint)field_value(device, f, &value);
		put(f, value);
		good += f->ret == SUCCESS;
	}
	return leave(device->gpu, good > 0 ? SUCCESS : NOT_SUPPORTED);
}
#endif
