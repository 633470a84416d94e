/*
 * A libnvidia-ml.so.1 for tests. It says what the text file named by the environment variable GPUSIGNAL_STUB_SCRIPT says,
 * which is read again when it changes. Lines are "key value"; the last line of a key counts; "#" begins a comment.
 * Function names, layouts and codes are those of nvml.h 13.4.
 *
 *   devices 8                   GPUs; N below counts from 0
 *   driver 595.45.04            driver version
 *   init 18                     return code of nvmlInit
 *   count.return 1              of nvmlDeviceGetCount
 *   wait.return 15              of nvmlEventSetWait
 *   gpu.N.uuid, name, minor     identity; by default GPU-00000000-0000-0000-0000-00000000000N, minor N
 *   gpu.N.memory.total, .used, .reserved      bytes
 *   gpu.N.utilization, memory_utilization     percent
 *   gpu.N.power, power_average, power_limit   mW
 *   gpu.N.energy                mJ at the start
 *   gpu.N.duty 0.25             utilisation 25 and energy that rises by power x time
 *   gpu.N.period_ms 1000        with duty: 100 % in that share of every period, then 0
 *   gpu.N.temperature, memory_temperature     degrees Celsius
 *   gpu.N.process PID BYTES     a process, a line each; BYTES "-" where the driver does not tell
 *   gpu.N.xid 79 [SERIAL]       an XID event, once for each value
 *   gpu.N.lost 1                every call of the GPU returns ERROR_GPU_IS_LOST
 *   gpu.N.CALL.return 3         CALL is handle, uuid, name, memory_v2, memory, utilization, power, power_limit, energy,
 *                               temperature, fields, power_instant, memory_temperature, processes, events, minor, pci, mig
 *   gpu.N.sleep_ms 500          every call of the GPU takes so long; a smaller value ends a call that sleeps
 *   gpu.N.notify PATH           a FIFO that gets a byte when a call begins to sleep
 *   gpu.N.mig SLOT GI CI PROFILE PROFILE_ID START      a MIG instance, a line each; turns MIG on
 *   gpu.N.mig_mode 1            MIG on without instances
 *
 * Two calls at once on one GPU abort the process. -DNO_ENERGY and the like leave functions out.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef unsigned int uint;
typedef unsigned long long ull;
typedef int ret_t;

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       TIMEOUT = 10, GPU_IS_LOST = 15, ARGUMENT_VERSION_MISMATCH = 25 };
enum { MAX_GPUS = 64, MAX_SLOTS = 8 };

/* A handle: a GPU, or the MIG instance of a slot on it. */
typedef struct { int gpu, slot; } device_t;
typedef struct { int gpu, id; } instance_t;
static device_t handles[MAX_GPUS][MAX_SLOTS + 1];
static instance_t instances[MAX_GPUS][MAX_SLOTS];

static atomic_int initialised;
static atomic_int inside[MAX_GPUS];

/* ---- the script ---- */

static pthread_mutex_t script_lock = PTHREAD_MUTEX_INITIALIZER;
static char script[1 << 16];
static char script_path[4096];
static struct stat script_stat;
static atomic_int script_life; /* counts the scripts of different names: each is another driver */

static void script_load(void) {
	const char *path = getenv("GPUSIGNAL_STUB_SCRIPT");
	struct stat now;
	if (path == NULL || stat(path, &now) != 0) {
		script[0] = script_path[0] = 0;
		return;
	}
	if (strcmp(path, script_path) == 0 && now.st_ino == script_stat.st_ino && now.st_size == script_stat.st_size &&
	    now.st_mtim.tv_sec == script_stat.st_mtim.tv_sec && now.st_mtim.tv_nsec == script_stat.st_mtim.tv_nsec)
		return;
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return;
	size_t n = fread(script, 1, sizeof script - 1, f);
	script[n] = 0;
	fclose(f);
	script_stat = now;
	if (strcmp(path, script_path) != 0)
		script_life++;
	snprintf(script_path, sizeof script_path, "%s", path);
}

/* The value of the nth line of a key, or of its last line where nth is -1. */
static int lookup(const char *key, int nth, char *out, size_t size) {
	int found = 0;
	size_t len = strlen(key);
	pthread_mutex_lock(&script_lock);
	script_load();
	for (const char *line = script; *line != 0;) {
		const char *end = strchrnul(line, '\n');
		if ((size_t)(end - line) > len && strncmp(line, key, len) == 0 && line[len] == ' ' && (nth < 0 || found++ == nth)) {
			snprintf(out, size, "%.*s", (int)(end - line - len - 1), line + len + 1);
			found = nth < 0 ? 1 : found;
			if (nth >= 0) {
				pthread_mutex_unlock(&script_lock);
				return 1;
			}
		}
		line = *end ? end + 1 : end;
	}
	pthread_mutex_unlock(&script_lock);
	return nth < 0 && found;
}

