/*
 * A libnvidia-ml.so.1 for tests. It says what the text file named by the environment variable GPUSIGNAL_STUB_SCRIPT says,
 * which is read again when it changes. Lines are "key value"; the last line of a key counts; "#" begins a comment.
 * Function names, layouts and codes are those of nvml.h 13.4.
 *
 *   clock 12.5                  the time in seconds that loads, rings and hardware counters go by; else it runs by itself
 *   devices 8                   GPUs; N below counts from 0
 *   driver 595.45.04            driver version
 *   init 18                     return code of nvmlInit; init.sleep_ms: how long it takes
 *   count.return 1              of nvmlDeviceGetCount; count.sleep_ms
 *   wait.return 15              of nvmlEventSetWait; wait.sleep_ms: how long it takes whatever its timeout
 *   gpu.N.wait.return 15        of nvmlEventSetWait while that GPU is registered
 *   gpu.N.uuid, name, minor     identity; by default GPU-00000000-0000-0000-0000-00000000000N, minor N
 *   gpu.N.memory.total, .used, .reserved      bytes
 *   gpu.N.utilization, memory_utilization     percent
 *   gpu.N.power, power_average, power_limit   mW
 *   gpu.N.energy                mJ at the start
 *   gpu.N.duty 0.25             utilisation 25 and energy that rises by power x time
 *   gpu.N.period_ms 1000        with duty: 100 % in that share of every period, then 0
 *   gpu.N.bursts PATH           a file of bursts that may grow, a line each: beginning and end in seconds of the clock, and
 *                               maybe the PID that is on the GPU from then on; with window_ms. Power is 100 W, and 700 W in a
 *                               burst
 *   gpu.N.window_ms 1000        the driver's sample period, 1000/6 by default: live utilisation is the mean of the last one
 *                               where it is named, else that of the instant; the ring holds one value for each
 *   gpu.N.ring.length 72        samples that the ring holds
 *   gpu.N.ring.clock boot       its stamps are µs since the start of the machine, else of the epoch
 *   gpu.N.ring.shift_us -5e6    added to its stamps
 *   gpu.N.ring.from 100         the ring holds nothing from before that time of the clock, in seconds
 *   gpu.N.ring.idle empty       periods of no use leave no sample
 *   gpu.N.ring.garbage 1        stamps of 0, values above 100, repeats, and the newest first
 *   gpu.N.gpm 0                 no hardware counters, as before Hopper
 *   gpu.N.gpm.M 40              mean of metric M of nvml.h, else it follows the load; gpu.N.gpm.M.return 3
 *   gpu.N.temperature, memory_temperature     degrees Celsius
 *   gpu.N.process PID BYTES     a process, a line each; BYTES "-" where the driver does not tell
 *   gpu.N.mps_process PID BYTES a client of MPS, which is not among the processes
 *   gpu.N.process_use PID SM AT its use of the SMs in percent, a line each, up to that second of the clock; without AT up to now
 *   gpu.N.xid 79 [SERIAL]       an XID event, once for each value
 *   gpu.N.event TYPE [SERIAL]   an event of another type, once for each value of a line
 *   gpu.N.event_types 264       those that the GPU supports, as a mask; event_types.registered: those that it registers
 *   gpu.N.lost 1                every call of the GPU returns ERROR_GPU_IS_LOST, or the code that stands there instead of 1
 *   gpu.N.lost_until_init 2     with that: until nvmlInit has been called so often
 *   gpu.N.CALL.return 3         CALL is handle, uuid, name, memory_v2, memory, utilization, samples, gpm_support, gpm_sample,
 *                               gpm_metrics, power, power_limit, energy, temperature, fields, power_instant,
 *                               memory_temperature, processes, mps_processes, process_utilization, events, event_types, minor, pci, mig,
 *                               mig_handle
 *   gpu.N.sleep_ms 500          every call of the GPU takes so long; a smaller value ends a call that sleeps
 *   gpu.N.CALL.sleep_ms 500     that call takes so long
 *   gpu.N.notify PATH           a FIFO that gets a byte when a call begins to sleep
 *   gpu.N.mig SLOT GI CI PROFILE PROFILE_ID START [UUID]      a MIG instance, a line each; turns MIG on. Its handles are void
 *                               once a line of the GPU has changed
 *   gpu.N.mig_mode 1            MIG on without instances
 *   gpu.N.gi.G.duty, .period_ms, .utilization, .gpm.M         load of GPU instance G
 *   gpu.N.gi.G.memory.total, .used, .reserved                 its memory
 *
 * Two calls at once on one GPU abort the process, and so does a shutdown during a call or before all samples of hardware
 * counters are freed. -DNO_ENERGY and the like leave functions out; -DDRIVER_470, 535, 550 and 580 leave out what those lack.
 */
