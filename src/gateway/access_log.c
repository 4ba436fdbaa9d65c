#include "gateway/access_log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum {
    RING = 1024 * 1024,  /* bytes a worker; a line is contiguous, so the end may stay unused */
    WAKE_AT = 64 * 1024, /* unwritten bytes at which the worker wakes the thread */
    WARM =
        2 * WAKE_AT, /* a thread that keeps up has the worker use no more: it stays in the cache */
    PERIOD_MS = 200, /* otherwise it looks by itself */
};

/* Positions only rise; position % RING is the offset. A line that would cross the end of the ring
 * is begun at its start: `skip` is where the lap before ended. There is one at a time: the worker
 * ends a lap only when the thread has left the one before. */
struct hf_access_log_ring {
    _Alignas(64) _Atomic uint64_t written; /* by the worker */
    _Atomic uint64_t skip;                 /* where the lap before `written`'s ended */
    uint64_t begun;                        /* worker's own: where the present line began */
    bool woken;
    int bell;
    _Alignas(64) _Atomic uint64_t flushed; /* by the thread */
    char *data;
};

struct hf_access_log {
    int fd, bell;
    uint32_t workers;
    _Atomic bool stop;
    bool failing;
    pthread_t thread;
    pthread_barrier_t begun; /* the thread needs no further system call to be one */
    struct hf_access_log_ring *rings;
};

static void write_all(struct hf_access_log *log, const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(log->fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            if (!log->failing)
                hf_err("access log: cannot write, lines are lost: %s", strerror(errno));
            log->failing = true;
            return;
        }
        log->failing = false;
        p += done;
        n -= (size_t)done;
    }
}

static void flush_ring(struct hf_access_log *log, struct hf_access_log_ring *r)
{
    uint64_t to = atomic_load_explicit(&r->written, memory_order_acquire);
    uint64_t from = atomic_load_explicit(&r->flushed, memory_order_relaxed);
    uint64_t skip = atomic_load_explicit(&r->skip, memory_order_relaxed);

    if (from == to)
        return;
    if (from / RING != (to - 1) / RING) { /* the lines go on at the ring's start */
        write_all(log, r->data + from % RING, (size_t)(skip - from));
        from = (from / RING + 1) * RING;
    }
    write_all(log, r->data + from % RING, (size_t)(to - from));
    atomic_store_explicit(&r->flushed, to, memory_order_release);
}

static void *run(void *arg)
{
    struct hf_access_log *log = arg;
    struct pollfd p = {.fd = log->bell, .events = POLLIN};
    uint64_t count;

    pthread_barrier_wait(&log->begun);
    while (!atomic_load(&log->stop)) {
        if (poll(&p, 1, PERIOD_MS) > 0 && read(log->bell, &count, sizeof(count)) < 0)
            hf_err("access log: cannot read the bell: %s", strerror(errno));
        for (uint32_t w = 0; w < log->workers; w++)
            flush_ring(log, &log->rings[w]);
    }
    for (uint32_t w = 0; w < log->workers; w++)
        flush_ring(log, &log->rings[w]);
    return NULL;
}

int hf_access_log_start(int fd, uint32_t workers, struct hf_access_log **ret, struct hf_error *e)
{
    struct hf_access_log *log;

    if (fd < 0) {
        *ret = NULL;
        return 0;
    }
    log = hf_alloc(sizeof(*log));
    log->fd = fd;
    log->workers = workers;
    log->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    log->rings = aligned_alloc(64, workers * sizeof(*log->rings));
    if (!log->rings || log->bell < 0)
        return hf_error_errno(e, HF_EIO, "cannot start the access log");
    for (uint32_t w = 0; w < workers; w++) {
        log->rings[w] = (struct hf_access_log_ring){.bell = log->bell, .data = hf_alloc(RING)};
    }
    pthread_barrier_init(&log->begun, NULL, 2);
    if (pthread_create(&log->thread, NULL, run, log))
        return hf_error_set(e, HF_EIO, "cannot start the access log's thread");
    pthread_barrier_wait(&log->begun);
    *ret = log;
    return 0;
}

struct hf_access_log *hf_access_log_stop(struct hf_access_log *log)
{
    uint64_t one = 1;

    if (!log)
        return NULL;
    atomic_store(&log->stop, true);
    if (write(log->bell, &one, sizeof(one)) < 0)
        hf_err("access log: cannot ring: %s", strerror(errno));
    pthread_join(log->thread, NULL);
    for (uint32_t w = 0; w < log->workers; w++)
        hf_free(log->rings[w].data);
    pthread_barrier_destroy(&log->begun);
    free(log->rings);
    close(log->bell);
    close(log->fd);
    return hf_free(log);
}

struct hf_access_log_ring *hf_access_log_ring(struct hf_access_log *log, uint32_t worker)
{
    return log ? &log->rings[worker] : NULL;
}

char *hf_access_log_begin(struct hf_access_log_ring *r, size_t n)
{
    uint64_t at = atomic_load_explicit(&r->written, memory_order_relaxed);
    uint64_t flushed = atomic_load_explicit(&r->flushed, memory_order_acquire);

    if (flushed == at && at % RING >= WARM && n <= WARM)
        at = (at / RING + 1) * RING;
    if (at % RING + n > RING) {
        uint64_t next_lap = (at / RING + 1) * RING;
        /* One lap's end at a time: the thread must be past the previous one. */
        if (flushed / RING != at / RING || next_lap + n > flushed + RING)
            return NULL;
        at = next_lap;
    }
    if (at + n > flushed + RING)
        return NULL;
    r->begun = at;
    return r->data + at % RING;
}

/* Bytes of lines from `flushed` to `to`; what a lap left unused is none. */
static uint64_t unwritten(const struct hf_access_log_ring *r, uint64_t flushed, uint64_t to)
{
    uint64_t lap = (to - 1) / RING * RING;

    if (flushed >= lap)
        return to - flushed;
    return atomic_load_explicit(&r->skip, memory_order_relaxed) - flushed + to - lap;
}

void hf_access_log_commit(struct hf_access_log_ring *r, size_t n)
{
    uint64_t flushed = atomic_load_explicit(&r->flushed, memory_order_relaxed), one = 1;
    uint64_t before = atomic_load_explicit(&r->written, memory_order_relaxed);

    if (before % RING == 0 || before / RING != r->begun / RING)
        atomic_store_explicit(&r->skip, before, memory_order_relaxed);
    atomic_store_explicit(&r->written, r->begun + n, memory_order_release);
    if (unwritten(r, flushed, r->begun + n) < WAKE_AT) {
        r->woken = false;
    } else if (!r->woken) {
        r->woken = true;
        if (write(r->bell, &one, sizeof(one)) < 0)
            r->woken = false; /* the thread looks by itself before long */
    }
}
