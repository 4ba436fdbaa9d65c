#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/sqlite.h"

enum { BATCH_MAX = 256 };

struct job {
    struct hf_link link;
    struct hf_store_op op;
    struct hf_store_answer answer;
    void (*done)(void *ctx, const struct hf_store_answer *answer);
    void *ctx;
    bool waited_for; /* hf_store_wait() owns it; never in `answered` */
    bool finished;
    char bytes[]; /* what op's pointers point into */
};

struct hf_store {
    struct hf_backend *backend; /* the thread's alone while that runs */
    struct hf_loop *loop;
    struct hf_watch watch; /* fd: an eventfd that says that `answered` is not empty */
    pthread_t thread;
    size_t pending, pending_bytes; /* the loop thread's: submitted and not answered */
    bool closing, answering;       /* the loop thread's */

    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t queued_more, finished_one;
    struct hf_link queued, answered;
    bool stop;
};

/* ---- jobs ---- */

static const char *place(char **at, const char *text)
{
    size_t n;
    char *p = *at;

    if (!text)
        return NULL;
    n = strlen(text) + 1;
    memcpy(p, text, n);
    *at = p + n;
    return p;
}

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static struct job *job_new(const struct hf_store_op *op)
{
    struct job *job =
        hf_alloc(sizeof(*job) + size_of(op->kind) + size_of(op->key) + size_of(op->stream) +
                 size_of(op->lease) + size_of(op->holder) + op->value.n);
    char *at = job->bytes;

    hf_link_init(&job->link);
    job->op = *op;
    job->op.kind = place(&at, op->kind);
    job->op.key = place(&at, op->key);
    job->op.stream = place(&at, op->stream);
    job->op.lease = place(&at, op->lease);
    job->op.holder = place(&at, op->holder);
    job->op.value.p = at;
    if (op->value.n)
        memcpy(at, op->value.p, op->value.n);
    return job;
}

static void job_free(struct job *job)
{
    hf_store_answer_done(&job->answer);
    hf_free(job);
}

/* ---- the store thread ---- */

static void fail_all(struct job **jobs, size_t n, const struct hf_error *e)
{
    for (size_t i = 0; i < n; i++) {
        hf_store_answer_done(&jobs[i]->answer);
        jobs[i]->answer.error = *e;
    }
}

/* Returns false if nothing of the batch was kept though each may do better alone. */
static bool run_together(struct hf_backend *b, struct job **jobs, size_t n)
{
    struct hf_error e = {0};
    bool writes = false;

    for (size_t i = 0; i < n; i++)
        writes = writes || hf_store_verb_writes(jobs[i]->op.verb);
    if (b->type->begin(b, writes, &e)) {
        fail_all(jobs, n, &e);
        return true;
    }
    for (size_t i = 0; i < n; i++)
        b->type->run(b, &jobs[i]->op, &jobs[i]->answer);
    if (b->type->commit(b, &e) == 0)
        return true;
    /* The text of the one that broke the batch says more than that it is broken. */
    if (n == 1 && jobs[0]->answer.error.code)
        e = jobs[0]->answer.error;
    fail_all(jobs, n, &e);
    return n == 1;
}

/* If a batch fails as a whole (a disk that is full for one of them), each is tried alone: so each
 * gets the answer that it deserves. */
static void run_batch(struct hf_backend *b, struct job **jobs, size_t n)
{
    if (run_together(b, jobs, n))
        return;
    for (size_t i = 0; i < n; i++) {
        hf_store_answer_done(&jobs[i]->answer);
        run_together(b, &jobs[i], 1);
    }
}

