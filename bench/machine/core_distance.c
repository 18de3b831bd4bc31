/* Round trips of a cache line between two cores: two threads, each pinned to a core, take turns in counting up.
 *
 * Compiled and called by core_distance.py.  Threads of its own are pinned, so that the caller's affinity never changes.
 * Waiting is a spin loop with the processor's hint for one, as in the teams of threads whose speed it explains. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#if defined(__x86_64__) || defined(__i386__)
#define RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define RELAX() __asm__ volatile("yield")
#else
#define RELAX() ((void)0)
#endif

enum { NOT_YET = -1, STOPPED = -2, MIN_BATCHES = 4 };

typedef struct {
    _Alignas(128) atomic_long count; /* odd: the second thread is to answer; alone in two lines, prefetched as a pair */
    _Alignas(128) int first_core, second_core, num_batches, trips_per_batch;
    double limit_seconds, *ns;
    int num_measured, error;
} Meeting;

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int pin(int core) {
    cpu_set_t cores;
    if (core < 0 || core >= CPU_SETSIZE) return EINVAL;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    return pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
}

/* Wait for a value; 0 if the other thread stopped instead. */
static int await(Meeting *m, long value) {
    long seen;
    while ((seen = atomic_load_explicit(&m->count, memory_order_acquire)) != value) {
        if (seen == STOPPED) return 0;
        RELAX();
    }
    return 1;
}

static void stop(Meeting *m) { atomic_store_explicit(&m->count, STOPPED, memory_order_release); }

static void *answer(void *argument) {
    Meeting *m = argument;
    if ((m->error = pin(m->second_core))) {
        stop(m);
        return 0;
    }
    atomic_store_explicit(&m->count, 0, memory_order_release);
    for (long i = 1; await(m, i); i += 2) atomic_store_explicit(&m->count, i + 1, memory_order_release);
    return 0;
}

static void make_trips(Meeting *m, long *count, int num_trips) {
    for (int trip = 0; trip < num_trips; trip++, *count += 2) {
        atomic_store_explicit(&m->count, *count + 1, memory_order_release);
        await(m, *count + 2);
    }
}

static void *ask(void *argument) {
    Meeting *m = argument;
    int error = pin(m->first_core);
    if (!await(m, 0)) return 0;
    if (error) {
        m->error = error;
        stop(m);
        return 0;
    }
    long count = 0;
    make_trips(m, &count, 1); /* after it both threads run */
    double start = now_seconds(), last = start;
    for (int batch = 0; batch < m->num_batches; batch++) {
        if (batch >= MIN_BATCHES && last - start > m->limit_seconds) break;
        make_trips(m, &count, m->trips_per_batch);
        double end = now_seconds();
        m->ns[batch] = (end - last) / m->trips_per_batch * 1e9;
        m->num_measured = batch + 1;
        last = end;
    }
    stop(m);
    return 0;
}

/* Write the mean round trip of each batch, in nanoseconds, to ns; return the number of batches, or an error < 0. */
int round_trips(int first_core, int second_core, int num_batches, int trips_per_batch, double limit_seconds,
                double *ns) {
    Meeting m = {.count = NOT_YET, .first_core = first_core, .second_core = second_core, .num_batches = num_batches,
                 .trips_per_batch = trips_per_batch, .limit_seconds = limit_seconds, .ns = ns};
    pthread_t asking, answering;
    int error = pthread_create(&answering, 0, answer, &m);
    if (error) return -error;
    error = pthread_create(&asking, 0, ask, &m);
    if (error) {
        while (atomic_load(&m.count) == NOT_YET) RELAX();
        stop(&m);
    } else {
        pthread_join(asking, 0);
    }
    pthread_join(answering, 0);
    error = error ? error : m.error;
    return error ? -error : m.num_measured;
}
