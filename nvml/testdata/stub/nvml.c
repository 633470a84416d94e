/* The library itself, the identity of GPUs, memory, live utilisation, processes. */
#include "stub.h"

/* ---- library ---- */

#ifndef NO_INIT
ret_t nvmlInit_v2(void) {
	nap("init.sleep_ms", "init.notify");
	static int life;
	ret_t ret = (ret_t)number("init", SUCCESS);
	if (life != script_life)
		inits = 0;
	life = script_life;
	inits++;
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
	if (initialised == 1 && gpm_samples != 0) {
		fprintf(stderr, "stub: shutdown before %d samples are freed\n", gpm_samples);
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
		snprintf(version, length, DRIVER);
	return SUCCESS;
}
#endif

#ifndef NO_COUNT
ret_t nvmlDeviceGetCount_v2(uint *n) {
	nap("count.sleep_ms", "count.notify");
	*n = (uint)count();
	return initialised ? (ret_t)number("count.return", SUCCESS) : UNINITIALIZED;
}
#endif

/* ---- identity ---- */

#ifndef NO_HANDLE
ret_t nvmlDeviceGetHandleByIndex_v2(uint index, device_t **device) {
	if (index >= (uint)count())
		return INVALID_ARGUMENT;
	int gpu = (int)index;
	CALL(gpu, "handle");
	*device = handle_of(gpu, -1, "");
	return leave(gpu, SUCCESS);
}
#endif

#ifndef NO_UUID
ret_t nvmlDeviceGetUUID(device_t *device, char *uuid, uint length) {
	CALL_ON(device, "uuid");
	mig_t mig;
	if (device->slot >= 0 && mig_slot(device->gpu, device->slot, &mig) && mig.uuid[0] != 0)
		snprintf(uuid, length, "%s", mig.uuid);
	else if (device->slot >= 0)
		snprintf(uuid, length, "MIG-%08x-0000-0000-0000-%012x", device->slot, device->gpu);
	else if (!gpu_text(device->gpu, "uuid", -1, uuid, length))
		snprintf(uuid, length, "GPU-00000000-0000-0000-0000-%012x", device->gpu);
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_NAME
ret_t nvmlDeviceGetName(device_t *device, char *name, uint length) {
	CALL_ON(device, "name");
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
	CALL_ON(device, "minor");
	*minor = (uint)gpu_integer(device->gpu, "minor", (ull)device->gpu);
	return leave(device->gpu, SUCCESS);
}
#endif

typedef struct { char legacy[16]; uint domain, bus, device, id, subsystem; char bus_id[32]; } pci_t;

#ifndef NO_PCI
ret_t nvmlDeviceGetPciInfo_v3(device_t *device, pci_t *pci) {
	CALL_ON(device, "pci");
	memset(pci, 0, sizeof *pci);
	pci->bus = 0x1a + (uint)device->gpu * 0x10;
	snprintf(pci->legacy, sizeof pci->legacy, "%04X:%02X:%02X.0", 0u, pci->bus & 0xff, 0u);
	snprintf(pci->bus_id, sizeof pci->bus_id, "%08X:%02X:%02X.0", 0u, pci->bus & 0xff, 0u);
	return leave(device->gpu, SUCCESS);
}
#endif

/* ---- readings ---- */

/* A number of the memory of a GPU, or of the GPU instance of a handle. */
static ull memory(device_t *d, const char *part, ull otherwise) {
	char key[64];
	mig_t mig;
	if (d->slot >= 0 && mig_slot(d->gpu, d->slot, &mig)) {
		snprintf(key, sizeof key, "gi.%d.memory.%s", mig.gi, part);
		otherwise /= 7;
	} else
		snprintf(key, sizeof key, "memory.%s", part);
	return gpu_integer(d->gpu, key, otherwise);
}

static ull memory_total(device_t *d) { return memory(d, "total", 150754820096ull); }
static ull memory_reserved(device_t *d) { return memory(d, "reserved", 602931200ull); }
static ull memory_used(device_t *d) { return memory(d, "used", 0); }

#ifndef NO_MEMORY_V2
typedef struct { uint version; ull total, reserved, free, used; } memory_v2_t;

ret_t nvmlDeviceGetMemoryInfo_v2(device_t *device, memory_v2_t *memory) {
	CALL_ON(device, "memory_v2");
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
	CALL_ON(device, "memory");
	memory->total = memory_total(device);
	memory->used = memory_used(device) + memory_reserved(device);
	memory->free = memory->total - memory->used;
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_UTILIZATION
typedef struct { uint gpu, memory; } utilization_t;

ret_t nvmlDeviceGetUtilizationRates(device_t *device, utilization_t *rates) {
	CALL_ON(device, "utilization");
	if (device->slot >= 0 || mig_on(device->gpu))
		return leave(device->gpu, NOT_SUPPORTED);
	rates->gpu = (uint)(utilization(device->gpu) + 0.5);
	rates->memory = (uint)gpu_integer(device->gpu, "memory_utilization", rates->gpu / 2);
	return leave(device->gpu, SUCCESS);
}
#endif

#ifndef NO_PROCESSES
typedef struct { uint pid; ull memory; uint gi, ci; } process_t;

#ifdef OLD_PROCESSES
#define PROCESSES nvmlDeviceGetComputeRunningProcesses_v2
#define MPS_PROCESSES nvmlDeviceGetMPSComputeRunningProcesses_v2
#else
#define PROCESSES nvmlDeviceGetComputeRunningProcesses_v3
#define MPS_PROCESSES nvmlDeviceGetMPSComputeRunningProcesses_v3
#endif

static ret_t list_processes(device_t *device, const char *key, uint *n, process_t *out) {
	char line[256];
	uint found = 0;
	for (; gpu_text(device->gpu, key, (int)found, line, sizeof line); found++) {
		if (found >= *n)
			continue;
		char *rest;
		out[found].pid = (uint)strtoul(line, &rest, 10);
		out[found].memory = strcmp(rest, " -") == 0 ? ~0ull : strtoull(rest, NULL, 10);
		out[found].gi = out[found].ci = 0xFFFFFFFF;
	}
	const struct bursts *bursts = strcmp(key, "process") == 0 ? bursts_of(device->gpu) : NULL;
	double share;
	for (int pid, nth = 0; bursts != NULL && (pid = burst_process(bursts, nth, 0, 0, &share)) != 0; nth++, found++)
		if (found < *n)
			out[found] = (process_t){.pid = (uint)pid, .memory = 512ull << 20, .gi = 0xFFFFFFFF, .ci = 0xFFFFFFFF};
	ret_t ret = found > *n ? INSUFFICIENT_SIZE : SUCCESS;
	*n = found;
	return leave(device->gpu, ret);
}

ret_t PROCESSES(device_t *device, uint *n, process_t *out) {
	CALL_ON(device, "processes");
	return list_processes(device, "process", n, out);
}

ret_t MPS_PROCESSES(device_t *device, uint *n, process_t *out) {
	CALL_ON(device, "mps_processes");
	return list_processes(device, "mps_process", n, out);
}
#endif

#ifndef NO_PROCESS_UTILIZATION
typedef struct { uint pid; ull stamp; uint sm, memory, encoder, decoder; } process_use_t;

ret_t nvmlDeviceGetProcessUtilization(device_t *device, process_use_t *out, uint *n, ull last) {
	CALL_ON(device, "process_utilization");
	if (device->slot >= 0 || mig_on(device->gpu))
		return leave(device->gpu, NOT_SUPPORTED);
	char line[256];
	uint found = 0;
	for (int nth = 0; gpu_text(device->gpu, "process_use", nth, line, sizeof line); nth++) {
		char *rest, *at;
		process_use_t use = {.pid = (uint)strtoul(line, &rest, 10)};
		use.sm = (uint)strtoul(rest, &at, 10);
		use.stamp = (ull)(1e6 * (epoch(device->gpu) + (*at == ' ' ? strtod(at, NULL) : now())));
		if (use.stamp <= last)
			continue;
		if (out != NULL && found < *n)
			out[found] = use;
		found++;
	}
	const struct bursts *bursts = bursts_of(device->gpu);
	double share, base = epoch(device->gpu), from = 1e-6 * (double)last - base;
	for (int pid, nth = 0; bursts != NULL && (pid = burst_process(bursts, nth, from > 0 ? from : 0, now(), &share)) != 0; nth++, found++)
		if (out != NULL && found < *n)
			out[found] = (process_use_t){.pid = (uint)pid, .stamp = (ull)(1e6 * (base + now())), .sm = (uint)(100 * share + 0.5)};
	ret_t ret = found == 0 ? NOT_FOUND : found > *n || out == NULL ? INSUFFICIENT_SIZE : SUCCESS;
	*n = found;
	return leave(device->gpu, ret);
}
#endif
