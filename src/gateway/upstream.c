#include "gateway/upstream.h"

#include "gateway/h1_upstream.h"
#include "gateway/worker.h"

enum hf_failure hf_upstream_open(struct hf_exchange *x, struct hf_target *t,
                                 struct hf_upstream **ret)
{
    const struct hf_plan_service *s = hf_worker_policy(x->worker, x->service);
    uint8_t proxy_version = s ? s->proxy_version : 0;
    struct hf_upstream *u = NULL;

    /* After a kept connection turned out to be closed, the next ones may be as well. */
    if (!x->stale && !proxy_version)
        u = hf_target_take(x->worker, t, x->idempotent);
    if (!u)
        return hf_h1_upstream_connect(x->worker, t, proxy_version, ret);
    *ret = u;
    return HF_FAILURE_NONE;
}

void hf_upstream_attach(struct hf_upstream *u, struct hf_exchange *x)
{
    u->exchange = x;
    u->heard = u->reusable = false;
    hf_link_remove(&u->link);
    hf_list_append(&u->target->busy, &u->link);
    u->ops->attach(u);
}