static int gpu_text(int gpu, const char *key, int nth, char *out, size_t size) {
	char full[128];
	snprintf(full, sizeof full, "gpu.%d.%s", gpu, key);
	return lookup(full, nth, out, size);
}

static double gpu_number(int gpu, const char *key, double otherwise) {
	char value[256];
	return gpu_text(gpu, key, -1, value, sizeof value) ? strtod(value, NULL) : otherwise;
}

static ull gpu_integer(int gpu, const char *key, ull otherwise) {
	char value[256];
	return gpu_text(gpu, key, -1, value, sizeof value) ? strtoull(value, NULL, 10) : otherwise;
}

static int number(const char *key, int otherwise) {
	char value[256];
	return lookup(key, -1, value, sizeof value) ? atoi(value) : otherwise;
}

static double monotonic(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void doze(void) {
	struct timespec t = {0, 2000000};
	nanosleep(&t, NULL);
}

static int count(void) {
	int n = number("devices", 8);
	return n < 0 ? 0 : n > MAX_GPUS ? MAX_GPUS : n;
}

/* ---- one call of one GPU ---- */

static ret_t enter(int gpu, const char *call) {
	if (atomic_fetch_add(&inside[gpu], 1) != 0) {
		fprintf(stderr, "stub: two calls at once on GPU %d (%s)\n", gpu, call);
		abort();
	}
	if (gpu_number(gpu, "sleep_ms", 0) > 0) {
		double start = monotonic();
		char path[4096];
		if (gpu_text(gpu, "notify", -1, path, sizeof path)) {
			int fd = open(path, O_WRONLY | O_CLOEXEC);
			if (fd >= 0) {
				if (write(fd, "x", 1) != 1)
					fprintf(stderr, "stub: cannot notify %s\n", path);
				close(fd);
			}
		}
		while (1e3 * (monotonic() - start) < gpu_number(gpu, "sleep_ms", 0))
			doze();
	}
	if (!initialised)
		return UNINITIALIZED;
	if (gpu_number(gpu, "lost", 0) != 0)
		return GPU_IS_LOST;
	char key[64];
	snprintf(key, sizeof key, "%s.return", call);
	return (ret_t)gpu_number(gpu, key, SUCCESS);
}

static ret_t leave(int gpu, ret_t ret) {
	atomic_fetch_sub(&inside[gpu], 1);
	return ret;
}

#define CALL(gpu, name)                  \
	do {                             \
		ret_t r = enter(gpu, name); \
		if (r != SUCCESS)        \
			return leave(gpu, r); \
	} while (0)

/* ---- library ---- */

#ifndef NO_INIT
ret_t nvmlInit_v2(void) {
	ret_t ret = number("init", SUCCESS);
	if (ret == SUCCESS)
		initialised++;
	return ret;
}
#endif

#ifndef NO_SHUTDOWN
ret_t nvmlShutdown(void) {
	if (initialised == 0)
		return UNINITIALIZED;
	for (int i = 0; i < MAX_GPUS; i++)
		if (atomic_load(&inside[i]) != 0) {
			fprintf(stderr, "stub: shutdown during a call on GPU %d\n", i);
			abort();
		}
	initialised--;
	return SUCCESS;
}
#endif

#ifndef NO_ERROR_STRING
const char *nvmlErrorString(ret_t ret) {
	(void)ret;
	return "stub error";
}
#endif

#ifndef NO_DRIVER_VERSION
ret_t nvmlSystemGetDriverVersion(char *version, uint length) {
	if (!lookup("driver", -1, version, length))
		snprintf(version, length, "595.45.04");
	return SUCCESS;
}
#endif

#ifndef NO_COUNT
ret_t nvmlDeviceGetCount_v2(uint *n) {
	*n = (uint)count();
	return initialised ? number("count.return", SUCCESS) : UNINITIALIZED;
}
#endif

/* ---- identity ---- */

#ifndef NO_HANDLE
ret_t nvmlDeviceGetHandleByIndex_v2(uint index, device_t **device) {
	if (index >= (uint)count())
		return INVALID_ARGUMENT;
	int gpu = (int)index;
	CALL(gpu, "handle");
	handles[gpu][0] = (device_t){gpu, -1};
	*device = &handles[gpu][0];
	return leave(gpu, SUCCESS);
}
#endif

/* A line of the MIG instance of a slot. */
typedef struct { int slot, gi, ci, profile_id, start; char profile[32]; } mig_t;

static int mig_line(int gpu, int nth, mig_t *mig) {
	char line[256];
	return gpu_text(gpu, "mig", nth, line, sizeof line) &&
	       sscanf(line, "%d %d %d %31s %d %d", &mig->slot, &mig->gi, &mig->ci, mig->profile, &mig->profile_id, &mig->start) == 6;
}

static int mig_slot(int gpu, int slot, mig_t *mig) {
	for (int i = 0; mig_line(gpu, i, mig); i++)
		if (mig->slot == slot)
			return 1;
	return 0;
}

#ifndef NO_UUID
ret_t nvmlDeviceGetUUID(device_t *device, char *uuid, uint length) {
	CALL(device->gpu, "uuid");
	if (device->slot >= 0)
		snprintf(uuid, length, "MIG-%08x-0000-0000-0000-%012x", device->slot, device->gpu);
	else if (!gpu_text(device->gpu, "uuid", -1, uuid, length))
		snprintf(uuid, length, "GPU-00000000-0000-0000-0000-%012x", device->gpu);
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_NAME
ret_t nvmlDeviceGetName(device_t *device, char *name, uint length) {
	CALL(device->gpu, "name");
	mig_t mig;
	char model[64];
	if (!gpu_text(device->gpu, "name", -1, model, sizeof model))
		snprintf(model, sizeof model, "NVIDIA H200");
	if (device->slot >= 0 && mig_slot(device->gpu, device->slot, &mig))
		snprintf(name, length, "%s MIG %s", model, mig.profile);
	else
		snprintf(name, length, "%s", model);
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_MINOR
ret_t nvmlDeviceGetMinorNumber(device_t *device, uint *minor) {
	CALL(device->gpu, "minor");
	*minor = (uint)gpu_integer(device->gpu, "minor", (ull)device->gpu);
	return leave(device->gpu, SUCCESS);
}
#endif

typedef struct { char legacy[16]; uint domain, bus, device, id, subsystem; char bus_id[32]; } pci_t;

#ifndef NO_PCI
ret_t nvmlDeviceGetPciInfo_v3(device_t *device, pci_t *pci) {
	CALL(device->gpu, "pci");
	memset(pci, 0, sizeof *pci);
	pci->bus = 0x1a + (uint)device->gpu * 0x10;
	snprintf(pci->legacy, sizeof pci->legacy, "%04X:%02X:%02X.0", 0u, pci->bus & 0xff, 0u);
	snprintf(pci->bus_id, sizeof pci->bus_id, "%08X:%02X:%02X.0", 0u, pci->bus & 0xff, 0u);
	return leave(device->gpu, SUCCESS);
}
#endif

/* ---- readings ---- */

static ull memory_total(device_t *d) { return gpu_integer(d->gpu, "memory.total", 150754820096ull); }
static ull memory_reserved(device_t *d) { return gpu_integer(d->gpu, "memory.reserved", 602931200ull); }
static ull memory_used(device_t *d) { return gpu_integer(d->gpu, "memory.used", 0); }

#ifndef NO_MEMORY_V2
typedef struct { uint version; ull total, reserved, free, used; } memory_v2_t;

ret_t nvmlDeviceGetMemoryInfo_v2(device_t *device, memory_v2_t *memory) {
	CALL(device->gpu, "memory_v2");
	if (memory->version != (sizeof(memory_v2_t) | 2u << 24))
		return leave(device->gpu, ARGUMENT_VERSION_MISMATCH);
	memory->total = memory_total(device);
	memory->reserved = memory_reserved(device);
	memory->used = memory_used(device);
	memory->free = memory->total - memory->reserved - memory->used;
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_MEMORY
typedef struct { ull total, free, used; } memory_t;

ret_t nvmlDeviceGetMemoryInfo(device_t *device, memory_t *memory) {
	CALL(device->gpu, "memory");
	memory->total = memory_total(device);
	memory->used = memory_used(device) + memory_reserved(device);
	memory->free = memory->total - memory->used;
	return leave(device->gpu, SUCCESS);
}
#endif

static double utilization(int gpu) {
	double duty = gpu_number(gpu, "duty", 0), period = 1e-3 * gpu_number(gpu, "period_ms", 0);
	if (period <= 0)
		return gpu_number(gpu, "utilization", 100 * duty);
	double at = monotonic() / period;
	return at - (double)(ull)at < duty ? 100 : 0;
}

static double power(int gpu) { return gpu_number(gpu, "power", 100e3 + 600e3 * gpu_number(gpu, "duty", 0)); }

#ifndef NO_UTILIZATION
typedef struct { uint gpu, memory; } utilization_t;

ret_t nvmlDeviceGetUtilizationRates(device_t *device, utilization_t *rates) {
	CALL(device->gpu, "utilization");
	if (device->slot >= 0 || gpu_number(device->gpu, "mig_mode", 0) != 0)
		return leave(device->gpu, NOT_SUPPORTED);
	mig_t mig;
	if (mig_line(device->gpu, 0, &mig))
		return leave(device->gpu, NOT_SUPPORTED);
	rates->gpu = (uint)(utilization(device->gpu) + 0.5);
	rates->memory = (uint)gpu_integer(device->gpu, "memory_utilization", rates->gpu / 2);
	return leave(device->gpu, SUCCESS);
}
#endif

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
ret_t nvmlDeviceGetEnforcedPowerLimit(device_t *device, uint *mw) {
	CALL(device->gpu, "power_limit");
	if (device->slot >= 0)
		return leave(device->gpu, NOT_SUPPORTED);
	*mw = (uint)gpu_integer(device->gpu, "power_limit", 700000);
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_ENERGY
ret_t nvmlDeviceGetTotalEnergyConsumption(device_t *device, ull *mj) {
	static double risen[MAX_GPUS], seen[MAX_GPUS]; /* these are guarded by the rule of one call per GPU */
	static int life[MAX_GPUS];
	CALL(device->gpu, "energy");
	if (device->slot >= 0)
		return leave(device->gpu, NOT_SUPPORTED);
	char unused[64];
	double now = monotonic();
	int duty = gpu_text(device->gpu, "duty", -1, unused, sizeof unused);
	if (life[device->gpu] != script_life)
		risen[device->gpu] = seen[device->gpu] = 0;
	life[device->gpu] = script_life;
	if (!duty)
		now = 0;
	else if (seen[device->gpu] > 0)
		risen[device->gpu] += power(device->gpu) * (now - seen[device->gpu]);
	seen[device->gpu] = now;
	*mj = gpu_integer(device->gpu, "energy", 0) + (ull)risen[device->gpu];
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_TEMPERATURE
ret_t nvmlDeviceGetTemperature(device_t *device, int sensor, uint *celsius) {
	CALL(device->gpu, "temperature");
	if (device->slot >= 0)
		return leave(device->gpu, NOT_SUPPORTED);
	if (sensor != 0)
		return leave(device->gpu, INVALID_ARGUMENT);
	*celsius = (uint)gpu_integer(device->gpu, "temperature", 45);
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_FIELDS
typedef struct {
	uint id, scope;
	long long timestamp, latency;
	uint type, ret;
	union { double d; int i; uint u; ull ull; } value;
} field_t;

ret_t nvmlDeviceGetFieldValues(device_t *device, int n, field_t *fields) {
	int gpu = device->gpu, good = 0;
	CALL(gpu, "fields");
	for (int i = 0; i < n; i++) {
		field_t *f = &fields[i];
		f->type = 1;
		f->latency = 5;
		f->timestamp = (long long)(1e6 * monotonic());
		switch (f->id) {
		case 82:
			f->value.u = (uint)gpu_integer(gpu, "memory_temperature", 50);
			f->ret = (uint)gpu_integer(gpu, "memory_temperature.return", SUCCESS);
			break;
		case 186:
			f->value.u = (uint)power(gpu);
			f->ret = (uint)gpu_integer(gpu, "power_instant.return", SUCCESS);
			break;
		default:
			f->ret = NOT_SUPPORTED;
		}
		if (device->slot >= 0)
			f->ret = NOT_SUPPORTED;
		good += f->ret == SUCCESS;
	}
	return leave(gpu, good > 0 ? SUCCESS : NOT_SUPPORTED);
}
#endif

#ifndef NO_PROCESSES
typedef struct { uint pid; ull memory; uint gi, ci; } process_t;

ret_t nvmlDeviceGetComputeRunningProcesses_v3(device_t *device, uint *n, process_t *out) {
	CALL(device->gpu, "processes");
	char line[256];
	uint found = 0;
	for (; gpu_text(device->gpu, "process", (int)found, line, sizeof line); found++) {
		if (found >= *n)
			continue;
		char *rest;
		out[found].pid = (uint)strtoul(line, &rest, 10);
		out[found].memory = strcmp(rest, " -") == 0 ? ~0ull : strtoull(rest, NULL, 10);
		out[found].gi = out[found].ci = 0xFFFFFFFF;
	}
	ret_t ret = found > *n ? INSUFFICIENT_SIZE : SUCCESS;
	*n = found;
	return leave(device->gpu, ret);
}
#endif

/* ---- MIG ---- */

#ifndef NO_MIG
ret_t nvmlDeviceGetMigMode(device_t *device, uint *current, uint *pending) {
	CALL(device->gpu, "mig");
	mig_t mig;
	*current = *pending = (uint)(mig_line(device->gpu, 0, &mig) || gpu_number(device->gpu, "mig_mode", 0) != 0);
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlDeviceGetMaxMigDeviceCount(device_t *device, uint *n) {
	CALL(device->gpu, "mig");
	*n = 7;
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlDeviceGetMigDeviceHandleByIndex(device_t *device, uint slot, device_t **out) {
	CALL(device->gpu, "mig");
	mig_t mig;
	if (slot >= MAX_SLOTS || !mig_slot(device->gpu, (int)slot, &mig))
		return leave(device->gpu, NOT_FOUND);
	handles[device->gpu][slot + 1] = (device_t){device->gpu, (int)slot};
	*out = &handles[device->gpu][slot + 1];
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlDeviceGetGpuInstanceId(device_t *device, uint *id) {
	CALL(device->gpu, "mig");
	mig_t mig;
	if (!mig_slot(device->gpu, device->slot, &mig))
		return leave(device->gpu, NOT_SUPPORTED);
	*id = (uint)mig.gi;
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlDeviceGetComputeInstanceId(device_t *device, uint *id) {
	CALL(device->gpu, "mig");
	mig_t mig;
	if (!mig_slot(device->gpu, device->slot, &mig))
		return leave(device->gpu, NOT_SUPPORTED);
	*id = (uint)mig.ci;
	return leave(device->gpu, SUCCESS);
}

#ifndef NO_MIG_PLACEMENT
ret_t nvmlDeviceGetGpuInstanceById(device_t *device, uint id, instance_t **out) {
	CALL(device->gpu, "mig");
	mig_t mig;
	for (int i = 0; i < MAX_SLOTS && mig_line(device->gpu, i, &mig); i++)
		if ((uint)mig.gi == id) {
			instances[device->gpu][i] = (instance_t){device->gpu, i};
			*out = &instances[device->gpu][i];
			return leave(device->gpu, SUCCESS);
		}
	return leave(device->gpu, NOT_FOUND);
}

typedef struct { device_t *device; uint id, profile_id, start, size; } instance_info_t;

ret_t nvmlGpuInstanceGetInfo(instance_t *instance, instance_info_t *info) {
	CALL(instance->gpu, "mig");
	mig_t mig;
	if (!mig_line(instance->gpu, instance->id, &mig))
		return leave(instance->gpu, INVALID_ARGUMENT);
	*info = (instance_info_t){&handles[instance->gpu][0], (uint)mig.gi, (uint)mig.profile_id, (uint)mig.start, 1};
	return leave(instance->gpu, SUCCESS);
}
#endif
#endif

/* ---- events ---- */

#ifndef NO_EVENTS
typedef struct { int registered[MAX_GPUS]; char told[MAX_GPUS][64]; } set_t;
typedef struct { device_t *device; ull type, data; uint gi, ci; } event_t;

ret_t nvmlEventSetCreate(set_t **set) {
	if (!initialised)
		return UNINITIALIZED;
	*set = calloc(1, sizeof **set);
	return SUCCESS;
}

ret_t nvmlEventSetFree(set_t *set) {
	free(set);
	return SUCCESS;
}

ret_t nvmlDeviceRegisterEvents(device_t *device, ull types, set_t *set) {
	CALL(device->gpu, "events");
	if (types != 8 || device->slot >= 0)
		return leave(device->gpu, NOT_SUPPORTED);
	set->registered[device->gpu] = 1;
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlEventSetWait_v2(set_t *set, event_t *event, uint timeout_ms) {
	double start = monotonic();
	for (;;) {
		ret_t ret = number("wait.return", SUCCESS);
		if (ret != SUCCESS)
			return ret;
		for (int gpu = 0; gpu < count(); gpu++) {
			char value[64];
			if (!set->registered[gpu] || !gpu_text(gpu, "xid", -1, value, sizeof value) || strcmp(value, set->told[gpu]) == 0)
				continue;
			memcpy(set->told[gpu], value, sizeof value);
			*event = (event_t){&handles[gpu][0], 8, strtoull(value, NULL, 10), 0xFFFFFFFF, 0xFFFFFFFF};
			return SUCCESS;
		}
		if (1e3 * (monotonic() - start) >= timeout_ms)
			return TIMEOUT;
		doze();
	}
}
#endif
