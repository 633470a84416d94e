/* What keeps a GPU busy, and the clock that goes by. */
#include "stub.h"

double now(void) {
	double at = number("clock", -1);
	return at < 0 ? monotonic() : at;
}

load_t load_of(int gpu, const char *prefix) {
	struct bursts *bursts = prefix[0] == 0 ? bursts_of(gpu) : NULL;
	if (bursts != NULL)
		return (load_t){.bursts = bursts};
	char key[64];
	snprintf(key, sizeof key, "%sduty", prefix);
	double duty = gpu_number(gpu, key, 0);
	snprintf(key, sizeof key, "%speriod_ms", prefix);
	double period = 1e-3 * gpu_number(gpu, key, 0);
	if (period > 0)
		return (load_t){.duty = duty, .period = period};
	snprintf(key, sizeof key, "%sutilization", prefix);
	return (load_t){.duty = 1e-2 * gpu_number(gpu, key, 100 * duty)};
}

double busy(load_t load, double at) {
	if (load.bursts != NULL)
		return busy_in(load.bursts, at);
	if (load.period <= 0)
		return load.duty * at;
	double whole = (double)(long long)(at / load.period), rest = at - whole * load.period;
	double on = load.duty * load.period;
	return whole * on + (rest < on ? rest : on);
}

double window(int gpu) {
	double w = 1e-3 * gpu_number(gpu, "window_ms", 0);
	return w > 0 ? w : 1.0 / 6;
}

double utilization(int gpu) {
	load_t load = load_of(gpu, "");
	double at = now();
	char named[64];
	if (gpu_text(gpu, "window_ms", -1, named, sizeof named)) {
		double w = window(gpu), end = w * (double)(long long)(at / w);
		return 100 * (busy(load, end) - busy(load, end - w)) / w;
	}
	if (load.period <= 0)
		return 100 * load.duty;
	at /= load.period;
	return at - (double)(ull)at < load.duty ? 100 : 0;
}
