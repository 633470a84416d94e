/*
 * A load that is a file of bursts: a line for each, its beginning and its end in seconds of the clock, and the PID of whose it is
 * where that is known. Beginnings ascend. The file may grow: what is added is of the load from then on. Bursts that overlap, as of
 * several processes, keep the GPU busy once.
 */
#include "stub.h"
#include <signal.h>
#include <sys/types.h>

enum { MAX_OWNERS = 16 };

typedef struct {
	int pid, n, room;
	double *from, *to, *before; /* before: seconds at full use until it begins */
} track_t;

struct bursts {
	char path[1024];
	long at; /* how far the file is read */
	int owners;
	track_t all, of[MAX_OWNERS];
};

/* A burst more, less what is busy already. */
static void add(track_t *t, double from, double to) {
	double last = t->n > 0 ? t->to[t->n - 1] : from, sum = t->n > 0 ? t->before[t->n - 1] + last - t->from[t->n - 1] : 0;
	if (from < last)
		from = last;
	if (to <= from)
		return;
	if (t->n == t->room) {
		t->room = 2 * t->room + 1024;
		t->from = realloc(t->from, t->room * sizeof(double));
		t->to = realloc(t->to, t->room * sizeof(double));
		t->before = realloc(t->before, t->room * sizeof(double));
	}
	t->from[t->n] = from, t->to[t->n] = to, t->before[t->n++] = sum;
}

static track_t *track(struct bursts *b, int pid) {
	for (int i = 0; i < b->owners; i++)
		if (b->of[i].pid == pid)
			return &b->of[i];
	if (b->owners == MAX_OWNERS)
		return NULL;
	b->of[b->owners].pid = pid;
	return &b->of[b->owners++];
}

/* Reads the whole lines that are new. */
static void grow(struct bursts *b) {
	FILE *f = fopen(b->path, "r");
	if (f == NULL)
		return;
	char line[128];
	for (fseek(f, b->at, SEEK_SET); fgets(line, sizeof line, f) != NULL && strchr(line, '\n') != NULL; b->at = ftell(f)) {
		double from, to;
		int pid, told = sscanf(line, "%lf %lf %d", &from, &to, &pid);
		if (told < 2)
			continue;
		add(&b->all, from, to);
		track_t *own = told == 3 ? track(b, pid) : NULL;
		if (own != NULL)
			add(own, from, to);
	}
	fclose(f);
}

/* The bursts of a GPU. Guarded by the rule of one call per GPU. */
struct bursts *bursts_of(int gpu) {
	static struct bursts *kept[MAX_GPUS];
	char path[1024];
	if (!gpu_text(gpu, "bursts", -1, path, sizeof path))
		return NULL;
	if (kept[gpu] == NULL) {
		kept[gpu] = calloc(1, sizeof *kept[gpu]);
		snprintf(kept[gpu]->path, sizeof kept[gpu]->path, "%s", path);
	}
	grow(kept[gpu]);
	return kept[gpu];
}

static double busy_of(const track_t *t, double at) {
	int low = 0, high = t->n; /* the first burst that begins after */
	while (low < high) {
		int mid = (low + high) / 2;
		if (t->from[mid] > at)
			high = mid;
		else
			low = mid + 1;
	}
	if (low == 0)
		return 0;
	double end = at < t->to[low - 1] ? at : t->to[low - 1];
	return t->before[low - 1] + end - t->from[low - 1];
}

double busy_in(const struct bursts *b, double at) { return busy_of(&b->all, at); }

int burst_process(const struct bursts *b, int nth, double from, double to, double *share) {
	for (int i = 0; i < b->owners; i++)
		if (kill(b->of[i].pid, 0) == 0 && nth-- == 0) {
			*share = to > from ? (busy_of(&b->of[i], to) - busy_of(&b->of[i], from)) / (to - from) : 0;
			return b->of[i].pid;
		}
	return 0;
}
