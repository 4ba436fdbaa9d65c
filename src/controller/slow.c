#include "controller/slow.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "base/mem.h"

struct piece {
    void (*work)(void *ctx);
    void *ctx;
};

struct hf_slow {
    pthread_t thread;
    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t more;
    struct piece waiting[HF_SLOW_MOST];
    unsigned first, n;
    bool stop;
};

static void *run(void *arg)
{
    struct hf_slow *s = arg;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct piece piece;
        while (s->n == 0 && !s->stop)
            pthread_cond_wait(&s->more, &s->lock);
        if (s->n == 0)
            break;
        piece = s->waiting[s->first];
        s->first = (s->first + 1) % HF_SLOW_MOST;
        s->n--;
        pthread_mutex_unlock(&s->lock);
        piece.work(piece.ctx);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void destroy(struct hf_slow *s)
{
    pthread_cond_destroy(&s->more);
    pthread_mutex_destroy(&s->lock);
    hf_free(s);
}

int hf_slow_new(struct hf_slow **ret, struct hf_error *e)
{
    struct hf_slow *s = hf_alloc(sizeof(*s));
    sigset_t all, before;
    int rc;

    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    sigfillset(&all); /* signals are for the loop's thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&s->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc) {
        errno = rc;
        destroy(s);
        return hf_error_errno(e, HF_EIO, "cannot start a thread");
    }
    *ret = s;
    return 0;
}

struct hf_slow *hf_slow_free(struct hf_slow *s)
{
    if (!s)
        return NULL;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    destroy(s);
    return NULL;
}

int hf_slow_run(struct hf_slow *s, void (*work)(void *ctx), void *ctx_take)
{
    int rc = HF_ELIMIT;

    pthread_mutex_lock(&s->lock);
    if (s->n < HF_SLOW_MOST) {
        s->waiting[(s->first + s->n++) % HF_SLOW_MOST] = (struct piece){work, ctx_take};
        pthread_cond_signal(&s->more);
        rc = 0;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}