#ifndef STUB_H
#define STUB_H
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* When functions came. nvmlDeviceGetMemoryInfo_v2: 510. GPM: NVIDIA's manual of R520 has it. Inferred: the third form of the process lists with the new memory call, 510; JPEG and OFA utilisation, 530;
 * nvmlDeviceGetTemperatureV, 570. */
#if defined DRIVER_470
#define AGE 470
#define DRIVER "470.256.02"
#elif defined DRIVER_535
#define AGE 535
#define DRIVER "535.230.02"
#elif defined DRIVER_550
#define AGE 550
#define DRIVER "550.163.01"
#elif defined DRIVER_580
#define AGE 580
#define DRIVER "580.95.05"
#else
#define AGE 595
#define DRIVER "595.45.04"
#endif
#if AGE < 510
#define NO_MEMORY_V2
#define OLD_PROCESSES
#endif
#if AGE < 520
#define NO_GPM
#endif
#if AGE < 530
#define NO_JPEG
#endif
#if AGE < 570
#define NO_TEMPERATURE_V
#endif

typedef unsigned int uint;
typedef unsigned long long ull;
typedef int ret_t;

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       TIMEOUT = 10, GPU_IS_LOST = 15, ARGUMENT_VERSION_MISMATCH = 25, UNKNOWN = 999 };
enum { MAX_GPUS = 64, MAX_SLOTS = 8 };

/* What follows is shared by the files here, and hidden from whoever loads the library. */
#pragma GCC visibility push(hidden)

/* A handle: a GPU (slot -1), or the MIG instance of a slot on it as the lines of the GPU were when the handle was made. */
typedef struct { int gpu, slot; char lines[1024]; } device_t;
extern atomic_int initialised, inits; /* how often it is, and how often it was with this script */
extern atomic_int inside[MAX_GPUS];

/* script.c: what the script says. The value of the nth line of a key, or of its last line where nth is -1. */
int lookup(const char *key, int nth, char *out, size_t size);
int gpu_text(int gpu, const char *key, int nth, char *out, size_t size);
double gpu_number(int gpu, const char *key, double otherwise);
ull gpu_integer(int gpu, const char *key, ull otherwise);
double number(const char *key, double otherwise);
int count(void);
extern atomic_int script_life; /* counts the scripts of different names: each is another driver */

double monotonic(void); /* seconds */
void doze(void);
void nap(const char *key, const char *notify); /* sleeps as many milliseconds as a key says */

/* A call of a GPU goes in by enter and out by leave; CALL and CALL_ON leave at once where the script says so, or the handle
 * of a MIG instance is void. */
ret_t enter(int gpu, const char *call);
ret_t leave(int gpu, ret_t ret);
ret_t void_handle(device_t *device);
device_t *handle_of(int gpu, int slot, const char *lines);

#define CALL(gpu, name)                       \
	do {                                  \
		ret_t r = enter(gpu, name);   \
		if (r != SUCCESS)             \
			return leave(gpu, r); \
	} while (0)

#define CALL_ON(device, name)                             \
	do {                                              \
		CALL((device)->gpu, name);                \
		ret_t v = void_handle(device);            \
		if (v != SUCCESS)                         \
			return leave((device)->gpu, v);   \
	} while (0)

/* load.c: what keeps a GPU, or a GPU instance of it, busy. */
struct bursts;
typedef struct { double duty, period; const struct bursts *bursts; } load_t;
double now(void);                           /* seconds, by the script's clock */
/* The seconds to add to the clock for the stamp of a sample. */
double epoch(int gpu);
load_t load_of(int gpu, const char *prefix); /* prefix "" or "gi.G." */
double busy(load_t load, double at);        /* seconds at full use until then */
struct bursts *bursts_of(int gpu);
double busy_in(const struct bursts *bursts, double at);
/* The PID of the nth process of bursts that is alive, 0 past the last, and the share of a time in which it was busy. */
int burst_process(const struct bursts *bursts, int nth, double from, double to, double *share);
double window(int gpu);                     /* the driver's sample period in seconds */
double utilization(int gpu);                /* percent, live */

/* status.c: power and energy, and what counters have risen by. fields.c: how many fields there are. */
enum { COUNTERS = 33 };
double power(int gpu); /* mW */
ull energy(int gpu);   /* mJ */
double risen(int gpu, int counter, double rate);

/* mig.c: the nth line of a MIG instance, the one of a slot, and whether a GPU is in MIG mode. */
typedef struct { int slot, gi, ci, profile_id, start; char profile[32], uuid[64], line[128]; } mig_t;
int mig_line(int gpu, int nth, mig_t *mig);
int mig_slot(int gpu, int slot, mig_t *mig);
int mig_on(int gpu);
void mig_lines(int gpu, char *out, size_t size);
int mig_instance(int gpu, uint gi); /* some instance is on it */

/* gpm.c: samples that are not freed. */
extern atomic_int gpm_samples;

#pragma GCC visibility pop
#endif
