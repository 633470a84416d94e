/* A load that is a file of bursts: a line for each, its beginning and its end in seconds of the clock, ascending. */
#include "stub.h"

struct bursts {
	int n;
	double *from, *to, *before; /* before: seconds at full use until it begins */
};

/* The bursts of a GPU, read once. */
const struct bursts *bursts_of(int gpu) {
	static struct bursts *kept[MAX_GPUS];
	char path[1024];
	if (kept[gpu] != NULL || !gpu_text(gpu, "bursts", -1, path, sizeof path))
		return kept[gpu];
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return NULL;
	struct bursts *b = calloc(1, sizeof *b);
	double from, to, sum = 0;
	for (int room = 0; fscanf(f, "%lf %lf", &from, &to) == 2; b->n++) {
		if (b->n == room) {
			room = 2 * room + 1024;
			b->from = realloc(b->from, room * sizeof(double));
			b->to = realloc(b->to, room * sizeof(double));
			b->before = realloc(b->before, room * sizeof(double));
		}
		b->from[b->n] = from, b->to[b->n] = to, b->before[b->n] = sum;
		sum += to - from;
	}
	fclose(f);
	return kept[gpu] = b;
}

double busy_in(const struct bursts *b, double at) {
	int low = 0, high = b->n; /* the first burst that begins after */
	while (low < high) {
		int mid = (low + high) / 2;
		if (b->from[mid] > at)
			high = mid;
		else
			low = mid + 1;
	}
	if (low == 0)
		return 0;
	double end = at < b->to[low - 1] ? at : b->to[low - 1];
	return b->before[low - 1] + end - b->from[low - 1];
}
