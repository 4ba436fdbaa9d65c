#include "controller/lease.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"

#define LEASE "leader"
enum { RENEW_S = 5 };

struct hf_lease {
    struct hf_store *store;
    struct hf_loop *loop;
    struct hf_timer renew;
    void (*on_lost)(void *ctx);
    void *ctx;
    uint64_t term;
    char holder[HF_STORE_NAME_MAX + 1];
};

static void on_renewed(void *ctx, const struct hf_store_answer *answer)
{
    struct hf_lease *l = ctx;

    if (answer->error.code == HF_EREFUSED) {
        hf_err("lost the lease: %s", answer->error.text);
        l->on_lost(l->ctx);
    } else if (answer->error.code) {
        hf_warn("the lease was not renewed: %s", answer->error.text);
    }
}

static void on_renew(struct hf_timer *t)
{
    struct hf_lease *l = HF_CONTAINER(t, struct hf_lease, renew);
    struct hf_store_op op = {HF_STORE_RENEW, .lease = LEASE, .holder = l->holder, .term = l->term};

    if (hf_store_submit(l->store, &op, on_renewed, l))
        hf_warn("the lease was not renewed: the store's queue is full");
    hf_timer_after(l->loop, &l->renew, hf_seconds(RENEW_S));
}

int hf_lease_take(struct hf_store *store, struct hf_loop *loop, const char *holder,
                  void (*on_lost)(void *ctx), void *ctx, struct hf_lease **ret, struct hf_error *e)
{
    struct hf_store_op look = {HF_STORE_LEASE, .lease = LEASE};
    struct hf_store_op acquire = {HF_STORE_ACQUIRE, .lease = LEASE, .holder = holder};
    struct hf_store_answer answer;
    struct hf_lease *l;
    int rc = hf_store_wait(store, &look, &answer);

    if (rc == 0) {
        acquire.term = answer.lease.term;
        acquire.counter = answer.lease.counter;
    } else if (rc != HF_ENOENT) {
        hf_error_set(e, rc, "cannot read the lease: %s", answer.error.text);
        hf_store_answer_done(&answer);
        return rc;
    }
    hf_store_answer_done(&answer);
    rc = hf_store_wait(store, &acquire, &answer);
    if (rc) {
        hf_error_set(e, rc, "cannot take the lease: %s", answer.error.text);
        hf_store_answer_done(&answer);
        return rc;
    }
    l = hf_alloc(sizeof(*l));
    l->store = store;
    l->loop = loop;
    l->on_lost = on_lost;
    l->ctx = ctx;
    l->term = answer.lease.term;
    snprintf(l->holder, sizeof(l->holder), "%s", holder);
    hf_store_answer_done(&answer);
    hf_timer_init(&l->renew, on_renew);
    hf_timer_after(loop, &l->renew, hf_seconds(RENEW_S));
    *ret = l;
    return 0;
}

uint64_t hf_lease_term(const struct hf_lease *l)
{
    return l->term;
}

struct hf_lease *hf_lease_free(struct hf_lease *l)
{
    if (l)
        hf_timer_done(&l->renew);
    return hf_free(l);
}
