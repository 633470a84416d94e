/* MIG instances. */
#include "stub.h"

int mig_line(int gpu, int nth, mig_t *mig) {
	mig->uuid[0] = 0;
	return gpu_text(gpu, "mig", nth, mig->line, sizeof mig->line) &&
	       sscanf(mig->line, "%d %d %d %31s %d %d %63s", &mig->slot, &mig->gi, &mig->ci, mig->profile, &mig->profile_id, &mig->start,
	              mig->uuid) >= 6;
}

int mig_slot(int gpu, int slot, mig_t *mig) {
	for (int i = 0; mig_line(gpu, i, mig); i++)
		if (mig->slot == slot)
			return 1;
	return 0;
}

void mig_lines(int gpu, char *out, size_t size) {
	mig_t mig;
	out[0] = 0;
	for (int i = 0; mig_line(gpu, i, &mig); i++) {
		size_t n = strlen(out);
		snprintf(out + n, size - n, "%s\n", mig.line);
	}
}

int mig_on(int gpu) {
	mig_t mig;
	return mig_line(gpu, 0, &mig) || gpu_number(gpu, "mig_mode", 0) != 0;
}

int mig_instance(int gpu, uint gi) {
	mig_t mig;
	for (int i = 0; mig_line(gpu, i, &mig); i++)
		if ((uint)mig.gi == gi)
			return 1;
	return 0;
}

#ifndef NO_MIG
ret_t nvmlDeviceGetMigMode(device_t *device, uint *current, uint *pending) {
	CALL_ON(device, "mig");
	*current = *pending = (uint)mig_on(device->gpu);
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlDeviceGetMaxMigDeviceCount(device_t *device, uint *n) {
	CALL_ON(device, "mig");
	*n = 7;
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlDeviceGetMigDeviceHandleByIndex(device_t *device, uint slot, device_t **out) {
	CALL_ON(device, "mig_handle");
	mig_t mig;
	if (slot >= MAX_SLOTS || !mig_slot(device->gpu, (int)slot, &mig))
		return leave(device->gpu, NOT_FOUND);
	char lines[1024];
	mig_lines(device->gpu, lines, sizeof lines);
	*out = handle_of(device->gpu, (int)slot, lines);
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlDeviceGetGpuInstanceId(device_t *device, uint *id) {
	CALL_ON(device, "mig");
	mig_t mig;
	if (!mig_slot(device->gpu, device->slot, &mig))
		return leave(device->gpu, NOT_SUPPORTED);
	*id = (uint)mig.gi;
	return leave(device->gpu, SUCCESS);
}

ret_t nvmlDeviceGetComputeInstanceId(device_t *device, uint *id) {
	CALL_ON(device, "mig");
	mig_t mig;
	if (!mig_slot(device->gpu, device->slot, &mig))
		return leave(device->gpu, NOT_SUPPORTED);
	*id = (uint)mig.ci;
	return leave(device->gpu, SUCCESS);
}

#ifndef NO_MIG_PLACEMENT
typedef struct { int gpu, id; } instance_t;
typedef struct { device_t *device; uint id, profile_id, start, size; } instance_info_t;

ret_t nvmlDeviceGetGpuInstanceById(device_t *device, uint id, instance_t **out) {
	static instance_t instances[MAX_GPUS][64]; /* guarded by the rule of one call per GPU */
	CALL_ON(device, "mig");
	mig_t mig;
	for (int i = 0; i < 64 && mig_line(device->gpu, i, &mig); i++)
		if ((uint)mig.gi == id) {
			instances[device->gpu][i] = (instance_t){device->gpu, i};
			*out = &instances[device->gpu][i];
			return leave(device->gpu, SUCCESS);
		}
	return leave(device->gpu, NOT_FOUND);
}

ret_t nvmlGpuInstanceGetInfo(instance_t *instance, instance_info_t *info) {
	CALL(instance->gpu, "mig");
	mig_t mig;
	if (!mig_line(instance->gpu, instance->id, &mig))
		return leave(instance->gpu, INVALID_ARGUMENT);
	*info = (instance_info_t){handle_of(instance->gpu, -1, ""), (uint)mig.gi, (uint)mig.profile_id, (uint)mig.start, 1};
	return leave(instance->gpu, SUCCESS);
}
#endif
#endif