static void *run_thread(void *arg)
{
    struct hf_store *s = arg;
    struct job *jobs[BATCH_MAX];

    pthread_mutex_lock(&s->lock);
    for (;;) {
        size_t n = 0;
        bool answers = false;

        while (hf_link_alone(&s->queued) && !s->stop)
            pthread_cond_wait(&s->queued_more, &s->lock);
        if (hf_link_alone(&s->queued))
            break;
        while (n < BATCH_MAX && !hf_link_alone(&s->queued)) {
            jobs[n] = HF_CONTAINER(s->queued.next, struct job, link);
            hf_link_remove(&jobs[n++]->link);
        }
        pthread_mutex_unlock(&s->lock);
        run_batch(s->backend, jobs, n);
        pthread_mutex_lock(&s->lock);
        for (size_t i = 0; i < n; i++) {
            jobs[i]->finished = true;
            if (jobs[i]->waited_for)
                continue;
            hf_list_append(&s->answered, &jobs[i]->link);
            answers = true;
        }
        pthread_cond_signal(&s->finished_one);
        if (answers && s->loop)
            eventfd_write(s->watch.fd, 1);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- the loop's side ---- */

static void answer(struct hf_store *s)
{
    struct hf_link mine;

    hf_link_init(&mine);
    pthread_mutex_lock(&s->lock);
    while (!hf_link_alone(&s->answered)) {
        struct hf_link *l = s->answered.next;
        hf_link_remove(l);
        hf_list_append(&mine, l);
    }
    pthread_mutex_unlock(&s->lock);
    s->answering = true;
    while (!hf_link_alone(&mine)) {
        struct job *job = HF_CONTAINER(mine.next, struct job, link);
        hf_link_remove(&job->link);
        s->pending--;
        s->pending_bytes -= job->op.value.n;
        if (job->done)
            job->done(job->ctx, &job->answer);
        job_free(job);
    }
    s->answering = false;
}

static void on_answered(struct hf_watch *w, uint32_t events)
{
    eventfd_t count;

    (void)events;
    eventfd_read(w->fd, &count);
    answer(HF_CONTAINER(w, struct hf_store, watch));
}

static void enqueue(struct hf_store *s, struct job *job)
{
    pthread_mutex_lock(&s->lock);
    hf_list_append(&s->queued, &job->link);
    pthread_cond_signal(&s->queued_more);
    pthread_mutex_unlock(&s->lock);
}

int hf_store_submit(struct hf_store *s, const struct hf_store_op *op,
                    void (*done)(void *ctx, const struct hf_store_answer *answer), void *ctx)
{
    struct job *job;
    int rc = hf_store_op_check(op, NULL);

    assert(s->loop);
    if (rc)
        return rc;
    if (s->closing)
        return HF_EREFUSED;
    if (s->pending >= HF_STORE_QUEUE_MAX ||
        s->pending_bytes + op->value.n > HF_STORE_QUEUE_BYTES_MAX)
        return HF_ELIMIT;
    job = job_new(op);
    job->done = done;
    job->ctx = ctx;
    s->pending++;
    s->pending_bytes += op->value.n;
    enqueue(s, job);
    return 0;
}

int hf_store_wait(struct hf_store *s, const struct hf_store_op *op, struct hf_store_answer *ret)
{
    struct job *job;

    *ret = (struct hf_store_answer){0};
    if (hf_store_op_check(op, &ret->error))
        return ret->error.code;
    if (s->closing)
        return hf_error_set(&ret->error, HF_EREFUSED, "store: it is closing");
    job = job_new(op);
    job->waited_for = true;
    enqueue(s, job);
    pthread_mutex_lock(&s->lock);
    while (!job->finished)
        pthread_cond_wait(&s->finished_one, &s->lock);
    pthread_mutex_unlock(&s->lock);
    *ret = job->answer;
    job->answer = (struct hf_store_answer){0};
    job_free(job);
    return ret->error.code;
}

size_t hf_store_pending(const struct hf_store *s)
{
    return s->pending;
}

/* ---- opening and closing ---- */

static int open_backend(const char *url, const char *folder, struct hf_backend **ret,
                        struct hf_error *e)
{
    HF_AUTOFREE char *path = NULL;

    if (strncmp(url, "mongodb:", 8) == 0 || strncmp(url, "mongodb+srv:", 12) == 0)
        return hf_error_set(e, HF_EREFUSED, "store: not yet: mongodb comes later; use sqlite");
    if (strcmp(url, "sqlite") != 0)
        return hf_error_set(e, HF_EINVAL, "store: \"%.60s\" is not known; expected sqlite", url);
    path = hf_asprintf("%s/holdfast.db", folder);
    return hf_sqlite_open(path, ret, e);
}

static int start(struct hf_store *s, struct hf_error *e)
{
    sigset_t all, before;
    int rc;

    s->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->watch.fd < 0)
        return hf_error_errno(e, HF_EIO, "store: cannot create an eventfd");
    s->watch.on_event = on_answered;
    if (s->loop && hf_loop_watch(s->loop, &s->watch, EPOLLIN))
        return hf_error_errno(e, HF_EIO, "store: cannot watch an eventfd");
    /* Signals are for the loop's thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&s->thread, NULL, run_thread, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc) {
        errno = rc;
        rc = hf_error_errno(e, HF_EIO, "store: cannot start a thread");
        if (s->loop)
            hf_loop_unwatch(s->loop, &s->watch);
    }
    return rc;
}

static void destroy(struct hf_store *s)
{
    if (s->watch.fd >= 0)
        close(s->watch.fd);
    s->backend->type->close(s->backend);
    pthread_cond_destroy(&s->finished_one);
    pthread_cond_destroy(&s->queued_more);
    pthread_mutex_destroy(&s->lock);
    hf_free(s);
}

int hf_store_open(const char *url, const char *folder, struct hf_loop *loop, struct hf_store **ret,
                  struct hf_error *e)
{
    struct hf_backend *backend = NULL;
    struct hf_store *s;
    int rc = open_backend(url, folder, &backend, e);

    if (rc)
        return rc;
    s = hf_alloc(sizeof(*s));
    s->backend = backend;
    s->loop = loop;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->queued_more, NULL);
    pthread_cond_init(&s->finished_one, NULL);
    hf_link_init(&s->queued);
    hf_link_init(&s->answered);
    rc = start(s, e);
    if (rc) {
        destroy(s);
        return rc;
    }
    *ret = s;
    return 0;
}

struct hf_store *hf_store_free(struct hf_store *s)
{
    if (!s)
        return NULL;
    assert(!s->answering);
    s->closing = true;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->queued_more);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    if (s->loop)
        hf_loop_unwatch(s->loop, &s->watch);
    answer(s);
    destroy(s);
    return NULL;
}
