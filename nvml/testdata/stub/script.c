/* The script, and what every call of a GPU has in common. */
#include "stub.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

atomic_int initialised, inits, script_life, inside[MAX_GPUS];

static pthread_mutex_t script_lock = PTHREAD_MUTEX_INITIALIZER;
static char script[1 << 16];
static char script_path[4096];
static struct stat script_stat;

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

int lookup(const char *key, int nth, char *out, size_t size) {
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

int gpu_text(int gpu, const char *key, int nth, char *out, size_t size) {
	char full[128];
	snprintf(full, sizeof full, "gpu.%d.%s", gpu, key);
	return lookup(full, nth, out, size);
}

double gpu_number(int gpu, const char *key, double otherwise) {
	char value[256];
	return gpu_text(gpu, key, -1, value, sizeof value) ? strtod(value, NULL) : otherwise;
}

ull gpu_integer(int gpu, const char *key, ull otherwise) {
	char value[256];
	return gpu_text(gpu, key, -1, value, sizeof value) ? strtoull(value, NULL, 10) : otherwise;
}

double number(const char *key, double otherwise) {
	char value[256];
	return lookup(key, -1, value, sizeof value) ? strtod(value, NULL) : otherwise;
}

int count(void) {
	int n = (int)number("devices", 8);
	return n < 0 ? 0 : n > MAX_GPUS ? MAX_GPUS : n;
}

double monotonic(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void doze(void) {
	struct timespec t = {0, 2000000};
	nanosleep(&t, NULL);
}

void nap(const char *key, const char *notify) {
	if (number(key, 0) <= 0)
		return;
	double start = monotonic();
	char path[4096];
	if (lookup(notify, -1, path, sizeof path)) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			if (write(fd, "x", 1) != 1)
				fprintf(stderr, "stub: cannot notify %s\n", path);
			close(fd);
		}
	}
	while (1e3 * (monotonic() - start) < number(key, 0))
		doze();
}

ret_t enter(int gpu, const char *call) {
	if (atomic_fetch_add(&inside[gpu], 1) != 0) {
		fprintf(stderr, "stub: two calls at once on GPU %d (%s)\n", gpu, call);
		abort();
	}
	char key[128], notify[64];
	snprintf(notify, sizeof notify, "gpu.%d.notify", gpu);
	snprintf(key, sizeof key, "gpu.%d.sleep_ms", gpu);
	nap(key, notify);
	snprintf(key, sizeof key, "gpu.%d.%s.sleep_ms", gpu, call);
	nap(key, notify);
	if (!initialised)
		return UNINITIALIZED;
	int lost = (int)gpu_number(gpu, "lost", 0);
	if (lost != 0 && inits < (int)gpu_number(gpu, "lost_until_init", 1e9))
		return lost == 1 ? GPU_IS_LOST : lost;
	snprintf(key, sizeof key, "%s.return", call);
	return (ret_t)gpu_number(gpu, key, SUCCESS);
}

ret_t leave(int gpu, ret_t ret) {
	atomic_fetch_sub(&inside[gpu], 1);
	return ret;
}

ret_t void_handle(device_t *device) {
	if (device->slot < 0)
		return SUCCESS;
	char lines[1024];
	mig_lines(device->gpu, lines, sizeof lines);
	return strcmp(lines, device->lines) == 0 ? SUCCESS : INVALID_ARGUMENT;
}

/* The same handle for the same GPU, or the same slot on it with the same lines. */
device_t *handle_of(int gpu, int slot, const char *lines) {
	static device_t *made[MAX_GPUS][256]; /* guarded by the rule of one call per GPU */
	for (int i = 0; i < 256; i++) {
		device_t *d = made[gpu][i];
		if (d == NULL) {
			d = made[gpu][i] = calloc(1, sizeof *d);
			d->gpu = gpu;
			d->slot = slot;
			snprintf(d->lines, sizeof d->lines, "%s", lines);
			return d;
		}
		if (d->slot == slot && strcmp(d->lines, lines) == 0)
			return d;
	}
	fprintf(stderr, "stub: too many handles\n");
	abort();
}
