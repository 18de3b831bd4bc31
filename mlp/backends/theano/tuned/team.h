/* Team of threads shared by all tuned operations of a process.
 *
 * The thread that calls parallel_for() works, too.  Work is divided into chunks.  Each thread begins with a share of
 * its own, the same part of every operation, so that it mostly reads what it wrote itself: on a virtual machine another
 * core's cache can be five times as far as a shared one.  Then it takes chunks of the others: a preempted helper delays
 * one chunk and not the whole operation, and without any helper (after a fork) the caller does all of it.
 *
 * Each operation is a separate C module, but helpers of several teams would compete for the cores.  So the first
 * module creates the team and stores it in a capsule in Python's sys for the others.  Callers hold the GIL;
 * helpers never touch Python.
 */
#include <Python.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

/* Not <thread>, <mutex> and <condition_variable>: they would add a third to the compilation of each operation. */
#include <pthread.h>
#include <sched.h>
#include <time.h>

namespace mlp_team {

using tuning::SPIN_NANOSECONDS;
using tuning::SPINS_BEFORE_YIELD;

static inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static inline int64_t nanoseconds() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
}

/* A job's number, the end of a share of its chunks and the next chunk in one word: taking a chunk is one
 * compare-and-swap, which fails if the job is over. */
struct Ticket {
    uint64_t word;
    uint32_t end() const { return (word >> 16) & 0xffff; }
    uint32_t next_chunk() const { return word & 0xffff; }
    bool open() const { return next_chunk() < end(); }
    static Ticket of(uint32_t job, uint32_t begin, uint32_t end) {
        return Ticket{(uint64_t(job) << 32) | (end << 16) | begin};
    }
};

const int MAX_THREADS = 256;
/* Two cache lines each, as processors fetch lines in pairs. */
struct alignas(128) Share {
    std::atomic<uint64_t> ticket{0};
};

struct Team {
    Share shares[MAX_THREADS];
    std::atomic<uint32_t> job{0};    /* number of the latest one, stored after its shares: all that idle helpers read */
    std::atomic<int> num_threads{1}; /* the caller is thread 0 */
    std::atomic<int> num_active{1};  /* of them, those that this operation may use; the others sleep */
    std::atomic<void (*)(const void*, int)> run_chunk{nullptr};
    std::atomic<const void*> body{nullptr};
    std::atomic<int> unfinished_chunks{0};
    std::atomic<int> num_sleeping{0};
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t woken = PTHREAD_COND_INITIALIZER, activated = PTHREAD_COND_INITIALIZER;

    bool take_chunk_of(std::atomic<uint64_t>& ticket) {
        uint64_t seen = ticket.load(std::memory_order_acquire);
        while (Ticket{seen}.open()) {
            auto run = run_chunk.load(std::memory_order_relaxed);
            auto arguments = body.load(std::memory_order_relaxed);
            if (ticket.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
                run(arguments, Ticket{seen}.next_chunk());
                unfinished_chunks.fetch_sub(1, std::memory_order_release);
                return true;
            }
        }
        return false;
    }

    /* Its own chunks first. */
    bool take_chunk(int thread) {
        const int threads = num_active.load(std::memory_order_relaxed);
        for (int i = 0; i < threads; ++i)
            if (take_chunk_of(shares[(thread + i) % threads].ticket)) return true;
        return false;
    }

    void sleep_until_job_after(uint32_t done) {
        pthread_mutex_lock(&mutex);
        ++num_sleeping;
        while (job.load() == done) pthread_cond_wait(&woken, &mutex);
        --num_sleeping;
        pthread_mutex_unlock(&mutex);
    }

    void wake_sleepers() {
        if (num_sleeping.load() == 0) return;
        pthread_mutex_lock(&mutex);
        pthread_cond_broadcast(&woken);
        pthread_mutex_unlock(&mutex);
    }

    void sleep_until_active(int thread) {
        pthread_mutex_lock(&mutex);
        while (thread >= num_active.load()) pthread_cond_wait(&activated, &mutex);
        pthread_mutex_unlock(&mutex);
    }

    /* Between two jobs. */
    void use(int threads) {
        grow_to(threads);
        threads = std::min(threads, num_threads.load());
        if (num_active.load() == threads) return;
        pthread_mutex_lock(&mutex);
        num_active.store(threads);
        pthread_cond_broadcast(&activated);
        pthread_mutex_unlock(&mutex);
    }

    void help_for_ever(int thread) {
        for (;;) {
            if (thread >= num_active.load()) sleep_until_active(thread);
            const uint32_t seen = job.load();
            while (take_chunk(thread)) {
            }
            int64_t limit = nanoseconds() + SPIN_NANOSECONDS;
            while (job.load() == seen && nanoseconds() < limit)
                for (int spin = 0; spin < 32 && job.load() == seen; ++spin) relax();
            if (job.load() == seen) sleep_until_job_after(seen);
        }
    }

    struct Helper {
        Team* team;
        int thread;
    };

    static void* help(void* argument) {
        const Helper helper = *(Helper*)argument;
        delete (Helper*)argument;
        helper.team->help_for_ever(helper.thread);
        return nullptr;
    }

    /* Threads that the system refuses are done without: others take their shares. */
    void grow_to(int threads) {
        for (int thread = num_threads.load(); thread < std::min(threads, MAX_THREADS); ++thread) {
            pthread_t made;
            Helper* helper = new Helper{this, thread};
            if (pthread_create(&made, nullptr, help, helper) == 0) pthread_detach(made);
            else delete helper;
            num_threads.store(thread + 1);
        }
    }

    void run(void (*function)(const void*, int), const void* arguments, int num_chunks) {
        run_chunk.store(function, std::memory_order_relaxed);
        body.store(arguments, std::memory_order_relaxed);
        unfinished_chunks.store(num_chunks, std::memory_order_relaxed);
        const uint32_t number = job.load() + 1;
        const int threads = num_active.load();
        for (int i = 0; i < threads; ++i)
            shares[i].ticket.store(Ticket::of(number, num_chunks * i / threads, num_chunks * (i + 1) / threads).word);
        job.store(number);
        wake_sleepers();
        while (take_chunk(0)) {
        }
        for (int spin = 0; unfinished_chunks.load(std::memory_order_acquire) > 0; ++spin)
            if (spin < SPINS_BEFORE_YIELD) relax();
            else sched_yield();
    }
};

/* The process's team; NULL if it cannot be made. */
static Team* of_process() {
    static Team* team = nullptr;
    const char* const name = "_mlp_bench_team_3"; /* count up when Team's layout or meaning changes */
    if (team) return team;
    if (PyObject* capsule = PySys_GetObject(name)) return team = (Team*)PyCapsule_GetPointer(capsule, name);
    Team* made = new Team;
    PyObject* capsule = PyCapsule_New(made, name, NULL);
    if (!capsule || PySys_SetObject(name, capsule) < 0) {
        PyErr_Clear();
        Py_XDECREF(capsule);
        delete made;
        return nullptr;
    }
    Py_DECREF(capsule);
    return team = made;
}

/* body(chunk) for every chunk in [0, num_chunks), at most 65535, by up to num_threads threads; returns when all are
 * done.  body must not throw. */
template <class Body>
static void parallel_for(int num_threads, int num_chunks, const Body& body) {
    Team* team = num_threads > 1 && num_chunks > 1 ? of_process() : nullptr;
    if (!team) { /* then the caller does everything */
        for (int chunk = 0; chunk < num_chunks; ++chunk) body(chunk);
        return;
    }
    team->use(num_threads);
    team->run([](const void* arguments, int chunk) { (*(const Body*)arguments)(chunk); }, &body, num_chunks);
}

/* Chunk number `chunk` of `num_chunks` equal parts of [0, size): where it begins; the next one begins where it ends. */
static inline npy_intp chunk_begin(npy_intp size, int chunk, int num_chunks, npy_intp multiple = 1) {
    if (chunk == num_chunks) return size;
    return size * chunk / num_chunks / multiple * multiple;
}

} /* namespace mlp_team */
